"""One application to one assessment: score, then decide. The same code behind all three routes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from decision import Decision, Policy, decide
from preprocessing.application import LoanApplication
from preprocessing.cleaning import policy_fields
from scoring.attribution import Attributor
from scoring.scorer import Scorer


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


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the service says of one application.

    Attributes:
        application: as validated.
        pd: probability of default, 0 to 1.
        decision: what the policy made of it.
        identity: of the model and policy that said so.
        attributions: for an explanation only.
    """

    application: LoanApplication
    pd: float
    decision: Decision
    identity: Identity
    attributions: Attributions | None = None


class Engine:
    """A verified model and policy, ready to answer."""

    def __init__(self, scorer: Scorer, policy: Policy) -> None:
        self.scorer = scorer
        self.policy = policy
        self.identity = Identity(scorer.manifest.name, scorer.manifest.version, policy.version)
        self._attributor = Attributor(scorer)

    def assess(self, applications: Sequence[LoanApplication]) -> list[Assessment]:
        """Score and decide, each application by itself, in order."""
        pds = self.scorer.score(applications).pd.tolist()
        return [self._assessment(application, pd, None) for application, pd in zip(applications, pds, strict=True)]

    def explain(self, applications: Sequence[LoanApplication]) -> list[Assessment]:
        """The same, with attributions."""
        scores = self.scorer.score(applications)
        fields, base_value = self._attributor.fields, self._attributor.base_value
        impacts = self._attributor.attribute(scores.matrix).tolist()
        return [
            self._assessment(application, pd, Attributions(base_value, dict(zip(fields, row, strict=True))))
            for application, pd, row in zip(applications, scores.pd.tolist(), impacts, strict=True)
        ]

    def _assessment(self, application: LoanApplication, pd: float, attributions: Attributions | None) -> Assessment:
        decision = decide(self.policy, policy_fields(application), pd)
        return Assessment(application, pd, decision, self.identity, attributions)
