"""A disk that is full, read-only or gone costs metrics or log lines at most, is told of once, and stops no decision."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.disks import fill, small_disk
from tests.servers import Server, copy_store, serving, wait_for

LOST = "metrics are lost to other workers: their files can't be used; this process keeps its own"
AGAIN = "metrics are all in their files again"


def value(server: Server, series: str) -> float:
    """A sample of /metrics; 0 where there is none."""
    lines = httpx.get(f"{server.url}/metrics").raise_for_status().text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{series} "))


def provoke(server: Server, example: dict[str, Any]) -> int:
    """Have the server begin so many new series that their file needs further pages; how many requests it took."""
    wrong = ["text", -1, 1e300, None, True, [], {}, 0.5]
    bodies = [example | {field: each} for field in example for each in wrong]
    assert {422, 200} >= {httpx.post(f"{server.url}/predict", json=body).status_code for body in bodies}
    return len(bodies)


@pytest.mark.slow
class TestMetrics:
    @pytest.fixture
    def home(self, store: Path, tmp_path: Path) -> Path:
        return copy_store(store, tmp_path / "home")

    @pytest.fixture
    def disk(self, home: Path) -> Iterator[Path]:
        """What BentoML keeps metrics on."""
        with small_disk(home / "prometheus_multiproc_dir", "640k") as path:
            yield path

    def test_a_disk_that_fills_up(self, home: Path, disk: Path, example: dict[str, Any]) -> None:
        with serving(home) as server:
            worker = server.worker.pid
            filler = fill(disk)
            provoke(server, example)
            (line,) = wait_for(lambda: server.find(message=LOST))
            assert "No space left on device" in line["reason"]
            assert worker == server.worker.pid
            assert 1.0 == value(server, "credit_risk_metrics_lost")
            before = value(server, 'credit_risk_applications_total{kind="single"}')
            assert 200 == httpx.post(f"{server.url}/predict", json=example).status_code
            assert before + 1 == value(server, 'credit_risk_applications_total{kind="single"}')
            assert 200 == httpx.get(f"{server.url}/readyz").status_code
            filler.unlink()
            wait_for(lambda: server.find(message=AGAIN))
            assert 0.0 == value(server, "credit_risk_metrics_lost")
            assert [line] == server.find(message=LOST)
