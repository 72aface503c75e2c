"""Disks that lose their power: of what was written only that is left which was synced before.

A file that was written and not synced is lost, and so is the name of a file in a folder that wasn't. Nothing is pulled:
what is synced is copied at that moment by powerless.c, which is loaded before libc.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SECTOR = 512
"""Bytes that are on a disk as a whole or not at all."""


@dataclass(frozen=True)
class Disk:
    """A folder, and what would be left of it.

    Attributes:
        root: the folder, empty in the beginning.
        copies: of what was synced.
        library: to be loaded before libc.
    """

    root: Path
    copies: Path
    library: Path

    @property
    def environment(self) -> dict[str, str]:
        """Of the processes that write."""
        return {
            "LD_PRELOAD": str(self.library),
            "POWERLESS_ROOT": str(self.root),
            "POWERLESS_DISK": str(self.copies),
        }

    def after_power_loss(self, to: Path, seed: int | None = None) -> Path:
        """Put what is left into a new folder.

        Args:
            to: the folder.
            seed: of which sectors had been written without having been synced; None for none of them.
        """
        self._restore("", to, None if seed is None else random.Random(seed))
        return to

    def _restore(self, relative: str, to: Path, drawn: random.Random | None) -> None:
        to.mkdir()
        listing = self.copies / f"folder-{relative.replace('/', '%')}"
        for line in listing.read_text(encoding="utf-8").splitlines() if listing.exists() else []:
            kind, key, name = line.split(" ", 2)
            inner = f"{relative}/{name}".lstrip("/")
            if kind == "d":
                self._restore(inner, to / name, drawn)
                continue
            copy = self.copies / f"file-{key}"
            synced = copy.read_bytes() if copy.exists() else b""
            now = self.root / inner
            if drawn is not None and now.exists():
                synced = _mixed(synced, now.read_bytes(), drawn)
            (to / name).write_bytes(synced)


def powerless(folder: Path) -> Disk:
    """A disk of that kind; the test is skipped where it can't be made."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler: apt-get install gcc libc6-dev")
    disk = Disk(folder / "root", folder / "copies", folder / "powerless.so")
    source = Path(__file__).with_suffix(".c")
    built = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wno-format-truncation", "-o", disk.library, source, "-ldl"],
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode != 0:
        pytest.skip(f"nothing can be compiled: {built.stderr.strip().splitlines()[-1]}")
    disk.root.mkdir()
    disk.copies.mkdir()
    return disk


def _mixed(synced: bytes, now: bytes, drawn: random.Random) -> bytes:
    """Some sectors as they are now, the others as they were synced; as long as one of the two."""
    size = drawn.choice((len(synced), len(now)))
    parts = (
        (now if drawn.random() < 0.5 else synced)[at : at + SECTOR].ljust(SECTOR, b"\0")
        for at in range(0, size, SECTOR)
    )
    return b"".join(parts)[:size]
