"""A folder that is written as a whole or not at all, and replaces another only where that is wanted."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from training.errors import OutputError

_MODE = 0o755
_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def writing(target: Path, owned: Collection[str], *, replace: bool = False) -> Iterator[Path]:
    """Give an empty folder beside `target`, which takes the target's place when the block ends without an exception.

    An old folder is moved aside first, and back if the new one can't be moved in; a reader sees the old folder, for an
    instant none, then the new one, and never a mixture.

    Args:
        target: the folder to write; its parents are made where they are missing.
        owned: names that may be in an old folder, and will be gone with it.
        replace: whether an old folder may go; else the target must be new or empty.

    Raises:
        OutputError: there is an old folder that may not go, or it holds something that is not in `owned`; the target is
            no folder, or can't be written beside.
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
        if present and not replace:
            raise OutputError(f"{target}: exists, and is kept; give --out a new folder, or --replace to replace it")
        if target.is_mount():  # known now, not when all has been trained
            raise OutputError(f"{target}: is a mount point, which nothing can take the place of; give --out one in it")
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as exc:
        raise OutputError(f"{target}: can't be written ({exc.strerror}); give --out another folder") from exc
    try:
        new = work / "new"
        new.mkdir(mode=_MODE)
        yield new
        if replace:
            _swap(target, work / "old", new)
        else:
            _move(new, target)
    except OSError as exc:
        if exc.errno not in _FULL:
            raise
        raise OutputError(
            f"{target}: can't be written ({exc.strerror}); make room, or give --out another disk"
        ) from exc
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _swap(target: Path, old: Path, new: Path) -> None:
    had_one = target.exists()
    if had_one:
        _move(target, old)
    try:
        _move(new, target)
    except BaseException:  # Ctrl-C too, or the old one would go with what is left over
        if had_one:
            _move(old, target)
        raise


def _move(folder: Path, target: Path) -> None:
    try:
        folder.rename(target)  # onto a folder that is not empty, it fails
    except OSError as exc:
        raise OutputError(f"{target}: can't be written ({exc.strerror}); give --out another folder") from exc
