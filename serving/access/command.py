"""`python -m serving keys`: makes, lists and revokes API keys."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, date, datetime
from pathlib import Path

from serving.access.keyfile import change_keys, read_keys
from serving.access.keys import KeyEntry, KeysDocument, KeysError, digest, new_key
from serving.routes import AccessScope

_EXIT_CODES = "exit code: 0 done, 1 not done (standard error says why), 2 wrong arguments"


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        {"new": _new, "list": _list, "revoke": _revoke}[given.command](given)
    except KeysError as exc:
        print(f"keys: {exc}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m serving", epilog=_EXIT_CODES)
    subjects = parser.add_subparsers(required=True)
    keys = subjects.add_parser("keys", help="API keys, and the file that has them", epilog=_EXIT_CODES)
    commands = keys.add_subparsers(dest="command", required=True)
    new = commands.add_parser("new", help="make a key, and print it: it can't be had again", epilog=_EXIT_CODES)
    new.add_argument(
        "--name", required=True, help="of the caller, such as core-banking; a second key of it is a rotation"
    )
    new.add_argument(
        "--scopes",
        required=True,
        type=_scopes,
        metavar="SCOPE,…",
        help=f"what it may be used for: {', '.join(AccessScope)}",
    )
    new.add_argument(
        "--expires", required=True, type=_date, metavar="YYYY-MM-DD", help="the last day on which it is valid, in UTC"
    )
    listed = commands.add_parser("list", help="name, scopes and end of each key", epilog=_EXIT_CODES)
    revoke = commands.add_parser("revoke", help="take keys out of the file", epilog=_EXIT_CODES)
    which = revoke.add_mutually_exclusive_group(required=True)
    which.add_argument("--id", help="one key, by the id that `list` shows")
    which.add_argument("--name", help="all keys of a caller")
    for each in (new, listed, revoke):
        each.add_argument(
            "--file", required=True, type=Path, help="the keys file, CREDIT_RISK_KEYS_FILE of the service"
        )
    return parser


def _scopes(text: str) -> tuple[AccessScope, ...]:
    try:
        return tuple(dict.fromkeys(AccessScope(name.strip()) for name in text.split(",")))
    except ValueError:
        raise argparse.ArgumentTypeError(f"scopes are {', '.join(AccessScope)}, separated by commas") from None


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("a date is written as 2027-06-30") from None


def _today() -> date:
    return datetime.now(UTC).date()


def _new(given: argparse.Namespace) -> None:
    if given.expires < _today():
        raise KeysError(f"--expires {given.expires} is past; name the last day on which the key is to be valid")
    key = new_key()
    try:
        entry = KeyEntry(
            name=given.name,
            scopes=given.scopes,
            created=_today(),
            expires=given.expires,
            sha256=digest(key.encode()).hex(),
        )
    except ValueError:
        raise KeysError(
            "--name takes up to 64 of a-z, 0-9, dot, dash and underscore, beginning with one of the first two"
        ) from None
    change_keys(given.file, lambda document: KeysDocument(keys=(*document.keys, entry)), create=True)
    # Alone on standard output, for a pipe into wherever secrets are kept.
    print(key)
    print(f"id {entry.id}: {entry.name} may {', '.join(entry.scopes)} until {entry.expires}", file=sys.stderr)


def _list(given: argparse.Namespace) -> None:
    document, _ = read_keys(given.file)
    for entry in sorted(document.keys, key=lambda entry: (entry.name, entry.expires)):
        state = "valid" if _today() <= entry.expires else "expired"
        print(f"{entry.id}  {entry.name}  {','.join(entry.scopes)}  {entry.created}..{entry.expires}  {state}")


def _revoke(given: argparse.Namespace) -> None:
    revoked: list[KeyEntry] = []

    def change(document: KeysDocument) -> KeysDocument:
        revoked.extend(entry for entry in document.keys if given.id == entry.id or given.name == entry.name)
        if not revoked:
            raise KeysError(f"no key of {given.id or given.name}; `python -m serving keys list` shows all")
        return KeysDocument(keys=tuple(entry for entry in document.keys if entry not in revoked))

    change_keys(given.file, change)
    for entry in revoked:
        print(f"revoked {entry.id}: {entry.name}")
