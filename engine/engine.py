"""One application to one assessment: score, decide, give reasons. The same code behind all three routes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from decision import Decision, Outcome, PolicyFiles, Reason, decide
from decision.counterfactuals import Counterfactual, Finder
from decision.reasons import Reasoning, discloses_score, explaining
from engine.columnar.model import model_of
from engine.foresight import Foresight
from engine.impacts import ReasonImpacts
from engine.steps import together
from preprocessing.application import Application
from scoring.attribution import Attributor
from scoring.improvements import Improvements, Question
from scoring.scorer import Scorer, Scores

Span = Callable[[str], AbstractContextManager[Any]]
"""What a step of the work, by its name, is done in."""

_NOTHING: AbstractContextManager[Any] = nullcontext()

_NOT_TOLD: tuple[Sequence[float], float] = ((), 0.0)
"""What is weighed where the score is not disclosed."""


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
    """A verified model and policy, ready to answer.

    Attributes:
        scorer: the model, an application at a time.
        model: the same over columns.
        attributor: says what moved its log-odds.
        improvements: says whether better values would have.
        impacts: weighs the catalogue's reasons.
        policy: what it decides by.
        catalogue: the reasons that it gives.
        contract: of the loan book.
        identity: of model and policy.
    """

    def __init__(self, scorer: Scorer, attributor: Attributor, files: PolicyFiles, span: Span = no_span) -> None:
        self._span = span
        self.scorer = scorer
        self.identity = Identity(scorer.manifest.name, scorer.manifest.version, files.policy.version)
        self.attributor = attributor
        self.contract = scorer.schema.contract
        self.model = model_of(scorer)
        self.improvements = Improvements(scorer)
        self.impacts = ReasonImpacts(scorer, attributor, files.catalogue)
        self._finder = Finder(self.contract)
        self._foresight = Foresight(self.contract, self.model, files.policy, self.improvements)
        self.policy = files.policy
        self.catalogue = files.catalogue

    def assess(self, applications: Sequence[Application]) -> list[Assessment]:
        """Score, decide and give reasons, each application by itself, in order."""
        scores = self._score(applications)
        with self._span("decide"):
            pds = scores.pd.tolist()
            decided = [self._decide(application, pd) for application, pd in zip(applications, pds, strict=True)]
            # Most of an answer's cost, so only where something of it is told.
            disclosed = [i for i, (decision, _) in enumerate(decided) if discloses_score(decision)]
            least = [self.policy.least_impact(pds[i]) for i in disclosed]
            bounds = [max(0.0, each) for each in least]
            impacts = self.impacts.in_order(scores, disclosed, bounds) if disclosed else []
            weighed = dict(zip(disclosed, zip(impacts, least, strict=True), strict=True))
            return self._assess(applications, scores, pds, decided, weighed)

    def explain(self, applications: Sequence[Application]) -> list[Assessment]:
        """The same, with attributions, and the smallest changes that would have got a better decision."""
        scores = self._score(applications)
        with self._span("explain"):
            pds = scores.pd.tolist()
            decided = [self._decide(application, pd) for application, pd in zip(applications, pds, strict=True)]
            attributions = self.attributor.attribute_turns(scores.turns(np.arange(len(pds))))
            disclosed = [i for i, (decision, _) in enumerate(decided) if discloses_score(decision)]
            impacts = self.impacts.exact(attributions[disclosed])
            weighed = {i: (each, self.policy.least_impact(pds[i])) for i, each in zip(disclosed, impacts, strict=True)}
            assessments = self._assess(applications, scores, pds, decided, weighed)
            found = self._counterfactuals(applications, scores, [decision.outcome for decision, _ in decided])
            base_value, fields = self.attributor.base_value, self.attributor.fields
            return [
                assessment._replace(
                    attributions=Attributions(base_value, dict(zip(fields, row, strict=True))), counterfactuals=each
                )
                for assessment, row, each in zip(assessments, attributions.tolist(), found, strict=True)
            ]

    def _score(self, applications: Sequence[Application]) -> Scores:
        with self._span("features"):
            matrix = self.scorer.schema.matrix(applications)
        with self._span("score"):
            return self.scorer.score_matrix(matrix)

    def _assess(
        self,
        applications: Sequence[Application],
        scores: Scores,
        pds: list[float],
        decided: Sequence[tuple[Decision, tuple[str, ...]]],
        weighed: Mapping[int, tuple[Sequence[float], float]],
    ) -> list[Assessment]:
        """Assessments, by what was decided; of rows whose score is told, by their reasons' impacts and the least."""
        reasonings = {
            i: explaining(decision, self.catalogue, applications[i], *weighed.get(i, _NOT_TOLD))
            for i, (decision, _) in enumerate(decided)
            if decision.outcome is not Outcome.APPROVE
        }
        reasons = self._told(reasonings, applications, scores, pds)
        identity, reference = self.identity, self.contract.reference
        return [
            Assessment(
                fields, pd, decision, reasons.get(i, ()), identity, outside, fields[reference] if reference else None
            )
            for i, (fields, pd, (decision, outside)) in enumerate(zip(applications, pds, decided, strict=True))
        ]

    def _told(
        self, reasonings: Mapping[int, Reasoning], applications: Sequence[Application], scores: Scores, pds: list[float]
    ) -> dict[int, tuple[Reason, ...]]:
        """The reasons of some rows; what they ask is answered for all of them at once."""
        return together(
            reasonings,
            lambda asked: self.improvements.lowering_each([
                Question(applications[i], scores.encoded[i], pds[i], groups) for i, groups in asked
            ]),
        )  # fmt: skip

    def _counterfactuals(
        self, applications: Sequence[Application], scores: Scores, outcomes: Sequence[Outcome]
    ) -> list[tuple[Counterfactual, ...]]:
        """What would have got each of some applications a better decision; all are searched for at once."""
        rows = [i for i, outcome in enumerate(outcomes) if outcome is not Outcome.APPROVE]
        searches = [self._finder.search(applications[i], outcomes[i]) for i in rows]
        tables = None if scores.tables is None else scores.tables[rows]
        guesses = self._foresight.guesses(searches, tables, scores.pd[rows].tolist())

        def answer(asked: Sequence[tuple[int, Sequence[Application]]]) -> list[Sequence[tuple[Outcome, float]]]:
            told = iter(self.outcomes([other for _, others in asked for other in others]))
            return [[*islice(told, len(others))] for _, others in asked]

        steps = {i: search.steps(guess) for i, search, guess in zip(rows, searches, guesses, strict=True)}
        found = together(steps, answer)
        return [found.get(i, ()) for i in range(len(applications))]

    def outcomes(self, others: Sequence[Application]) -> list[tuple[Outcome, float]]:
        """What each application would get, and the PD behind it, in order; nothing is said of why."""
        pds = self.scorer.score(others).pd.tolist()
        decided = ((self._decide(other, pd), pd) for other, pd in zip(others, pds, strict=True))
        return [(decision.outcome, pd) for (decision, _), pd in decided]

    def cuts(self, name: str, application: Application) -> Iterator[float]:
        """Where the model begins to tell numbers of a field apart, all else held; none of a field that isn't scored."""
        field = self.contract.by_name[name]
        return self.improvements.cuts(field, application) if field.scored else iter(())

    def _decide(self, fields: Application, pd: float) -> tuple[Decision, tuple[str, ...]]:
        """The decision, and the fields that lie outside the training range."""
        outside = self.scorer.ranges.outside(fields)
        return decide(self.policy, fields, pd, outside.worse), outside.fields
