"""Files and folders that are there whole or not at all, also when the power fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO


@contextmanager
def replacing_durably(path: Path) -> Iterator[BinaryIO]:
    """A file to be written, in place of another or where none is; nobody but its owner may read it.

    Raises:
        OSError: it can't be; what was there is there.
    """
    new = path.with_name(f".{path.name}.{token_hex(8)}")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def replace_durably(path: Path, content: bytes) -> None:
    """The same of what is there as a whole."""
    with replacing_durably(path) as file:
        file.write(content)


def make_folder_durably(path: Path, mode: int = 0o777) -> None:
    """Make a folder, and those above it, where they aren't there.

    Args:
        path: the folder.
        mode: its own, less the umask.

    Raises:
        OSError: one can't be made.
    """
    if path.is_dir():
        return
    make_folder_durably(path.parent)
    path.mkdir(mode=mode, exist_ok=True)
    sync_folder(path.parent)


def make_sure_of_room(folder: Path, size: int) -> None:
    """Write a file of so many bytes, and delete it.

    Raises:
        OSError: there is no room for it, or nothing can be written at all.
    """
    probe = folder / f".room.{token_hex(8)}"
    try:
        with os.fdopen(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(bytes(size))
            file.flush()
            os.fsync(file.fileno())
    finally:
        probe.unlink(missing_ok=True)


def sync_folder(path: Path) -> None:
    """Wait until the names that a folder holds are on the disk: syncing a file leaves open whether its name is there.

    Raises:
        OSError: it can't be.
    """
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
