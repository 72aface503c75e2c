"""What the bundle must reach, beside what it reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.section import Section, Table
from benchmarks.spread import Spread, number


@dataclass(frozen=True, slots=True)
class Target:
    """A limit on one figure.

    Attributes:
        what: in words.
        section: whose figure it is.
        name: of the ratio or figure.
        limit: to be reached.
        at_least: whether the limit is the least or the most.
    """

    what: str
    section: str
    name: str
    limit: float
    at_least: bool

    def met(self, value: float) -> bool:
        """Whether a value reaches the limit; NaN does not."""
        return value >= self.limit if self.at_least else value <= self.limit


def _least(what: str, section: str, name: str, limit: float) -> Target:
    return Target(what, section, name, limit, at_least=True)


def _most(what: str, section: str, name: str, limit: float) -> Target:
    return Target(what, section, name, limit, at_least=False)


TARGETS = (
    _least("/predict ÷ a bare JSON echo, records off", "throughput", "throughput ÷ echo", limit=0.5),
    _least(
        "/predict ÷ a bare JSON echo, everything on, 128 connections",
        "throughput",
        "throughput, everything on, 128 connections ÷ echo",
        limit=0.35,
    ),
    _least("/predict ÷ the floor, records off", "throughput", "throughput ÷ floor", limit=1.6),
    _least("/predict ÷ FastAPI with the same, records off", "throughput", "throughput ÷ fastapi_same", limit=8),
    _least("/predict ÷ MLServer with the same, records off", "throughput", "throughput ÷ mlserver", limit=5),
    _least("/predict ÷ LitServe with the same, records off", "throughput", "throughput ÷ litserve", limit=6),
    _least("/predict ÷ BentoML quickstart style", "throughput", "throughput ÷ bentoml_quickstart", limit=50),
    _least("tracing of 1% ÷ none", "tracing", "throughput with tracing of 1% ÷ without", limit=0.93),
    _most("open-loop p99 at 60% of saturation ÷ the floor's", "latency", "open-loop p99 at 60% ÷ floor", limit=1),
    _most("lone p50 ÷ the floor's, records off", "throughput", "lone p50 ÷ floor", limit=1.1),
    _most("lone /predict beside batches of 500, p99 ÷ alone", "neighbours", "lone p99 beside batches ÷ alone", limit=4),
    _most(
        "accepted p99 at three times saturation ÷ (places ÷ answers a second)",
        "overload",
        "accepted p99 at three times saturation ÷ (places ÷ answers a second)",
        limit=2,
    ),
    _most(
        "/predict/batch of 500, portfolio's mix ÷ predict_proba",
        "batches",
        "batch of 500, a portfolio's mix ÷ predict_proba",
        limit=2.5,
    ),
    _most(
        "/predict/batch of 500, all approved ÷ predict_proba",
        "batches",
        "batch of 500, all approved ÷ predict_proba",
        limit=3,
    ),
    _least(
        "/predict/explain ÷ FastAPI with shap, path-dependent",
        "explanations",
        "explain throughput ÷ fastapi_shap",
        limit=5,
    ),
    _most("CPU a request, two workers ÷ one", "workers", "CPU per request, 2 workers ÷ 1", limit=1.05),
    _most("ready ÷ BentoML's hello-world, median of five", "starting", "ready ÷ hello-world", limit=1.3),
    _most("PSS of a worker ÷ BentoML's hello-world's", "starting", "worker's PSS ÷ hello-world", limit=1.6),
    _least("HELOC's book ÷ the default, throughput", "book", "throughput, HELOC's book ÷ the default", limit=0.8),
)
"""Records to SQLite and keys are on where nothing else is said."""


def value(target: Target, sections: Mapping[str, Section]) -> Spread:
    """What was measured; empty where its section was not run."""
    section = sections.get(target.section)
    if section is None:
        return Spread(())
    if target.name in section.ratios:
        return section.ratios[target.name].over
    return section.figures.get(target.name, Spread(()))  # a run from before there was such a figure


def table(*runs: Mapping[str, Section]) -> Table:
    """Every target, with a column for each run."""
    rows = []
    for target in TARGETS:
        values = [value(target, run) for run in runs]
        limit = f"{'≥' if target.at_least else '≤'} {number(target.limit)}"
        rows.append((target.what, limit, *(_cell(target, each) for each in values)))
    names = ["value"] if len(runs) == 1 else [f"run {number}" for number in range(1, len(runs) + 1)]
    return Table(("figure", "target", *names), tuple(rows))


def _cell(target: Target, measured: Spread) -> str:
    if not measured.rounds:
        return "not measured"
    return f"{measured} {'met' if target.met(measured.median) else '**missed**'}"
