"""Decisions made again."""

from __future__ import annotations

import argparse
import json
from collections import Counter

from records.commands.options import Commands, as_moment, the_archive, the_decision, the_store


def add(commands: Commands) -> None:
    """Declare the command."""
    replay = commands.add(
        "replay", _run, "decisions made again by what they were made by, and held against the answers"
    )
    replay.add_argument("id", nargs="?", help="of one decision; without it, all")
    replay.add_argument("--since", metavar="TIME", help="of all decisions, those from then on")


def _run(options: argparse.Namespace) -> int:
    from records.commands.progress import Progress
    from records.replaying.replay import Replayer, Verdict

    archive, counts = the_archive(options), Counter[str]()
    kept = [the_decision(archive, options.id)] if options.id else archive.all(as_moment(options.since) or 0)
    with Progress("decisions") as progress:
        for replayed in Replayer(the_store(options)).replay(kept):
            counts[replayed.verdict.value] += 1
            if options.id or replayed.verdict is not Verdict.IDENTICAL:
                document = replayed.document()
                line = f"{document['decision_id']}  {document['verdict']}  {', '.join(document['what'])}".rstrip()
                progress.clear()
                print(json.dumps(document) if options.json else line)
            progress.add()
    if not options.id:
        total = {verdict.value: counts[verdict.value] for verdict in Verdict}
        print(json.dumps(total) if options.json else ", ".join(f"{number} {name}" for name, number in total.items()))
    return 1 if counts[Verdict.DIFFERS.value] else 0
