"""A folder of plain files, and a copy of it that nobody else can change."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path


class FolderError(ValueError):
    """A folder that can't be signed or verified; the message is one line with the remedy."""


def copy_plain_files(folder: Path, target: Path) -> list[str]:
    """Copy all files of `folder` into the empty folder `target`, and give their names.

    Anything but a plain file is refused: a link may name another file by the time it is opened.

    Raises:
        FolderError: the folder can't be read, or holds something else.
    """
    try:
        names = sorted(path.name for path in folder.iterdir())
        for name in names:
            _copy(folder / name, target / name)
    except OSError as exc:
        raise FolderError(
            f"{exc.filename or folder}: can't be read or copied ({exc.strerror}); name a folder of files that can"
        ) from exc
    return names


def _copy(path: Path, target: Path) -> None:
    if not stat.S_ISREG(path.lstat().st_mode):
        raise FolderError(
            f"{ascii(path.name)[1:-1]}: is no plain file, and only those are signed; replace it by one, or remove it "
            f"from {path.parent}"
        )
    # Not followed, should it have become a link since; not waited for, should it have become a pipe.
    opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(opened, "rb") as source, target.open("xb") as copy:
        shutil.copyfileobj(source, copy)
