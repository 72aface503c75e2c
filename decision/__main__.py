"""`python -m decision check FILE`: validate a policy and print it for a credit officer to read."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from decision.files import CATALOGUE_FILE, InvalidPolicyError, PolicyFiles, beside_or_default, read_policy
from decision.policy import OUTSIDE, Condition, Outcome
from preprocessing.contract import CONTRACT_FILE, InvalidContractError, read_contract_file

EXIT_CODES = "exit code: 0 usable, 1 not usable, with a line on standard error for each fault, 2 wrong arguments"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 for a usable policy, 1 with every problem on standard error."""
    parser = argparse.ArgumentParser(prog="python -m decision", description=__doc__, epilog=EXIT_CODES)
    commands = parser.add_subparsers(required=True)
    check = commands.add_parser("check", help="validate a policy file and print it as a table", epilog=EXIT_CODES)
    check.add_argument("file", type=Path)
    check.add_argument("--catalogue", type=Path, help=f"reason catalogue (default: {CATALOGUE_FILE} beside FILE)")
    check.add_argument("--contract", type=Path, help=f"of the loan book (default: {CONTRACT_FILE} beside FILE)")
    options = parser.parse_args(arguments)
    try:
        contract = read_contract_file(options.contract or beside_or_default(options.file, CONTRACT_FILE))
        files = read_policy(options.file, contract, options.catalogue or beside_or_default(options.file))
    except (InvalidContractError, InvalidPolicyError) as exc:
        print(exc, file=sys.stderr)
        return 1
    print(render(files))
    return 0


def render(files: PolicyFiles) -> str:
    """The policy as lines of text."""
    policy, scale = files.policy, files.policy.score
    approve, reject = policy.thresholds.approve_below, policy.thresholds.reject_from
    bands = [
        (Outcome.APPROVE, f"PD below {approve:.2%}", f"score from {scale.score(approve)} up"),
        (Outcome.CONDITIONAL_APPROVAL, f"PD from {approve:.2%} to below {reject:.2%}", ""),
        (Outcome.REJECT, f"PD from {reject:.2%}", f"score to {scale.score(reject)}"),
    ]
    rules = [
        (rule.id, " and ".join(map(_sentence, rule.conditions)), rule.outcome, files.catalogue.codes[rule.reason].text)
        for rule in policy.rules
    ]
    scale_text = (
        f"Score: {scale.base_score:g} at {scale.base_odds:g}:1 good to bad, {scale.points_to_double_odds:g} points "
        f"double the odds, {scale.minimum} to {scale.maximum}"
    )
    least = f"{policy.reasons.materiality:.0%} of the log-odds above the approval threshold"
    return "\n".join(
        [
            f"Policy {policy.version}, effective {policy.effective_date}, reason catalogue {files.catalogue.version}",
            scale_text,
            f"Reasons: factors of the score from {least} on",
            "",
            *_table(("outcome", "probability of default", "credit score"), bands),
            "",
            *_table(("rule", "when", "at best", "reason given"), rules),
            "",
            f"{len(policy.examples)} example(s) decided as expected",
        ]
    )


def _sentence(condition: Condition) -> str:
    if condition.op == "is_null":
        return f"{condition.field} is missing"
    if condition.op == OUTSIDE:
        return f"{condition.field} beyond the training data"
    value = ", ".join(map(str, condition.value)) if isinstance(condition.value, list) else condition.value
    return f"{condition.field} {condition.op} {value}"


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(str(row[i])) for row in [header, *rows]) for i in range(len(header))]
    lines = [
        "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]
    ]
    return [lines[0].rstrip(), "  ".join("-" * width for width in widths), *(line.rstrip() for line in lines[1:])]


if __name__ == "__main__":
    sys.exit(main())
