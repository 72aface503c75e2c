"""A store's schema."""

from __future__ import annotations

import argparse

from records.commands.options import Commands, the_place


def add(commands: Commands) -> None:
    """Declare the command."""
    command = commands.add("migrate", _run, "bring the store to this version's schema")
    command.add_argument("--grant", metavar="ROLE", help="give a database's role the rights that a service needs")


def _run(options: argparse.Namespace) -> int:
    from records.stores.opening import migrate_store

    print(migrate_store(the_place(options), role=options.grant))
    return 0
