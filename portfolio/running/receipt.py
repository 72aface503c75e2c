"""What came of a part. It is written when the part's files are on the disk, and is what says that they are whole."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from preprocessing.documents import Strict


class Written(Strict):
    """A file.

    Attributes:
        bytes: its size.
        sha256: of them, hexadecimal.
    """

    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Self:
        """A file as it is.

        Raises:
            OSError: it can't be read.
        """
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return cls(bytes=file.tell(), sha256=digest)

    def is_at(self, path: Path) -> bool:
        """Whether a file is this one."""
        try:
            return path.stat().st_size == self.bytes and Written.of(path) == self
        except OSError:
            return False


class Wrong(Strict):
    """A kind of error.

    Attributes:
        field: that it is found in; None where it is the row as a whole.
        kind: of the error.
        count: how often.
    """

    field: str | None
    kind: str
    count: int


class Receipt(Strict):
    """A part that is done.

    Attributes:
        plan: digest of the plan that it is of.
        part: its number.
        rows: of the input.
        answered: rows with an answer.
        quarantined: rows without one.
        decisions: outcome to rows.
        wrong: what is wrong with the quarantined rows.
        answers: the file of answers.
        quarantine: the file of quarantined rows; None where there are none.
    """

    plan: str
    part: int
    rows: int
    answered: int
    quarantined: int
    decisions: dict[str, int]
    wrong: tuple[Wrong, ...]
    answers: Written
    quarantine: Written | None

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """A receipt from its file; None where there is none that can be read."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            return None
