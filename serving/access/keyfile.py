"""The keys file on disk: read whole, and changed by one process at a time, in one step."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # pragma: no cover  # Windows, where the service itself isn't served
    fcntl = None  # type: ignore[assignment]  # told by `_locked`

from serving.access.keys import MAX_FILE_BYTES, KeysDocument, KeysError, parse_keys

Signature = tuple[int, int, int, int]
"""Of a file: device, inode, size, time of change; another one is another content."""


def read_keys(path: Path) -> tuple[KeysDocument, Signature]:
    """The file as it is.

    Raises:
        KeysError: it can't be read, or is no keys file.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise KeysError(f"{path} can't be read ({exc.strerror}); make it with `python -m serving keys new`") from None
    try:
        return parse_keys(content), signature_of(status)
    except KeysError as exc:
        raise KeysError(f"{path}: {exc}") from None


def signature_of(status: os.stat_result) -> Signature:
    """By which a changed file is known."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def change_keys(path: Path, change: Callable[[KeysDocument], KeysDocument], *, create: bool = False) -> None:
    """Replace the file's content by what `change` makes of it, while no other process does.

    Args:
        path: the file.
        change: what is to be written, by what is there.
        create: begin with no keys where there is no file.

    Raises:
        KeysError: it can't be read, changed or written; then it is as it was.
    """
    # What a link leads to is replaced, not the link.
    path = path.resolve()
    try:
        with _locked(path):
            document = KeysDocument() if create and not path.exists() else read_keys(path)[0]
            _replace(path, change(document).model_dump_json(indent=2).encode() + b"\n")
    except OSError as exc:
        raise KeysError(f"{path} can't be written ({exc.strerror}); mend that and try again") from None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Held by one process at a time. The lock is a file beside it, since the file itself is replaced."""
    if fcntl is None:
        raise KeysError("this system has no file locks; change keys on Linux or macOS")
    with path.with_name(f".{path.name}.lock").open("ab") as lock:
        os.fchmod(lock.fileno(), 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _replace(path: Path, content: bytes) -> None:
    """Write to a new file, and put it in the other's place; who reads sees one of them, whole."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            with contextlib.suppress(FileNotFoundError):
                _take_over(file.fileno(), path.stat())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _take_over(descriptor: int, old: os.stat_result) -> None:
    """Owner and mode of the file that is replaced: the service may run as somebody else than whoever changes keys."""
    os.fchmod(descriptor, old.st_mode & 0o777)
    with contextlib.suppress(PermissionError):  # only root may give a file away
        os.fchown(descriptor, old.st_uid, old.st_gid)
