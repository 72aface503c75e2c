"""Disks that are small, full, read-only or gone: file systems in memory, which only root can mount."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    """A file system of that size at a folder, which is made; the test is skipped where none can be mounted."""
    path.mkdir(parents=True)
    try:
        mount = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if mount.returncode != 0:
        pytest.skip(f"no file system can be mounted: {mount.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def remount(path: Path, options: str) -> None:
    """Change how a file system is mounted, such as `ro` for read-only."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(path)], check=True)


def fill(path: Path) -> Path:
    """Leave no room on a disk; returns the file that has taken it."""
    filler = path / "filler"
    with filler.open("ab", buffering=0) as file:
        size = 65_536
        while size:
            try:
                file.write(bytes(size))
            except OSError as exc:
                assert errno.ENOSPC == exc.errno  # noqa: PT017  # any other would be no full disk
                size //= 2
    return filler
