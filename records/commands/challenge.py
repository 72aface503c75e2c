"""What a challenger would have answered, against what was."""

from __future__ import annotations

import argparse

from records.commands.options import Commands, Refusal, as_moment, show_document, the_ledger, the_ring


def add(commands: Commands) -> None:
    """Declare the command."""
    challenge = commands.add("challenge", _run, "champion and challenger, by what they said of the same decisions")
    challenge.add_argument("--since", metavar="TIME", help="of decisions from then on, such as 2026-11-30")
    challenge.add_argument("--until", metavar="TIME", help="not included")


def _run(options: argparse.Namespace) -> int:
    from records.moments import as_time
    from records.shadow.comparing import compare
    from records.shadow.report import lines
    from records.shadow.sides import both_sides

    found = both_sides(the_ledger(options), the_ring(options), as_moment(options.since) or 0, as_moment(options.until))
    if not found:
        raise Refusal("no challenger has said anything; set CREDIT_RISK_CHALLENGER, and serve")
    documents = []
    for (champion, challenger), sides in sorted(found.items()):
        comparison = compare(sides.decisions)
        documents.append(
            {
                "champion": champion._asdict(),
                "challenger": challenger._asdict(),
                "first": as_time(sides.first),
                "last": as_time(sides.last),
                "erased": sides.erased,
                **comparison.document(),
            }
        )
        if not options.json:
            print(
                f"champion: model {champion.model}, policy {champion.policy}\n"
                f"challenger: model {challenger.model}, policy {challenger.policy}\n"
                f"{comparison.decisions} decisions from {as_time(sides.first)} to {as_time(sides.last)}, "
                f"{sides.erased} more erased"
            )
            print(*lines(comparison), "", sep="\n")
    if options.json:
        show_document(documents, options)
    return 0
