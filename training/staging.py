"""A folder that is replaced as a whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from training.errors import OutputError

_MODE = 0o755


@contextmanager
def replacing(target: Path, owned: Collection[str]) -> Iterator[Path]:
    """Give an empty folder beside `target`, which takes the target's place when the block ends without an exception.

    The old folder is moved aside first, and back if the new one can't be moved in; a reader sees the old folder, for an
    instant none, then the new one, and never a mixture.

    Args:
        target: the folder to replace; its parents are made where they are missing.
        owned: names that may be in the old folder, and will be gone with it.

    Raises:
        OutputError: the target holds something that is not in `owned`, is no folder, or can't be written beside.
    """
    target = target.resolve()
    try:
        present = [entry.name for entry in target.iterdir()] if target.exists() else []
        strangers = sorted(name for name in present if name not in owned)
        if strangers:
            named = ", ".join(strangers[:3]) + (" and more" if len(strangers) > 3 else "")
            raise OutputError(
                f"{target}: holds {named}, which training did not write and will not delete; give --out a folder of "
                "its own"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as exc:
        raise OutputError(f"{target}: can't be written ({exc.strerror}); give --out another folder") from exc
    try:
        new = work / "new"
        new.mkdir(mode=_MODE)
        yield new
        _swap(target, new, work / "old")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _swap(target: Path, new: Path, old: Path) -> None:
    had_one = target.exists()
    try:
        if had_one:
            target.rename(old)
        try:
            new.rename(target)
        except OSError:
            if had_one:
                old.rename(target)
            raise
    except OSError as exc:
        raise OutputError(f"{target}: can't be replaced ({exc.strerror}); give --out another folder") from exc
