"""Claims of the workers of one folder: locks that end with the process that holds them.

A claim is a lock on one byte of a file that holds none, far out, at a place that the key says. Nothing is written and
nothing waits for the disk; a worker that is killed has let go before anyone can ask again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

from records.errors import StoreUnavailableError
from records.idempotency.claims import Found
from records.stores.sqlite.store import SQLiteFolder

LOCKS = "claims.lock"

_PLACES = (1 << 62) - 1
_FLOCK = struct.Struct("hhqqi4x")
"""Linux's `struct flock`: type, whence, start, length, process."""


class FolderClaims:
    """The claims.

    Args:
        folder: of the store.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCKS
        self._store = SQLiteFolder(folder)
        self._file: int | None = None

    def claim(self, keys: Sequence[bytes]) -> Found:
        """Lock first, then look: what is answered after that look is answered under another's lock."""
        claimed = [key for key in keys if self._locked(key)]
        try:
            answers = self._store.answers(keys)
        except BaseException:
            self.release(claimed)
            raise
        self.release([key for key in claimed if key in answers])
        return Found(frozenset(claimed) - answers.keys(), answers)

    def release(self, keys: Sequence[bytes]) -> None:
        """Unlock."""
        for key in keys:
            self._set(key, fcntl.F_UNLCK)

    def close(self) -> None:
        """Let go of the file, and with it of all locks."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _locked(self, key: bytes) -> bool:
        try:
            self._set(key, fcntl.F_WRLCK)
        except OSError as exc:
            if exc.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise StoreUnavailableError(f"{self._path}: {exc}") from exc
        return True

    def _set(self, key: bytes, how: int) -> None:
        if self._file is None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        place = int.from_bytes(key[:8]) & _PLACES
        if sys.platform == "linux":
            # The open file's lock, not the process's: that would end when anyone in the process closes the same file.
            fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, _FLOCK.pack(how, os.SEEK_SET, place, 1, 0))
        else:
            fcntl.lockf(self._file, fcntl.LOCK_UN if how == fcntl.F_UNLCK else fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
