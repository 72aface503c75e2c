"""`python -m benchmarks.portfolios`: files of applications scored to files, beside the classifier and requests.

In turns: Parquet to Parquet and scikit-learn's `predict_proba` on the ready matrix, in rows a second of CPU; pools of
one worker and of two, and a loop of `/predict/batch`. Then the peak memory of a worker, by rows.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, process_time

import httpx
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.environments import ROOT
from benchmarks.peers.assessing import MODEL, POLICY
from benchmarks.section import Table
from benchmarks.spread import Spread, ratio, spread
from portfolio.assessor import Assessor, Options
from portfolio.running.pool import Pool
from portfolio.running.progress import Progress
from portfolio.running.run import Job, job_of, open_input, run
from portfolio.running.scoring import score_part
from scoring.artifact import read_artifact
from scoring.estimator import load_estimator
from tests.applications import portfolio
from tests.servers import run_python, serving

DRAWN = 20_000
"""Applications that a file repeats."""

BATCH, REQUEST = 5000, 500
PART_ROWS = 100_000


def main(arguments: list[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400_000, help="of the file (default: %(default)s)")
    parser.add_argument("--memory", default="1000000,10000000", help="rows of files, or nothing (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="in each of which all take turns (default: %(default)s)")
    options = parser.parse_args(arguments)
    documents = portfolio(DRAWN, seed=1)
    drawn = pa.Table.from_pylist(documents)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = _file(folder / "rows.parquet", drawn, options.rows)
        assessor = Assessor.open(MODEL, POLICY)
        print(_files(assessor, documents, path, folder, options.rounds))
        print(_pools(assessor, documents, path, folder, options.rounds))
        if options.memory:
            print(_memory(drawn, folder, [int(rows) for rows in options.memory.split(",")]))
    return 0


def _files(assessor: Assessor, documents: list[dict[str, object]], path: Path, folder: Path, rounds: int) -> str:
    estimator = load_estimator(read_artifact(MODEL))
    contract, schema = assessor.contract, assessor.engine.scorer.schema
    matrix = schema.matrix([contract.parse(document) for document in documents])
    batches = [matrix[start : start + BATCH] for start in range(0, len(matrix), BATCH)]
    jobs = {reasons: _job(assessor, path, folder / f"files-{reasons}", reasons=reasons) for reasons in (False, True)}

    def part(job: Job) -> int:
        with job.work.output.held(job.plan):
            return score_part(job.work, job.opened.parts[0]).rows

    def model() -> int:
        return sum(len(estimator.predict_proba(batch)) for batch in batches)

    measures = {
        "predict_proba, the matrix ready": model,
        "Parquet to Parquet, PD and decision": lambda: part(jobs[False]),
        "with reasons": lambda: part(jobs[True]),
    }
    return _table(("one part of a file", "rows a second of CPU"), _rates(measures, process_time, rounds))


def _pools(assessor: Assessor, documents: list[dict[str, object]], path: Path, folder: Path, rounds: int) -> str:
    def pool(workers: int) -> int:
        out = folder / f"pool-{workers}"
        shutil.rmtree(out, ignore_errors=True)
        job = _job(assessor, path, out, reasons=True)
        run(job, Pool(workers), lambda rows, done, bad: Progress(rows, done, bad, quiet=True))
        return job.opened.source.rows

    with _served() as client:

        def requests() -> int:
            for start in range(0, DRAWN, REQUEST):
                client.post("/predict/batch", json=documents[start : start + REQUEST]).raise_for_status()
            return DRAWN

        measures = {
            f"a loop of /predict/batch, {REQUEST} rows": requests,
            "one worker": lambda: pool(1),
            "two workers": lambda: pool(2),
        }
        rates = _rates(measures, perf_counter, rounds)
    one, two = rates["one worker"], rates["two workers"]
    head = (f"with reasons, {os.cpu_count()} CPUs; two workers ÷ one: {ratio(two, one)}", "rows a second")
    return _table(head, rates)


def _memory(drawn: pa.Table, folder: Path, sizes: list[int]) -> str:
    rows = []
    for size in sizes:
        path = _file(folder / "memory.parquet", drawn, size)
        for reasons in ((), ("--no-reasons",)):
            out = folder / "memory"
            shutil.rmtree(out, ignore_errors=True)
            worker, driver = _peaks([str(path), str(out), "--workers", "1", "--json", *reasons])
            told = "no" if reasons else "yes"
            rows.append((f"{size:,}", told, f"{worker / 2**20:.0f}", f"{driver / 2**20:.0f}"))
    head = ("rows", "reasons", "a worker's peak, MiB", "the driver's, MiB")
    return Table(head, tuple(rows)).markdown() + "\n"


def _peaks(arguments: list[str]) -> tuple[int, int]:
    """Bytes of the largest child and of the command itself."""
    command = [sys.executable, "-m", "portfolio", "score", *arguments, "--model", str(MODEL), "--policy", str(POLICY)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own
        worker = driver = 0
        while process.poll() is None:
            driver = max(driver, _peak(process.pid))
            worker = max([worker, *(_peak(child.pid) for child in psutil.Process(process.pid).children())])
            time.sleep(0.1)
        assert process.stdout is not None
        assert process.returncode == 0
        assert json.loads(process.stdout.read())["quarantined"] == 0
    return worker, driver


def _peak(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)


def _rates(measures: dict[str, Callable[[], int]], clock: Callable[[], float], rounds: int) -> dict[str, Spread]:
    """Rows a second of each, round by round."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            start = clock()
            rows = measure()
            found[name].append(rows / (clock() - start))
    return {name: spread(rates) for name, rates in found.items()}


def _table(head: tuple[str, str], rates: dict[str, Spread]) -> str:
    first = next(iter(rates.values()))
    rows = tuple((name, str(rate), str(ratio(rate, first))) for name, rate in rates.items())
    return Table((*head, "ratio to the first"), rows).markdown() + "\n"


def _job(assessor: Assessor, path: Path, out: Path, *, reasons: bool) -> Job:
    options = Options(reasons=reasons)
    return job_of(open_input(path, assessor, options, PART_ROWS), assessor, options, out, PART_ROWS)


def _file(path: Path, drawn: pa.Table, rows: int) -> Path:
    group = pa.concat_tables([drawn] * 50)
    with pq.ParquetWriter(path, drawn.schema) as writer:
        for start in range(0, rows, group.num_rows):
            writer.write_table(group.slice(0, rows - start), row_group_size=group.num_rows)
    return path


@contextmanager
def _served() -> Iterator[httpx.Client]:
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        run_python("import_model.py", home=home)
        with serving(home) as server, httpx.Client(base_url=server.url, timeout=300) as client:
            yield client


if __name__ == "__main__":
    sys.exit(main())
