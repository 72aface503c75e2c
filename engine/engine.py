"""One application to one assessment: score, decide, give reasons. The same code behind all three routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from decision import Decision, Outcome, PolicyFiles, Reason, decide, explain_decision
from decision.counterfactuals import Counterfactual, find_counterfactuals
from decision.reasons import ScoreFactors, discloses_score
from preprocessing.application import Application
from scoring.attribution import Attributor
from scoring.improvements import Improvements
from scoring.scorer import Scorer, Scores
from scoring.turns import Turns

Span = Callable[[str], AbstractContextManager[Any]]
"""What a step of the work, by its name, is done in."""

_NOTHING: AbstractContextManager[Any] = nullcontext()

NO_ATTRIBUTIONS: Mapping[str, float] = MappingProxyType({})
"""Of a decision that the score's factors are no part of."""


def no_span(_: str) -> AbstractContextManager[Any]:
    """Where nobody watches."""
    return _NOTHING


@dataclass(frozen=True, slots=True)
class Identity:
    """Which model and policy answered."""

    model_name: str
    model_version: str
    policy_version: str


@dataclass(frozen=True, slots=True)
class Attributions:
    """What moved the log-odds of default: `base_value` and all of `by_field` add up to them."""

    base_value: float
    by_field: dict[str, float]


class Assessment(NamedTuple):
    """What the service says of one application.

    Attributes:
        fields: the application as the contract reads it.
        pd: probability of default, 0 to 1.
        decision: what the policy made of it.
        reasons: why it is not an approval; empty where it is one.
        identity: of the model and policy that said so.
        outside: the fields beyond the training data's range, on either side.
        reference: the caller's own, where one was sent.
        attributions: for an explanation only.
        counterfactuals: the same.
    """

    fields: Application
    pd: float
    decision: Decision
    reasons: tuple[Reason, ...]
    identity: Identity
    outside: tuple[str, ...] = ()
    reference: str | None = None
    attributions: Attributions | None = None
    counterfactuals: tuple[Counterfactual, ...] = ()


class Engine:
    """A verified model and policy, ready to answer."""

    def __init__(self, scorer: Scorer, attributor: Attributor, files: PolicyFiles, span: Span = no_span) -> None:
        self._span = span
        self.scorer = scorer
        self.identity = Identity(scorer.manifest.name, scorer.manifest.version, files.policy.version)
        self.attributor = attributor
        self.contract = scorer.schema.contract
        self._improvements = Improvements(scorer)
        self.policy = files.policy
        self._catalogue = files.catalogue

    def assess(self, applications: Sequence[Application]) -> list[Assessment]:
        """Score, decide and give reasons, each application by itself, in order."""
        scores = self._score(applications)
        with self._span("decide"):
            pds = scores.pd.tolist()
            decided = [self._decide(application, pd) for application, pd in zip(applications, pds, strict=True)]
            # Most of an answer's cost, so only where something of it is told.
            disclosed = [i for i, (decision, _) in enumerate(decided) if discloses_score(decision)]
            by_field = dict(zip(disclosed, self._attribute(scores.turns[disclosed]), strict=True)) if disclosed else {}
            return [
                self._assess(application, pds[i], scores.turns[i], decided[i], by_field.get(i, NO_ATTRIBUTIONS))
                for i, application in enumerate(applications)
            ]

    def explain(self, applications: Sequence[Application]) -> list[Assessment]:
        """The same, with attributions, and the smallest changes that would have got a better decision."""
        scores = self._score(applications)
        with self._span("explain"):
            by_field = self._attribute(scores.turns)
            return [
                self._explain(application, pd, turns, each)
                for application, pd, turns, each in zip(
                    applications, scores.pd.tolist(), scores.turns, by_field, strict=True
                )
            ]

    def _score(self, applications: Sequence[Application]) -> Scores:
        with self._span("features"):
            matrix = self.scorer.schema.matrix(applications)
        with self._span("score"):
            return self.scorer.score_matrix(matrix)

    def _assess(
        self,
        fields: Application,
        pd: float,
        turns: Turns,
        decided: tuple[Decision, tuple[str, ...]],
        by_field: Mapping[str, float],
    ) -> Assessment:
        decision, outside = decided
        reasons: tuple[Reason, ...] = ()
        if decision.outcome is not Outcome.APPROVE:
            lowering = partial(self._improvements.lowering, fields, turns, pd)
            score = ScoreFactors(by_field, self.policy.least_impact(pd), lowering)
            reasons = explain_decision(decision, self._catalogue, fields, score)
        reference = fields[self.contract.reference] if self.contract.reference else None
        return Assessment(fields, pd, decision, reasons, self.identity, outside, reference)

    def _explain(self, application: Application, pd: float, turns: Turns, by_field: dict[str, float]) -> Assessment:
        assessment = self._assess(application, pd, turns, self._decide(application, pd), by_field)
        return assessment._replace(
            attributions=Attributions(self.attributor.base_value, by_field),
            counterfactuals=self._counterfactuals(application, assessment.decision.outcome),
        )

    def _counterfactuals(self, application: Application, outcome: Outcome) -> tuple[Counterfactual, ...]:
        def told(others: Sequence[Application]) -> list[tuple[Outcome, float]]:
            pds = self.scorer.score(others).pd.tolist()
            decided = ((self._decide(other, pd), pd) for other, pd in zip(others, pds, strict=True))
            return [(decision.outcome, pd) for (decision, _), pd in decided]

        return find_counterfactuals(self.contract, application, outcome, told)

    def _decide(self, fields: Application, pd: float) -> tuple[Decision, tuple[str, ...]]:
        """The decision, and the fields that lie outside the training range."""
        outside = self.scorer.ranges.outside(fields)
        return decide(self.policy, fields, pd, outside.worse), outside.fields

    def _attribute(self, turns: Turns) -> list[dict[str, float]]:
        """By field, for each row of turns, shape (n, trees)."""
        fields = self.attributor.fields
        return [dict(zip(fields, row, strict=True)) for row in self.attributor.attribute_turns(turns).tolist()]
