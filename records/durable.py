"""Files that are there whole or not at all, also when the power fails."""

from __future__ import annotations

import os
from pathlib import Path
from secrets import token_hex


def replace_durably(path: Path, content: bytes) -> None:
    """Put a file in place of another, or where none is; nobody but its owner may read it.

    Raises:
        OSError: it can't be; what was there is there.
    """
    new = path.with_name(f".{path.name}.{token_hex(8)}")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
