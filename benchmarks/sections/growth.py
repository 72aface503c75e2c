"""What a request costs as the model grows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.applications import matrix, mix
from benchmarks.growing import TREES, grown_models
from benchmarks.run import Run
from benchmarks.section import Ratio, Section, Table
from benchmarks.servers import bundle
from benchmarks.spread import ratio
from scoring.artifact import read_artifact
from scoring.scorer import Scorer

ROWS = (1, 12, 100)
REPETITIONS = 20


def measure(run: Run) -> Section:
    """Scores in this process, and requests served, for models of 200, 700 and 2,000 trees."""
    rounds = max(1, run.rounds - 2)
    with TemporaryDirectory() as name, ExitStack() as stack:
        folders = grown_models(Path(name))
        scorers = {trees: Scorer(read_artifact(folder)) for trees, folder in folders.items()}
        scores = run.in_turn(
            {f"{trees}/{rows}": score(scorers[trees], rows) for trees in TREES for rows in ROWS}, rounds
        )
        servers = {
            str(trees): stack.enter_context(
                run.serving(bundle(f"bundle_{trees}_trees", CREDIT_RISK_MODEL_PATH=str(folder)), check=False)
            )
            for trees, folder in folders.items()
        }
        rates = run.rates(servers, rounds=rounds)
    rows = tuple(
        (f"{trees:,}", *(str(scores[f"{trees}/{rows}"]) for rows in ROWS), str(rates[str(trees)])) for trees in TREES
    )
    head = ("trees", *(f"score of {rows} rows, µs" for rows in ROWS), "requests/s, 32 connections")
    least, most = str(min(TREES)), str(max(TREES))
    return Section(
        "As the model grows",
        (Table(head, rows),),
        {f"throughput, {most} trees ÷ {least}": Ratio(ratio(rates[most], rates[least]), higher_is_better=True)},
        {f"trees_{trees}/rate": rate for trees, rate in rates.items()},
        ("Models with the shipped one's parameters, fitted to applications drawn for the purpose.",),
    )


def score(scorer: Scorer, rows: int) -> Callable[[], float]:
    """Microseconds of one score of so many rows."""
    features = matrix(mix()[:rows])

    def once() -> float:
        times = []
        for _ in range(REPETITIONS):
            start = perf_counter()
            scorer.score_matrix(features)
            times.append(perf_counter() - start)
        return sorted(times)[REPETITIONS // 2] * 1e6

    return once
