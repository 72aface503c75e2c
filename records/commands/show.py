"""One decision."""

from __future__ import annotations

import argparse

from records.commands.options import Commands, show_document, the_archive, the_decision


def add(commands: Commands) -> None:
    """Declare the command."""
    commands.add("show", _run, "one decision, by its id").add_argument("id")


def _run(options: argparse.Namespace) -> int:
    show_document(the_decision(the_archive(options), options.id).document(), options)
    return 0
