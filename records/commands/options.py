"""What commands have in common: which store, which keys, and how they say what they found or can't do."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from records.chain import Entry
    from records.events.telling import Told
    from records.keyring import KeyRing
    from records.reading import Archive, Kept
    from records.stores.base import Store
    from records.stores.ledger import Ledger

EXIT_CODES = "exit code: 0 done, 1 refused, not found or not whole, with a line on standard error, 2 wrong arguments"

RECORDS, KEY_FILE = "CREDIT_RISK_RECORDS", "CREDIT_RISK_RECORDS_KEY_FILE"

AnyStore = TypeVar("AnyStore", bound="Store")

Run = Callable[[argparse.Namespace], int]


class Refusal(Exception):  # noqa: N818  # what is printed, and no fault of the program
    """What a command can't do, in one line."""


class Commands:
    """Takes commands.

    Args:
        parser: of the program.
    """

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._epilog = parser.epilog
        self._commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(self, name: str, run: Run, text: str, *, stored: bool = True) -> argparse.ArgumentParser:
        """A command, to which arguments of its own can be added.

        Args:
            name: of the command.
            run: does it, and returns the exit code.
            text: says what it does.
            stored: whether it is about a store.
        """
        added = self._commands.add_parser(name, help=text, description=text, epilog=self._epilog)
        added.set_defaults(run=run)
        if stored:
            added.add_argument("--records", default=os.environ.get(RECORDS), help=f"the store (default: {RECORDS})")
            added.add_argument("--key-file", default=os.environ.get(KEY_FILE), help=f"its keys (default: {KEY_FILE})")
            added.add_argument("--json", action="store_true", help="for programs")
        return added


def enough() -> int:
    """Whoever reads has enough, as `head` has: what Python writes at its end goes nowhere.

    Returns:
        The exit code.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


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

    return _closed_later(open_store(the_place(options)), options)


def the_ledger(options: argparse.Namespace) -> Ledger:
    """The store that is meant, with what was told of its decisions."""
    from records.stores.opening import open_ledger

    return _closed_later(open_ledger(the_place(options)), options)


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


def add_trust(command: argparse.ArgumentParser, help_: str) -> None:
    """Arguments that say whose checkpoints are trusted, and how a URL of theirs is opened."""
    command.add_argument("--trusted-key", metavar="FILE", type=Path, action="append", default=[], help=help_)
    command.add_argument("--authorization", metavar="FILE", type=Path, help="what a URL is sent in this header")


def add_naming(command: argparse.ArgumentParser) -> None:
    """Arguments that name decisions by an id or a reference."""
    naming = command.add_mutually_exclusive_group(required=True)
    naming.add_argument("id", nargs="?", help="of one decision")
    naming.add_argument("--reference", help="the caller's own; all its decisions")


def the_named(options: argparse.Namespace, ledger: Ledger, ring: KeyRing) -> list[Entry]:
    """The entries of the decisions that an id or a reference names.

    Raises:
        Refusal: there are none.
    """
    from records.events.naming import by_reference
    from records.reading import Archive

    if options.id is not None:
        return [the_decision(Archive(ledger, ring), options.id).entry]
    found = by_reference(ledger, ring, [options.reference])[options.reference]
    if not found:
        raise Refusal("no decision of this reference in this store")
    return found


def as_date(text: str) -> date:
    """A day as it is written.

    Raises:
        Refusal: it is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refusal(f"{text!a} is no date; write it as 2026-11-30") from None


def show_told(told: Told, options: argparse.Namespace) -> int:
    """Print what came of what was told."""
    if options.json:
        show_document(told._asdict(), options)
    else:
        erased = f", {told.erased} erased or purged, and left out" if told.erased else ""
        print(f"{told.told} told, {told.unchanged} known already{erased}")
    return 0


def as_moment(text: str | None) -> int | None:
    """Microseconds since 1970, of a time as it is written.

    Raises:
        Refusal: it is none.
    """
    from records.moments import from_time

    try:
        return None if text is None else from_time(text)
    except ValueError as exc:
        raise Refusal(str(exc)) from None


def show_document(document: Any, options: argparse.Namespace) -> None:
    """Print a document: on one line for programs."""
    print(json.dumps(document, ensure_ascii=False, indent=None if options.json else 2))


def _closed_later(store: AnyStore, options: argparse.Namespace) -> AnyStore:
    options.opened.callback(store.close)
    return store
