"""Decisions on record: find them, show them, and prove that they are what was written."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from records.reading import Archive, Kept
    from records.stores.base import Store

EXIT_CODES = "exit code: 0 done, 1 refused, not found or not whole, with a line on standard error, 2 wrong arguments"

RECORDS, KEY_FILE = "CREDIT_RISK_RECORDS", "CREDIT_RISK_RECORDS_KEY_FILE"


class Refusal(Exception):  # noqa: N818  # what is printed, and no fault of the program
    """What a command can't do, in one line."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command."""
    options = _parser().parse_args(arguments)
    # Behind the parser: neither --help nor wrong arguments need what takes a while to import.
    from records.errors import RecordsError  # noqa: PLC0415

    try:
        run: Callable[[argparse.Namespace], int] = options.run
        return run(options)
    except (Refusal, RecordsError) as exc:
        print(exc, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m records", description=__doc__, epilog=EXIT_CODES)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, epilog=EXIT_CODES)
        added.set_defaults(run=run)
        if name != "key":
            added.add_argument("--records", default=os.environ.get(RECORDS), help=f"the store (default: {RECORDS})")
            added.add_argument("--key-file", default=os.environ.get(KEY_FILE), help=f"its keys (default: {KEY_FILE})")
            added.add_argument("--json", action="store_true", help="for programs")
        return added

    key = command("key", _key, "add a key to a key file, or make the file")
    key.add_argument("file", type=Path)
    show = command("show", _show, "one decision, by its id")
    show.add_argument("id")
    find = command("find", _find, "decisions, the latest first")
    find.add_argument("--reference", help="the caller's own")
    find.add_argument("--since", metavar="TIME", help="such as 2026-11-30, or 2026-11-30T12:00:00Z")
    find.add_argument("--until", metavar="TIME", help="not included")
    find.add_argument("--outcome", choices=("APPROVE", "CONDITIONAL_APPROVAL", "REJECT"))
    find.add_argument("--caller")
    find.add_argument("--most", type=int, default=100, help="no more than these (default: 100)")
    command("verify", _verify, "whether every entry is there as it was written")
    replay = command("replay", _replay, "decisions made again by what they were made by, and held against the answers")
    replay.add_argument("id", nargs="?", help="of one decision; without it, all")
    replay.add_argument("--since", metavar="TIME", help="of all decisions, those from then on")
    command("migrate", _migrate, "bring the store to this version's schema")
    erase = command("erase", _erase, "destroy the keys of one applicant's decisions, for good")
    erase.add_argument("--reference", required=True, help="the caller's own")
    return parser


def _key(options: argparse.Namespace) -> int:
    from records.keyring import add_key  # noqa: PLC0415  # as in main

    number = add_key(options.file)
    print(f"{options.file}: key {number} seals from the next start on; keep this file apart from the records")
    return 0


def _show(options: argparse.Namespace) -> int:
    _print(_one(_archive(options), options.id).document(), options)
    return 0


def _find(options: argparse.Namespace) -> int:
    from records.stores.base import Query  # noqa: PLC0415  # as in main

    if options.most < 1:
        raise Refusal("--most: at least 1")
    query = Query(
        since=_time(options.since),
        until=_time(options.until),
        outcome=options.outcome,
        caller=options.caller,
        most=options.most,
    )
    found = _archive(options).find(query, options.reference)
    if options.json:
        _print([kept.document() for kept in found], options)
    else:
        for kept in found:
            print(_line(kept))
    return 0


def _verify(options: argparse.Namespace) -> int:
    from records.verifying import verify  # noqa: PLC0415  # as in main

    found = list(verify(_store(options)))
    faults = [fault for each in found for fault in each.faults]
    counts = {
        "writers": len(found),
        "entries": sum(each.head.sequence for each in found),
        "erased": sum(each.erased for each in found),
        "faults": faults,
        "heads": [
            {"writer": each.writer.id.hex(), "sequence": each.head.sequence, "hash": each.head.hash.hex()}
            for each in found
        ],
    }
    if options.json:
        _print(counts, options)
    else:
        print(f"{counts['entries']} entries of {counts['writers']} writers, {counts['erased']} erased")
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def _replay(options: argparse.Namespace) -> int:
    from tqdm import tqdm  # noqa: PLC0415  # as in main

    from records.replay import Replayer, Verdict  # noqa: PLC0415  # as in main

    archive, counts = _archive(options), Counter[str]()
    kept = [_one(archive, options.id)] if options.id else archive.all(_time(options.since) or 0)
    for replayed in tqdm(Replayer(_store(options)).replay(kept), unit=" decisions", disable=None, leave=False):
        counts[replayed.verdict.value] += 1
        if options.id or replayed.verdict is not Verdict.IDENTICAL:
            document = replayed.document()
            line = f"{document['decision_id']}  {document['verdict']}  {', '.join(document['what'])}".rstrip()
            print(json.dumps(document) if options.json else line)
    if not options.id:
        total = {verdict.value: counts[verdict.value] for verdict in Verdict}
        print(json.dumps(total) if options.json else ", ".join(f"{number} {name}" for name, number in total.items()))
    return 1 if counts[Verdict.DIFFERS.value] else 0


def _migrate(options: argparse.Namespace) -> int:
    from records.stores.opening import migrate_store  # noqa: PLC0415  # as in main

    print(migrate_store(_where(options)))
    return 0


def _erase(options: argparse.Namespace) -> int:
    closed = _store(options).destroy_keys(_ring(options).tag(options.reference))
    if not closed:
        raise Refusal("no decision of this reference is left to erase")
    print(f"{closed} decisions erased")
    return 0


def _one(archive: Archive, text: str) -> Kept:
    from records.identifiers import from_text  # noqa: PLC0415  # as in main

    try:
        kept = archive.get(from_text(text))
    except ValueError as exc:
        raise Refusal(f"{text!a}: {exc}") from None
    if kept is None:
        raise Refusal(f"{text}: no such decision in this store")
    return kept


def _time(text: str | None) -> int | None:
    from records.reading import from_time  # noqa: PLC0415  # as in main

    try:
        return None if text is None else from_time(text)
    except ValueError as exc:
        raise Refusal(str(exc)) from None


def _where(options: argparse.Namespace) -> str:
    if not options.records:
        raise Refusal(f"no store named; give --records, or set {RECORDS}")
    return str(options.records)


def _store(options: argparse.Namespace) -> Store:
    from records.stores.opening import open_store  # noqa: PLC0415  # as in main

    return open_store(_where(options))


def _ring(options: argparse.Namespace) -> Any:
    from records.keyring import read_keyring  # noqa: PLC0415  # as in main

    if not options.key_file:
        raise Refusal(f"no key file named; give --key-file, or set {KEY_FILE}")
    return read_keyring(Path(options.key_file))


def _archive(options: argparse.Namespace) -> Archive:
    from records.reading import Archive  # noqa: PLC0415  # as in main

    return Archive(_store(options), _ring(options))


def _line(kept: Kept) -> str:
    document = kept.document()
    pd = "erased" if kept.record is None else f"{kept.record.pd:.4f}"
    parts = (document["decision_id"], document["time"], document["decision"].ljust(20), pd, document["caller"] or "-")
    return "  ".join(parts)


def _print(document: Any, options: argparse.Namespace) -> None:
    print(json.dumps(document, ensure_ascii=False, indent=None if options.json else 2))


if __name__ == "__main__":
    sys.exit(main())
