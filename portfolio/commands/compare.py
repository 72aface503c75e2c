"""What another policy or model would change over a portfolio."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from portfolio.commands.options import MODEL, POLICY, add_model, the_folder, writable, write
from records.commands.options import Commands, Refusal

if TYPE_CHECKING:
    from portfolio.comparing.borrowing import Assumptions
    from portfolio.comparing.sides import Side

BLOCK_ROWS = 5_000


def add(commands: Commands) -> None:
    """Declare the command."""
    compare = commands.add(
        "compare", _run, "decide every row by two policies, or by two models, and tell what differs", stored=False
    )
    compare.add_argument("a", metavar="A", help="the policy in force, a file or a tag of the store; or the model")
    compare.add_argument("b", metavar="B", help="the one proposed, of the same kind")
    compare.add_argument("input", metavar="IN", type=Path, help="Parquet or CSV: a file, or a folder")
    add_model(compare)
    compare.add_argument("--policy-b", metavar="WHICH", help="for two models: B's own policy (default: --policy)")
    compare.add_argument("--margin", metavar="SHARE", type=_term, help="of the amount that a repaid loan brings, such "
                         "as .12, or the column that says so; with --lgd, profit is reckoned")  # fmt: skip
    compare.add_argument("--lgd", metavar="SHARE", type=_term, help="of the amount that a default loses, or the column")
    compare.add_argument("--amount", metavar="COLUMN", help="of the loan (default: the field that the contract names)")
    compare.add_argument("--changed", metavar="FILE", type=Path, help="the applications decided otherwise, to Parquet")
    compare.add_argument("--page", metavar="FILE", type=Path, help="also as a page with plots, HTML")
    compare.add_argument("--json", action="store_true", help="for programs")
    compare.add_argument("--quiet", action="store_true", help="don't tell how far it has come")


def _run(options: argparse.Namespace) -> int:
    from portfolio.assessor import Options
    from portfolio.comparing.comparing import compare
    from portfolio.comparing.opening import open_portfolio
    from portfolio.comparing.page import page
    from portfolio.comparing.report import lines
    from portfolio.reading.reading import blocks_of
    from portfolio.running.progress import Progress

    by = _assumptions(options)
    if options.page is not None:
        writable(options.page)
    sides = _sides(options)
    a, b = (side.assessor for side in sides)
    source, parts = open_portfolio(options.input, a, b, by, whole=options.changed is not None)
    with Progress(source.rows, quiet=options.quiet) as progress:
        comparison = compare(
            a,
            b,
            source.schema,
            (block for part in parts for block in blocks_of(source, part, BLOCK_ROWS)),
            options=Options(text=source.kind == "csv"),
            by=by,
            changed=options.changed,
            told=lambda rows, bad: progress.finished(0, rows, bad),
        )
    if options.page is not None:
        write(options.page, page(comparison, sides, by).encode())
    if options.json:
        unfit = {name: side.unfit for name, side in zip("ab", sides, strict=True)}
        print(json.dumps({**comparison.document(), "unfit": unfit}, ensure_ascii=False))
    else:
        print(*lines(comparison, sides, by), sep="\n")
    return 0


def _sides(options: argparse.Namespace) -> tuple[Side, Side]:
    from decision import InvalidPolicyError
    from portfolio.comparing.sides import are_models, open_models, open_policies
    from scoring.artifact import ArtifactError

    a, b = (the_folder(which, which, name) for which, name in ((options.a, "A"), (options.b, "B")))
    try:
        if are_models(a, b):
            policy = the_folder(options.policy, POLICY, "--policy")
            policy_b = the_folder(options.policy_b, POLICY, "--policy-b") if options.policy_b else policy
            return open_models(a, b, policy, policy_b)
        if options.policy_b or options.policy:
            raise Refusal("--policy and --policy-b are for two models; leave them out, for A and B are policies")
        return open_policies(a, b, the_folder(options.model, MODEL, "--model"))
    except (ArtifactError, InvalidPolicyError) as exc:
        raise Refusal(str(exc)) from None


def _assumptions(options: argparse.Namespace) -> Assumptions | None:
    from portfolio.comparing.borrowing import Assumptions

    if options.margin is None and options.lgd is None:
        if options.amount is not None:
            raise Refusal("--amount is for profit; give --margin and --lgd as well")
        return None
    if options.margin is None or options.lgd is None:
        raise Refusal("profit needs both --margin and --lgd; give the other, too")
    return Assumptions(options.margin, options.lgd, options.amount)


def _term(text: str) -> float | str:
    try:
        share = float(text)
    except ValueError:
        return text
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError("a share lies between 0 and 1, such as .12; or name a column")
    return share
