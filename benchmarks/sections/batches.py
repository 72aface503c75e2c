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
from benchmarks.servers import BUNDLE, EVERYTHING, Server, WrongAnswerError
from benchmarks.spread import ratio
from scoring.artifact import read_artifact
from scoring.estimator import load_estimator

PATH = "/predict/batch"
SIZES = (1, 5, 25, 100, 500)
REPETITIONS = 25

Cases = tuple[Case, ...]


def body(cases: Cases) -> bytes:
    """A list of applications."""
    return json.dumps([case.document for case in cases]).encode()


def slices(cases: Cases, size: int) -> list[bytes]:
    """Bodies of `size` applications each, all different."""
    return [body(cases[start : start + size]) for start in range(0, len(cases), size)]


def measure(run: Run) -> Section:
    """One request at a time, over one connection."""
    servers = {kind.name: run.server(kind) for kind in (EVERYTHING, BUNDLE)}
    mixes = {"all approved": approved(), "a portfolio's mix": mix()}
    measures: dict[str, Callable[[], float]] = {}
    for name, cases in mixes.items():
        measures[f"{name}, model"] = model(cases)
        for kind, server in servers.items():
            check(server, cases)
            measures[f"{name}, {kind}"] = served(run, server, cases)
    secondary = [name for name in measures if name.endswith(f", {BUNDLE.name}")]
    times = run.in_turn(measures, dict.fromkeys(secondary, run.fewer))
    by_size = run.in_turn({str(size): rows_a_second(run, servers[EVERYTHING.name], size) for size in SIZES}, run.fewer)
    ratios = {
        f"batch of {len(cases)}, {name}{off} ÷ predict_proba": Ratio(
            ratio(times[f"{name}, {kind}"], times[f"{name}, model"]), higher_is_better=False
        )
        for name, cases in mixes.items()
        for kind, off in ((EVERYTHING.name, ""), (BUNDLE.name, ", records off"))
    }
    rows = tuple(
        (
            *(name, str(sum(not case.approved for case in cases)), str(times[f"{name}, model"])),
            *(str(times[f"{name}, {kind}"]) for kind in servers),
            *(str(ratios[f"batch of {len(cases)}, {name}{off} ÷ predict_proba"].over) for off in ("", ", records off")),
        )
        for name, cases in mixes.items()
    )
    head = ("500 applications", "not approved", "predict_proba, ms", "/predict/batch, ms", "records and keys off, ms")
    sizes = Table(("rows a request", *map(str, SIZES)), (("rows/s", *(str(by_size[str(size)]) for size in SIZES)),))
    figures = {f"rows_per_second/{size}": value for size, value in by_size.items()}
    return Section(
        "Batches",
        (Table((*head, "ratio", "ratio, off"), rows), sizes),
        ratios,
        figures | {f"{name}_ms": value for name, value in times.items()},
    )


def check(server: Server, cases: Cases) -> None:
    """Every row must get the answer that it gets alone."""
    headers = {"Content-Type": "application/json", **server.headers}
    response = httpx.post(server.base + PATH, content=body(cases), headers=headers, timeout=30)
    results = response.json().get("results", [])
    if len(results) != len(cases) or not all(map(server.kind.right, cases, results)):
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
