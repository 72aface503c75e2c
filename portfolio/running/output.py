"""The folder of answers.

    answers/part-000000.parquet     one file a part
    quarantine/part-000000.parquet  the rows of a part without an answer, where there are any
    receipts/part-000000.json       says that a part's files are whole
    plan.json                       what all of it is of
    manifest.json                   what came of it; there only when all is

Whatever is written is there whole or not at all, and whoever writes a part a second time writes the same bytes.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portfolio.errors import BusyError, OtherWorkError, OutputError
from portfolio.reading.spans import Part
from portfolio.running.plan import Document, differences, digest_of, encoded
from portfolio.running.receipt import Receipt
from records.durable import make_folder_durably, replace_durably

_LOCK = ".lock"
_HALF_WRITTEN = re.compile(r"\..+\.[0-9a-f]{16}")
"""What `replacing_durably` calls a file until it is whole."""


@dataclass(frozen=True, slots=True)
class Output:
    """The folder's files.

    Attributes:
        folder: the folder.
    """

    folder: Path

    @property
    def plan(self) -> Path:
        """What all of it is of."""
        return self.folder / "plan.json"

    @property
    def manifest(self) -> Path:
        """What came of it."""
        return self.folder / "manifest.json"

    def answers(self, part: int) -> Path:
        """The file of a part's answers."""
        return self.folder / "answers" / f"part-{part:06}.parquet"

    def quarantine(self, part: int) -> Path:
        """The file of a part's rows without an answer."""
        return self.folder / "quarantine" / f"part-{part:06}.parquet"

    def receipt(self, part: int) -> Path:
        """The file that says that a part is done."""
        return self.folder / "receipts" / f"part-{part:06}.json"

    @contextmanager
    def held(self, plan: Document) -> Iterator[None]:
        """Make the folder this plan's, and nobody else's meanwhile.

        Raises:
            OtherWorkError: it is another's.
            BusyError: somebody is working in it.
            OutputError: it can't be written.
        """
        with ExitStack() as stack:
            try:
                self._check_ours(plan)
                for name in ("answers", "quarantine", "receipts"):
                    make_folder_durably(self.folder / name, 0o700)
                stack.callback(os.close, self._locked())
                self._check_ours(plan)
                self.sweep()
                replace_durably(self.plan, encoded(plan))
            except OSError as exc:
                raise unwritable(self.folder, exc) from None
            yield

    def done(self, plan: Document, parts: tuple[Part, ...]) -> Iterator[Receipt]:
        """The receipts of the parts that are done and whole."""
        digest = digest_of(plan)
        for part in parts:
            receipt = Receipt.read(self.receipt(part.number))
            if receipt is not None and self._stands(receipt, part, digest):
                yield receipt

    def sweep(self) -> None:
        """Remove what was being written when somebody was killed."""
        for folder in (self.folder, *(self.folder / name for name in ("answers", "quarantine", "receipts"))):
            for path in folder.iterdir():
                if _HALF_WRITTEN.fullmatch(path.name):
                    path.unlink(missing_ok=True)

    def _stands(self, receipt: Receipt, part: Part, plan: str) -> bool:
        return (
            (receipt.plan, receipt.part, receipt.rows) == (plan, part.number, part.rows)
            and receipt.answered + receipt.quarantined == receipt.rows
            and sum(receipt.decisions.values()) == receipt.answered
            and receipt.answers.is_at(self.answers(part.number))
            and (receipt.quarantine is None or receipt.quarantine.is_at(self.quarantine(part.number)))
        )

    def _check_ours(self, plan: Document) -> None:
        there = [path.name for path in self.folder.iterdir()] if self.folder.exists() else []
        if not self.plan.exists():
            if any(name not in {_LOCK, "answers", "quarantine", "receipts"} for name in there):
                raise OtherWorkError(f"{self.folder}: holds other files; name a folder that is empty or not there")
            return
        other = _read(self.plan)
        if other != plan:
            what = ", ".join(differences(plan, other)) or "plan"
            raise OtherWorkError(
                f"{self.folder}: holds the answers of another {what}; name another folder, or remove this one"
            )

    def _locked(self) -> int:
        """A file descriptor, which nobody else has while it is open."""
        lock = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException as exc:
            os.close(lock)
            if isinstance(exc, BlockingIOError):
                raise BusyError(f"{self.folder}: another process works in it; wait for it, or end it") from None
            raise
        return lock


def unwritable(folder: Path, exc: OSError) -> OutputError:
    """What an error of the system means for the folder of answers."""
    return OutputError(
        f"{folder}: can't be written ({exc.strerror or exc}); when it can, run the same command again: what is done "
        "stays done"
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
