"""`python -m benchmarks.columns`: tables of applications answered in this process, against the model's own classifier.

Rows a second of CPU, in turns with scikit-learn's `predict_proba` on the ready matrix of the same rows. A table comes
as Arrow's columns and leaves as Arrow's columns: reading, scoring, deciding and writing columns are all in it, files
are not.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from time import process_time

import pyarrow as pa

from benchmarks.peers.assessing import MODEL, POLICY
from benchmarks.section import Table
from benchmarks.spread import Spread, ratio, spread
from portfolio.assessor import Assessor, Options
from scoring.artifact import read_artifact
from scoring.estimator import load_estimator
from tests.applications import portfolio

ROWS = 40_000
ROUNDS = 7
BATCH = 5000


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", type=int, default=ROWS, help="applications of a portfolio's mix (default: %(default)s)"
    )
    parser.add_argument("--batch", type=int, default=BATCH, help="rows a table (default: %(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help="in each of which all take turns (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    assessor = Assessor.open(MODEL, POLICY)
    whole = pa.Table.from_pylist(portfolio(options.rows, seed=1))
    tables = [whole.slice(start, options.batch) for start in range(0, whole.num_rows, options.batch)]
    measures = _measures(assessor, tables)
    for measure in measures.values():
        measure()  # what is made once is made now
    seconds: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(options.rounds):
        for name, measure in measures.items():
            start = process_time()
            measure()
            seconds[name].append(process_time() - start)
    print(_rendered(assessor, whole, {name: spread(times) for name, times in seconds.items()}))
    return 0


def _measures(assessor: Assessor, tables: list[pa.Table]) -> dict[str, Callable[[], object]]:
    estimator = load_estimator(read_artifact(MODEL))
    schema, contract = assessor.engine.scorer.schema, assessor.contract
    matrices = [schema.matrix([contract.parse(row) for row in table.to_pylist()]) for table in tables]
    plain, reasons = Options(reasons=False), Options()
    return {
        "predict_proba, the matrix ready": lambda: [estimator.predict_proba(matrix) for matrix in matrices],
        "PD and decision": lambda: [assessor.score(table, 0, plain) for table in tables],
        "with reasons": lambda: [assessor.score(table, 0, reasons) for table in tables],
    }


def _rendered(assessor: Assessor, whole: pa.Table, seconds: dict[str, Spread]) -> str:
    model = next(iter(seconds.values()))
    decisions = assessor.score(whole, 0, Options(reasons=False)).answers.column("decision").to_pylist()
    refused = sum(decision != "APPROVE" for decision in decisions)
    rows = tuple(
        (
            name,
            str(spread([whole.num_rows / each for each in times.rounds])),
            str(spread([each / whole.num_rows * 1e6 for each in times.rounds])),
            str(ratio(model, times)),
        )
        for name, times in seconds.items()
    )
    head = (f"{whole.num_rows} applications, {refused} not approved", "rows a second of CPU", "µs a row", "ratio")
    return Table(head, rows).markdown()


if __name__ == "__main__":
    sys.exit(main())
