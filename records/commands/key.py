"""Keys of records."""

from __future__ import annotations

import argparse
from pathlib import Path

from records.commands.options import Commands


def add(commands: Commands) -> None:
    """Declare the command."""
    key = commands.add("key", _run, "add a key to a key file, or make the file", stored=False)
    key.add_argument("file", type=Path)


def _run(options: argparse.Namespace) -> int:
    from records.keyring import add_key

    number = add_key(options.file)
    print(f"{options.file}: key {number} seals from the next start on; keep this file apart from the records")
    return 0
