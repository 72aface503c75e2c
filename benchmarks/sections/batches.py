"""`/predict/batch`: its time against the model's alone, and rows a second by rows a request."""

from __future__ import annotations

import json
from collections.abc import Callable
from time import perf_counter

import httpx

from benchmarks.applications import Case, approved, matrix, mix
from benchmarks.peers.assessing import MODEL
from benchmarks.run import Run
from benchmarks.section import Ratio, Section, Table
from benchmarks.servers import BUNDLE, Server, WrongAnswerError
from benchmarks.spread import ratio
from scoring.artifact import read_artifact
from scoring.estimator import load_estimator

PATH = "/predict/batch"
SIZES = (1, 5, 25, 100, 500)
REPETITIONS = 5

Cases = tuple[Case, ...]


def body(cases: Cases) -> bytes:
    """A list of applications."""
    return json.dumps([case.document for case in cases]).encode()


def slices(cases: Cases, size: int) -> list[bytes]:
    """Bodies of `size` applications each, all different."""
    return [body(cases[start : start + size]) for start in range(0, len(cases), size)]


def measure(run: Run) -> Section:
    """One request at a time, over one connection."""
    server = run.server(BUNDLE)
    mixes = {"all approved": approved(), "a portfolio's mix": mix()}
    for cases in mixes.values():
        check(server, cases)
    measures: dict[str, Callable[[], float]] = {}
    for name, cases in mixes.items():
        measures[f"{name}, served"] = served(run, server, cases)
        measures[f"{name}, model"] = model(cases)
    times = run.in_turn(measures)
    by_size = run.in_turn(
        {str(size): rows_a_second(run, server, size) for size in SIZES}, rounds=max(1, run.rounds - 2)
    )
    ratios = {
        f"batch of {len(cases)}, {name} ÷ predict_proba": Ratio(
            ratio(times[f"{name}, served"], times[f"{name}, model"]), higher_is_better=False
        )
        for name, cases in mixes.items()
    }
    rows = tuple(
        (
            name,
            str(sum(not case.approved for case in cases)),
            str(times[f"{name}, served"]),
            str(times[f"{name}, model"]),
            str(each.over),
        )
        for (name, cases), each in zip(mixes.items(), ratios.values(), strict=True)
    )
    head = ("500 applications", "not approved", "/predict/batch, ms", "predict_proba, ms", "ratio")
    sizes = Table(("rows a request", *map(str, SIZES)), (("rows/s", *(str(by_size[str(size)]) for size in SIZES)),))
    figures = {f"rows_per_second/{size}": value for size, value in by_size.items()}
    return Section("Batches", (Table(head, rows), sizes), ratios, figures | {f"{k}_ms": v for k, v in times.items()})


def check(server: Server, cases: Cases) -> None:
    """Every row must get the answer that it gets alone."""
    response = httpx.post(
        server.base + PATH, content=body(cases), headers={"Content-Type": "application/json"}, timeout=30
    )
    if response.json().get("results") != [case.answer for case in cases]:
        raise WrongAnswerError(f"{PATH}: {response.status_code} {response.text[:500]}")


def served(run: Run, server: Server, cases: Cases) -> Callable[[], float]:
    """Milliseconds of a request for all cases."""
    return lambda: run.load(server, connections=1, path=PATH, bodies=[body(cases)]).p50 * 1e3


def rows_a_second(run: Run, server: Server, size: int) -> Callable[[], float]:
    """Rows answered a second in requests of `size`."""
    bodies = slices(mix(), size)
    seconds = run.seconds / 2
    return lambda: size * run.load(server, connections=1, seconds=seconds, path=PATH, bodies=bodies).rate


def model(cases: Cases) -> Callable[[], float]:
    """Milliseconds of scikit-learn's `predict_proba` of all cases, in this process."""
    rows, estimator = matrix(cases), load_estimator(read_artifact(MODEL))

    def once() -> float:
        times = []
        for _ in range(REPETITIONS):
            start = perf_counter()
            estimator.predict_proba(rows)
            times.append(perf_counter() - start)
        return sorted(times)[REPETITIONS // 2] * 1e3

    return once
