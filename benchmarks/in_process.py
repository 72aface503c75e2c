"""`python -m benchmarks.in_process`: what scoring, reasons and explanations cost, without a server around them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter

import numpy as np
import shap
from sklearn.ensemble import GradientBoostingClassifier

from benchmarks.peers.assessing import MODEL, POLICY
from decision import decide, read_policy
from engine import Engine, open_model
from preprocessing.application import Application
from scoring.artifact import read_artifact
from scoring.estimator import load_estimator
from tests.applications import portfolio

ROUNDS = 7


def medians(tasks: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Seconds of each task, the median over rounds in which all take turns."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            start = perf_counter()
            task()
            times[name].append(perf_counter() - start)
    return {name: median(seconds) for name, seconds in times.items()}


def main() -> int:
    """Print the tables."""
    artifact = read_artifact(MODEL)
    scorer, attributor = open_model(artifact)
    engine = Engine(scorer, attributor, read_policy(POLICY, artifact.contract))
    applications = [artifact.contract.parse(document) for document in portfolio(3000, seed=1)]
    matrix = scorer.schema.matrix(applications)
    print(f"{len(artifact.trees.value)} trees, {len(scorer.leaves.leaf_value)} leaves\n")
    attributions(engine, load_estimator(artifact), matrix)
    reasons(engine, applications)
    explanations(engine, applications)
    return 0


def attributions(engine: Engine, model: GradientBoostingClassifier, matrix: np.ndarray) -> None:
    """Attributions three ways."""
    attributor = engine.attributor
    interventional = shap.TreeExplainer(model, data=matrix[-100:], feature_perturbation="interventional")
    path_dependent = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
    print(
        "| rows | per-leaf tables, ms | shap interventional, 100 rows, ms | ratio | shap path-dependent, ms | ratio |"
    )
    print("|---|---|---|---|---|---|")
    for n in (1, 12, 500):
        rows = matrix[:n]
        seconds = medians(
            {
                "tables": lambda rows=rows: attributor.attribute(rows),
                "interventional": lambda rows=rows: interventional.shap_values(rows, check_additivity=False),
                "path": lambda rows=rows: path_dependent.shap_values(rows, check_additivity=False),
            },
            rounds=ROUNDS if n < 500 else 3,
        )
        ours, inter, path = (seconds[name] * 1e3 for name in ("tables", "interventional", "path"))
        print(f"| {n} | {ours:.2f} | {inter:.2f} | {inter / ours:.1f} | {path:.2f} | {path / ours:.1f} |")


def reasons(engine: Engine, applications: list[Application]) -> None:
    """500 applications with reasons and without, in a portfolio's mix and all rejected."""
    outcomes = [assessment.decision.outcome.value for assessment in engine.assess(applications)]
    rejected = [a for a, outcome in zip(applications, outcomes, strict=True) if outcome == "REJECT"]
    print("\n| 500 applications | not approved | without reasons, ms | with reasons, ms | ratio |")
    print("|---|---|---|---|---|")
    for name, mix in (("a portfolio's mix", applications[:500]), ("all rejected", (rejected * 5)[:500])):
        seconds = medians(
            {"without": lambda mix=mix: without_reasons(engine, mix), "with": lambda mix=mix: engine.assess(mix)}
        )
        refused = sum(assessment.decision.outcome.value != "APPROVE" for assessment in engine.assess(mix))
        plain, full = seconds["without"] * 1e3, seconds["with"] * 1e3
        print(f"| {name} | {refused} | {plain:.1f} | {full:.1f} | {full / plain:.2f} |")


def without_reasons(engine: Engine, applications: list[Application]) -> list:
    """What `Engine.assess` does, without reasons."""
    pds = engine.scorer.score(applications).pd.tolist()
    outside = engine.scorer.ranges.outside
    return [decide(engine.policy, a, pd, outside(a).worse) for a, pd in zip(applications, pds, strict=True)]


def explanations(engine: Engine, applications: list[Application]) -> None:
    """One explanation, counterfactuals and all, by outcome."""
    print("\n| one explanation | applications | median, ms | p99, ms | largest, ms |")
    print("|---|---|---|---|---|")
    times: dict[str, list[float]] = {}
    for application in applications[:1000]:
        start = perf_counter()
        (assessment,) = engine.explain([application])
        times.setdefault(assessment.decision.outcome.value, []).append((perf_counter() - start) * 1e3)
    for outcome, ms in sorted(times.items()):
        print(f"| {outcome} | {len(ms)} | {median(ms):.2f} | {np.quantile(ms, 0.99):.2f} | {max(ms):.2f} |")


if __name__ == "__main__":
    sys.exit(main())
