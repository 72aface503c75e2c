"""The digest of the code that answers, and the libraries whose versions decide what the files look like."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("preprocessing", "scoring", "decision", "engine", "portfolio")
LIBRARIES = ("numpy", "pyarrow", "pydantic")

ROOT = Path(__file__).resolve().parents[2]


@cache
def code_digest() -> str:
    """SHA-256 over the names and bytes of all modules that an answer goes through, hexadecimal."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(ROOT).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def libraries() -> dict[str, str]:
    """Name to version."""
    return {name: version(name) for name in LIBRARIES}
