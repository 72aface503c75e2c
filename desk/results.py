"""An answer of /predict/explain as a person reads it: every figure is the answer's own, every text the book's own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from decision import Outcome, Policy, decide
from desk.drawing.scale import Band, bands, score_bar
from desk.drawing.waterfall import Step, waterfall
from desk.fields import labels
from engine import Engine
from preprocessing.application import Application

WORDS: Mapping[str, str] = {
    Outcome.APPROVE: "Approve",
    Outcome.CONDITIONAL_APPROVAL: "Conditional approval",
    Outcome.REJECT: "Reject",
}
"""What a person calls an outcome."""


@dataclass(frozen=True, slots=True)
class Change:
    """What would have got a better decision.

    Attributes:
        changes: label, value as stated and as it would have to be, of each field that changes.
        outcome: that it gets.
        pd: behind it.
    """

    changes: tuple[tuple[str, Any, Any], ...]
    outcome: str
    pd: float


@dataclass(frozen=True, slots=True)
class Result:
    """An answer, made to be read.

    Attributes:
        answer: as the API gave it.
        outcome: what was decided.
        band_text: what the PD alone brings, in a sentence.
        rules: descriptions of the rules that applied, and what each brings at best.
        reasons: as the applicant is told them, with the label of each one's field.
        changes: what would have got a better decision.
        steps: of the waterfall, from the reference population to this application.
        bars: the waterfall's drawing, one for each step.
        ticks: its axis, drawn.
        moved: the fields behind the steps, the one that moved it most first.
        outside: labels of the fields that lie beyond the training data's range.
        bands: of the score.
        score: its drawing.
    """

    answer: Mapping[str, Any]
    outcome: str
    band_text: str
    rules: tuple[tuple[str, str], ...]
    reasons: tuple[tuple[Mapping[str, Any], str], ...]
    changes: tuple[Change, ...]
    steps: tuple[Step, ...]
    bars: tuple[Markup, ...]
    ticks: Markup
    moved: tuple[str, ...]
    outside: tuple[str, ...]
    bands: tuple[Band, ...]
    score: Markup


def result(engine: Engine, application: Application, answer: Mapping[str, Any]) -> Result:
    """Make an answer readable.

    Args:
        engine: that gave it.
        application: as the contract reads what was sent.
        answer: of /predict/explain.
    """
    called, policy, pd = labels(engine.contract), engine.policy, answer["probability_of_default"]
    # The same function by which the answer was decided: the answer names the decision, and not what brought it.
    decided = decide(policy, application, pd, engine.scorer.ranges.outside(application).worse)
    explained = answer["explanations"]
    impacts = sorted(
        [*explained["risk_drivers"], *explained["protective_factors"]], key=lambda each: -abs(each["impact"])
    )
    steps = _steps(explained["base_value"], impacts, called)
    bars, ticks = waterfall(steps, pd, policy.thresholds.approve_below, policy.thresholds.reject_from)
    return Result(
        answer=answer,
        outcome=answer["decision"],
        band_text=_band_text(policy, decided.band),
        rules=tuple((rule.description, rule.outcome.value) for rule in decided.rules),
        reasons=tuple((reason, called[reason["field"]]) for reason in answer["reasons"]),
        changes=tuple(_change(each, application, called) for each in answer["counterfactuals"]),
        steps=steps,
        bars=bars,
        ticks=ticks,
        moved=tuple(each["feature"] for each in impacts),
        outside=tuple(called[name] for name in answer["outside_training_range"]),
        bands=bands(policy),
        score=score_bar(policy, answer["credit_score"]),
    )


def _band_text(policy: Policy, band: Outcome) -> str:
    approve, reject = (
        f"{share * 100:.6g}%" for share in (policy.thresholds.approve_below, policy.thresholds.reject_from)
    )
    return {
        Outcome.APPROVE: f"The probability of default lies below {approve}, the threshold of approval.",
        Outcome.CONDITIONAL_APPROVAL: f"The probability of default lies between {approve} and {reject}.",
        Outcome.REJECT: f"The probability of default reaches {reject}, the threshold of rejection.",
    }[band]


def _steps(base: float, impacts: list[Mapping[str, Any]], called: Mapping[str, str]) -> tuple[Step, ...]:
    steps, at = [], base
    for each in impacts:
        begin, at = at, at + each["impact"]
        steps.append(
            Step(called[each["feature"]], each["value"], each["impact"], _probability(begin), _probability(at))
        )
    return tuple(steps)


def _probability(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds)) if log_odds >= 0 else math.exp(log_odds) / (1 + math.exp(log_odds))


def _change(found: Mapping[str, Any], application: Application, called: Mapping[str, str]) -> Change:
    changes = tuple((called[name], application[name], wanted) for name, wanted in found["changes"].items())
    return Change(changes, found["decision"], found["probability_of_default"])
