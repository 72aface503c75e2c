"""`python -m training compare-policies A B --data FILE`: what another policy would change over a portfolio."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from decision import Outcome, Policy, decide, read_policy
from decision.files import beside_or_default
from preprocessing.application import Application
from preprocessing.groups import groups_of
from scoring.artifact import read_artifact
from scoring.scorer import Scorer
from training.data import read_portfolio


@dataclass(frozen=True, slots=True)
class Approval:
    """What a policy approves of some applications.

    Attributes:
        rate: share approved without conditions, 0 to 1.
        bad_rate: mean PD of those approved: the share of them expected to default; None where there are none.
    """

    rate: float
    bad_rate: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two policies over the same applications.

    Attributes:
        applications: how many.
        moves: (old outcome, new outcome) to the number of applications.
        groups: (grouping, group, its applications, under the old policy, under the new); the first is everybody.
    """

    applications: int
    moves: Counter[tuple[Outcome, Outcome]]
    groups: list[tuple[str, str, int, Approval, Approval]]


def compare(scorer: Scorer, applications: Sequence[Application], old: Policy, new: Policy) -> Comparison:
    """Decide every application under both policies."""
    pds: list[float] = scorer.score(applications).pd.tolist()
    outside = [scorer.ranges.outside(application).worse for application in applications]
    cases = list(zip(applications, pds, outside, strict=True))
    before, after = ([decide(policy, *case).outcome for case in cases] for policy in (old, new))

    def row(grouping: str, group: str, members: list[int]) -> tuple[str, str, int, Approval, Approval]:
        return grouping, group, len(members), _approval(members, before, pds), _approval(members, after, pds)

    groups = [row("all", "", list(range(len(applications))))]
    for by in groups_of(scorer.schema.contract):
        found = [by.of(application) for application in applications]
        groups += [row(by.title, name, [i for i, group in enumerate(found) if group == name]) for name in by.names]
    return Comparison(len(applications), Counter(zip(before, after, strict=True)), [g for g in groups if g[2]])


def _approval(members: Sequence[int], outcomes: Sequence[Outcome], pds: Sequence[float]) -> Approval:
    approved = [pds[i] for i in members if outcomes[i] is Outcome.APPROVE]
    return Approval(len(approved) / max(1, len(members)), sum(approved) / len(approved) if approved else None)


def render(comparison: Comparison, old: Policy, new: Policy) -> str:
    """The comparison as lines of text."""
    lines = [f"{comparison.applications} applications, policy {old.version} (old) and {new.version} (new)", ""]
    lines += [f"{'old':<22}{'new':<22}{'applications':>12}{'share':>9}"]
    for (before, after), count in sorted(comparison.moves.items()):
        lines.append(f"{before:<22}{after:<22}{count:>12}{count / comparison.applications:>9.2%}")
    lines += ["", f"{'group':<28}{'rows':>7}{'approved old':>14}{'new':>9}{'expected bad old':>18}{'new':>9}"]
    for grouping, group, size, before_, after_ in comparison.groups:
        name = f"{grouping}: {group}" if group else grouping
        bad = [f"{a.bad_rate:.2%}" if a.bad_rate is not None else "-" for a in (before_, after_)]
        lines.append(f"{name:<28}{size:>7}{before_.rate:>14.2%}{after_.rate:>9.2%}{bad[0]:>18}{bad[1]:>9}")
    return "\n".join(lines)


def run(options: argparse.Namespace) -> None:
    """Compare as the options say."""
    artifact = read_artifact(options.model)
    contract, scorer = artifact.contract, Scorer(artifact)
    old, new = (read_policy(path, contract, beside_or_default(path)).policy for path in (options.old, options.new))
    applications, outside = read_portfolio(options.data, contract)
    if outside:
        print(f"left out {outside} row(s) outside the contract", file=sys.stderr)
    print(render(compare(scorer, applications, old, new), old, new))
