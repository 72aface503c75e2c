"""The same answers from a Ray cluster, whatever of it is lost: the undisturbed run's manifest, byte for byte.

The cluster is real: a head without CPUs, and nodes on addresses of their own.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from portfolio.assessor import Assessor
from tests.portfolio.clusters import Cluster, cluster
from tests.portfolio.portfolios import command, files_of, rows_of, scored, write_parquet
from tests.servers import HANG_SECONDS

pytestmark = pytest.mark.slow

PARTS = 24
PART_ROWS = 2000


@pytest.fixture(scope="module")
def portfolio_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48,000 rows, 1% of them wrong."""
    rows = rows_of(PART_ROWS, every=100)
    return write_parquet(tmp_path_factory.mktemp("in") / "a.parquet", rows, times=PARTS)


@pytest.fixture(scope="module")
def undisturbed(assessor: Assessor, portfolio_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its answers, made in one process."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    scored(assessor, portfolio_file, out, PART_ROWS)
    return out


@pytest.fixture(scope="module")
def ray() -> Iterator[Cluster]:
    """A head; each test starts the nodes that it lacks, for each takes its seconds."""
    with cluster() as running:
        yield running


def begun(ray: Cluster, path: Path, out: Path) -> subprocess.Popen[str]:
    """The command, handing out parts to the cluster."""
    arguments = ("--part-rows", str(PART_ROWS), "--quiet", "--engine", ray.address)
    return command(path, out, *arguments, **ray.environment)


def until(process: subprocess.Popen[str], done: Callable[[], bool]) -> None:
    """Wait, while the command works."""
    deadline = time.monotonic() + HANG_SECONDS
    while not done():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def receipts(out: Path) -> int:
    """How many parts are done."""
    return len(list((out / "receipts").glob("part-*"))) if (out / "receipts").is_dir() else 0


def assert_finished(process: subprocess.Popen[str], undisturbed: Path, out: Path) -> None:
    """It ends well, with the same files."""
    _, err = process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 0, err
    assert files_of(undisturbed) == files_of(out)


def test_a_node_that_is_killed_with_a_peer_alive(
    ray: Cluster, portfolio_file: Path, undisturbed: Path, tmp_path: Path
) -> None:
    first, _ = ray.at_least(2)
    process = begun(ray, portfolio_file, tmp_path / "out")
    until(process, lambda: receipts(tmp_path / "out") >= 1 and bool(ray.workers(first)))
    ray.kill(first)
    assert receipts(tmp_path / "out") < PARTS
    assert_finished(process, undisturbed, tmp_path / "out")


def test_all_nodes_killed_and_one_that_joins_later(
    ray: Cluster, portfolio_file: Path, undisturbed: Path, tmp_path: Path
) -> None:
    """The command waits for it."""
    nodes = ray.at_least(1)
    process = begun(ray, portfolio_file, tmp_path / "out")
    until(process, lambda: receipts(tmp_path / "out") >= 1)
    for node in nodes:
        ray.kill(node)
    done = receipts(tmp_path / "out")
    assert done < PARTS
    assert process.poll() is None
    ray.start(1)
    assert_finished(process, undisturbed, tmp_path / "out")


def test_a_worker_and_then_the_driver_killed(
    ray: Cluster, portfolio_file: Path, undisturbed: Path, tmp_path: Path
) -> None:
    """What the cluster has done stays done, and the processes of this machine do the rest."""
    node, *_ = ray.at_least(1)
    process = begun(ray, portfolio_file, tmp_path / "out")
    until(process, lambda: receipts(tmp_path / "out") >= 1 and bool(ray.workers(node)))
    for worker in ray.workers(node):
        worker.kill()
    before = receipts(tmp_path / "out")
    until(process, lambda: receipts(tmp_path / "out") > before)
    process.kill()
    process.communicate()
    assert receipts(tmp_path / "out") < PARTS
    for each in ray.at_least(1):
        ray.kill(each)
    local = command(portfolio_file, tmp_path / "out", "--part-rows", str(PART_ROWS), "--workers", "1", "--json")
    out, err = local.communicate(timeout=HANG_SECONDS)
    assert 0 == local.returncode, err
    assert "rows are done already" in err
    assert json.loads(out)["answered"] == json.loads((undisturbed / "manifest.json").read_bytes())["answered"]
    assert files_of(undisturbed) == files_of(tmp_path / "out")


def test_nothing_is_told_to_rays_makers(ray: Cluster) -> None:
    """Whether usage statistics are on is the head's to say."""
    assert "Usage stats collection is disabled" in ray.log(1)


def test_a_cluster_that_is_not_there(portfolio_file: Path, tmp_path: Path) -> None:
    """One line, and nothing is lost: nothing was begun."""
    pytest.importorskip("ray", reason="Ray isn't installed: .ci/ray-tools")
    process = command(portfolio_file, tmp_path / "out", "--engine", "127.0.0.9:1")
    out, err = process.communicate(timeout=HANG_SECONDS)
    assert (1, "") == (process.returncode, out)
    assert (
        "--engine: no Ray cluster can be reached at 127.0.0.9:1 (Connection refused); start one, or name another\n"
        == err
    )
