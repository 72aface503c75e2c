"""An applicant's decisions, closed for good."""

from __future__ import annotations

import argparse

from records.commands.options import Commands, Refusal, the_ring, the_store


def add(commands: Commands) -> None:
    """Declare the command."""
    erase = commands.add("erase", _run, "destroy the keys of one applicant's decisions, for good")
    erase.add_argument("--reference", required=True, help="the caller's own")


def _run(options: argparse.Namespace) -> int:
    closed = the_store(options).destroy_keys(the_ring(options).tag(options.reference))
    if not closed:
        raise Refusal("no decision of this reference is left to erase")
    print(f"{closed} decisions erased")
    return 0
