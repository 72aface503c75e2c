"""Metrics of access: who comes, and who is refused why. Names become labels only up to a number of them."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter

from serving.telemetry.tally import Tallies, Tally

MAX_NAMES = 50
"""Callers with a series of their own; an issuer may name any number."""

OTHER = "other"
CLASSES = ("2xx", "3xx", "4xx", "5xx")


class CallerMetrics:
    """The metrics of access of one process. A registry takes them once."""

    def __init__(self, tallies: Tallies, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "credit_risk_caller_requests",
            "Requests by caller, where access is not open, and class of status; callers over the first 50 are other.",
            ["caller", "class"],
            registry=registry,
        )
        self._refusals = Counter(
            "credit_risk_access_refusals", "Requests refused for access, by reason.", ["reason"], registry=registry
        )
        self.failures = Counter(
            "credit_risk_access_refresh_failures",
            "Looks at a broken keys file, or tries to fetch the issuer's keys that failed.",
            registry=registry,
        )
        self._tallies = tallies
        self._labels: set[str] = set()
        self._request_tallies: dict[tuple[str, str], Tally] = {}
        self._counted: dict[tuple[str, int], Tally] = {}
        self._refusal_tallies: dict[str, Tally] = {}

    def expect(self, reasons: Iterable[str], names: Iterable[str]) -> None:
        """Begin the series of these refusals and callers at 0."""
        for reason in reasons:
            self._refusal(reason)
        for name in names:
            self._request(name, CLASSES[0])

    def count(self, caller: str, status: int) -> None:
        """Count one answered request of a known caller."""
        if (tally := self._counted.get((caller, status))) is None:
            tally = self._request(caller, CLASSES[min(max(status // 100, 2), 5) - 2])
            if caller in self._labels:
                self._counted[caller, status] = tally
        tally.add()

    def refuse(self, reason: str) -> None:
        """Count one refusal."""
        self._refusal(reason).add()

    def _request(self, caller: str, answered: str) -> Tally:
        if caller not in self._labels:
            if len(self._labels) < MAX_NAMES:
                self._labels.add(caller)
            else:
                caller = OTHER
        if (tally := self._request_tallies.get((caller, answered))) is None:
            tally = self._tallies.tally(self._requests.labels(caller, answered))
            self._request_tallies[caller, answered] = tally
        return tally

    def _refusal(self, reason: str) -> Tally:
        if (tally := self._refusal_tallies.get(reason)) is None:
            tally = self._refusal_tallies[reason] = self._tallies.tally(self._refusals.labels(reason))
        return tally
