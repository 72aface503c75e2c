"""A store's schema."""

from __future__ import annotations

import argparse

from records.commands.options import Commands, the_place


def add(commands: Commands) -> None:
    """Declare the command."""
    commands.add("migrate", _run, "bring the store to this version's schema")


def _run(options: argparse.Namespace) -> int:
    from records.stores.opening import migrate_store

    print(migrate_store(the_place(options)))
    return 0
