"""What commands have in common: which store, which keys, and how they say what they found or can't do."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from records.keyring import KeyRing
    from records.reading import Archive, Kept
    from records.stores.base import Store

EXIT_CODES = "exit code: 0 done, 1 refused, not found or not whole, with a line on standard error, 2 wrong arguments"

RECORDS, KEY_FILE = "CREDIT_RISK_RECORDS", "CREDIT_RISK_RECORDS_KEY_FILE"

Run = Callable[[argparse.Namespace], int]


class Refusal(Exception):  # noqa: N818  # what is printed, and no fault of the program
    """What a command can't do, in one line."""


class Commands:
    """Takes commands.

    Args:
        parser: of the program.
    """

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(self, name: str, run: Run, text: str, *, stored: bool = True) -> argparse.ArgumentParser:
        """A command, to which arguments of its own can be added.

        Args:
            name: of the command.
            run: does it, and returns the exit code.
            text: says what it does.
            stored: whether it is about a store.
        """
        added = self._commands.add_parser(name, help=text, description=text, epilog=EXIT_CODES)
        added.set_defaults(run=run)
        if stored:
            added.add_argument("--records", default=os.environ.get(RECORDS), help=f"the store (default: {RECORDS})")
            added.add_argument("--key-file", default=os.environ.get(KEY_FILE), help=f"its keys (default: {KEY_FILE})")
            added.add_argument("--json", action="store_true", help="for programs")
        return added


def the_place(options: argparse.Namespace) -> str:
    """Which store is meant.

    Raises:
        Refusal: none is.
    """
    if not options.records:
        raise Refusal(f"no store named; give --records, or set {RECORDS}")
    return str(options.records)


def the_store(options: argparse.Namespace) -> Store:
    """The store that is meant."""
    from records.stores.opening import open_store

    return open_store(the_place(options))


def the_ring(options: argparse.Namespace) -> KeyRing:
    """Its keys.

    Raises:
        Refusal: no file is named.
    """
    from records.keyring import read_keyring

    if not options.key_file:
        raise Refusal(f"no key file named; give --key-file, or set {KEY_FILE}")
    return read_keyring(Path(options.key_file))


def the_archive(options: argparse.Namespace) -> Archive:
    """The store, opened by its keys."""
    from records.reading import Archive

    return Archive(the_store(options), the_ring(options))


def the_decision(archive: Archive, text: str) -> Kept:
    """The decision of this id.

    Raises:
        Refusal: it is no id, or nobody's.
    """
    from records.identifiers import from_text

    try:
        kept = archive.get(from_text(text))
    except ValueError as exc:
        raise Refusal(f"{text!a}: {exc}") from None
    if kept is None:
        raise Refusal(f"{text}: no such decision in this store")
    return kept


def as_moment(text: str | None) -> int | None:
    """Microseconds since 1970, of a time as it is written.

    Raises:
        Refusal: it is none.
    """
    from records.reading import from_time

    try:
        return None if text is None else from_time(text)
    except ValueError as exc:
        raise Refusal(str(exc)) from None


def show_document(document: Any, options: argparse.Namespace) -> None:
    """Print a document: on one line for programs."""
    print(json.dumps(document, ensure_ascii=False, indent=None if options.json else 2))
