"""One application to one assessment: score, decide, give reasons. The same code behind all three routes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
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
        self.catalogue = files.catalogue

    def assess(self, applications: Sequence[Application]) -> list[Assessment]:
        """Score, decide and give reasons, each application by itself, in order."""
        scores = self._score(applications)
        with self._span("decide"):
            return [
                self._assess(application, pd, turns)
                for application, pd, turns in zip(applications, scores.pd.tolist(), scores.turns, strict=True)
            ]

    def explain(self, applications: Sequence[Application]) -> list[Assessment]:
        """The same, with attributions, and the smallest changes that would have got a better decision."""
        scores = self._score(applications)
        with self._span("explain"):
            return [self._explain(application, scores, i) for i, application in enumerate(applications)]

    def _score(self, applications: Sequence[Application]) -> Scores:
        with self._span("features"):
            matrix = self.scorer.schema.matrix(applications)
        with self._span("score"):
            return self.scorer.score_matrix(matrix)

    def _assess(
        self, fields: Application, pd: float, turns: Turns, by_field: dict[str, float] | None = None
    ) -> Assessment:
        decision, outside = self._decide(fields, pd)
        if by_field is None:
            # Most of an answer's cost, so only where something of it is told.
            by_field = self._attribute(turns) if discloses_score(decision) else {}
        lowering = partial(self._improvements.lowering, fields, turns, pd)
        score = ScoreFactors(by_field, self.policy.least_impact(pd), lowering)
        reasons = explain_decision(decision, self.catalogue, fields, score)
        reference = fields[self.contract.reference] if self.contract.reference else None
        return Assessment(fields, pd, decision, reasons, self.identity, outside, reference)

    def _explain(self, application: Application, scores: Scores, i: int) -> Assessment:
        turns = scores.turns[i]
        by_field = self._attribute(turns)
        assessment = self._assess(application, float(scores.pd[i]), turns, by_field)
        return assessment._replace(
            attributions=Attributions(self.attributor.base_value, by_field),
            counterfactuals=self._counterfactuals(application, assessment.decision.outcome),
        )

    def _counterfactuals(self, application: Application, outcome: Outcome) -> tuple[Counterfactual, ...]:
        return find_counterfactuals(self.contract, application, outcome, self.outcomes)

    def outcomes(self, others: Sequence[Application]) -> list[tuple[Outcome, float]]:
        """What each application would get, and the PD behind it, in order; nothing is said of why."""
        pds = self.scorer.score(others).pd.tolist()
        decided = ((self._decide(other, pd), pd) for other, pd in zip(others, pds, strict=True))
        return [(decision.outcome, pd) for (decision, _), pd in decided]

    def cuts(self, name: str, application: Application) -> Iterator[float]:
        """Where the model begins to tell numbers of a field apart, all else held; none of a field that isn't scored."""
        field = self.contract.by_name[name]
        return self._improvements.cuts(field, application) if field.scored else iter(())

    def _decide(self, fields: Application, pd: float) -> tuple[Decision, tuple[str, ...]]:
        """The decision, and the fields that lie outside the training range."""
        outside = self.scorer.ranges.outside(fields)
        return decide(self.policy, fields, pd, outside.worse), outside.fields

    def _attribute(self, turns: Turns) -> dict[str, float]:
        impacts = self.attributor.attribute_one(turns).tolist()
        return dict(zip(self.attributor.fields, impacts, strict=True))
