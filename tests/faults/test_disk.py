"""A disk that is full, read-only or gone costs metrics or log lines at most, is told of once, and stops no decision."""

from __future__ import annotations

import json
import logging
import shutil
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.telemetry.logs import JSONFormatter, QueuedHandler
from serving.telemetry.output import Output
from serving.telemetry.tracing import Tracing
from tests.disks import fill, remount, small_disk
from tests.servers import HANG_SECONDS, ROOT, Server, copy_store, environment, serving, wait_for

LOST = "metrics are lost to other workers: their files can't be used; this process keeps its own"
AGAIN = "metrics are all in their files again"


def record(message: str) -> logging.LogRecord:
    return logging.LogRecord("credit_risk.test", logging.INFO, __file__, 1, message, None, None)


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
@pytest.mark.parametrize("options", ["size=64k", "size=600k", "size=8m,nr_inodes=20"])
def test_an_import_that_finds_no_room_leaves_nothing(tmp_path: Path, options: str) -> None:
    """Before the model, between its files, between it and the policy; one line says why."""
    with small_disk(tmp_path / "home", options.removeprefix("size=")) as home:
        result = subprocess.run(
            [sys.executable, "import_model.py"],
            cwd=ROOT,
            env=environment(home),
            capture_output=True,
            text=True,
            check=False,
        )
        left = [path for path in (home / "models").rglob("*") if path.name]
    assert (1, "") == (result.returncode, result.stdout)
    (line,) = result.stderr.splitlines()
    assert line.startswith("import refused: [Errno 28] No space left on device")
    assert line.endswith("; make room in the model store, or set BENTOML_HOME to another")
    assert [] == left


class TestLogs:
    def test_a_full_disk_costs_lines_that_are_counted_and_tears_none(self, tmp_path: Path) -> None:
        dropped: list[int] = []
        with small_disk(tmp_path / "disk", "64k") as disk:
            filler = disk / "filler"
            filler.write_bytes(bytes(30_000))
            log = disk / "service.log"
            with log.open("ab") as file:
                handler = QueuedHandler(dropped.append, Output(file.fileno()))
                handler.setFormatter(JSONFormatter(Tracing()))
                for i in range(1000):
                    handler.emit(record(f"before {i}"))
                wait_for(lambda: len(log.read_text().splitlines()) + sum(dropped) >= 1000)
                filler.unlink()
                for i in range(10):
                    handler.emit(record(f"after {i}"))
                handler.close()
            lines = [json.loads(line) for line in log.read_text().splitlines()]
        (lost,) = (line for line in lines if line["message"] == "log lines were lost")
        assert (sum(dropped), "ERROR") == (lost["lines"], lost["level"])
        written = 1000 - lost["lines"]
        assert 0 < written < 1000
        expected = [*(f"before {i}" for i in range(written)), *(f"after {i}" for i in range(10))]
        assert expected == [line["message"] for line in lines if line is not lost]

    @pytest.mark.parametrize("reader", ["gone", "stalled"])
    def test_a_process_ends_well_without_a_reader(self, reader: str) -> None:
        script = """
            import logging
            from serving.telemetry import logs
            from serving.telemetry.telemetry import Telemetry
            logs.CLOSING_SECONDS = 0.5
            Telemetry().logs.configure("INFO")
            input()
            for i in range(2000):
                logging.getLogger("credit_risk.test").info("line %d", i)
        """
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            if reader == "gone":
                process.stdout.close()
            process.stdin.write(b"\n")
            process.stdin.close()
            assert 0 == process.wait(HANG_SECONDS)
            assert b"" == process.stderr.read()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()


@pytest.mark.slow
class TestContainer:
    """What a container's only process does, from its start on."""

    @contextmanager
    def running(self, home: Path, **settings: str) -> Iterator[Server]:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        settings |= {"BENTO_PATH": "service:CreditRisk", "BENTOML_HOST": "127.0.0.1", "BENTOML_PORT": str(port)}
        log = home / "server.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "serving.bento.container"],
                cwd=ROOT,
                env=environment(home, **settings),
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        server = Server(f"http://127.0.0.1:{port}", home, log, process)
        try:
            server.wait_until("/readyz")
            yield server
            server.terminate()
            assert 0 == server.wait()
            server.lines()
        finally:
            process.kill()
            process.wait()

    @pytest.mark.parametrize("cause", ["full", "read-only", "not there"])
    def test_a_disk_that_fails_before_the_start(
        self, store: Path, tmp_path: Path, example: dict[str, Any], cause: str
    ) -> None:
        home = copy_store(store, tmp_path / "home")
        for folder in ("bentos", "envs", "tmp"):  # BentoML makes them wherever it is started
            (home / folder).mkdir()
        with small_disk(tmp_path / "disk", "64k") as disk:
            fill(disk)
            if cause == "read-only":
                remount(disk, "ro")
            temporary = disk / "filler" / "nowhere" if cause == "not there" else disk
            with self.running(home, TMPDIR=str(temporary)) as server:
                assert 200 == httpx.post(f"{server.url}/predict", json=example).status_code
                wait_for(lambda: server.find(message=LOST))
                assert 1.0 == value(server, "credit_risk_metrics_lost")
                assert 1.0 == value(server, 'credit_risk_applications_total{kind="single"}')
                assert len(server.find(message=LOST)) == 1


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

    def test_a_folder_that_is_gone(self, home: Path, example: dict[str, Any]) -> None:
        """As when somebody tidies /tmp; with two workers, which then find each other's metrics again."""
        folder = home / "prometheus_multiproc_dir"
        with serving(home, CREDIT_RISK_WORKERS="2") as server:
            wait_for(lambda: len(server.find(message="Application startup complete.")) == 2)
            shutil.rmtree(folder)
            wait_for(lambda: len(server.find(message=LOST)) == 2)
            assert 200 == httpx.post(f"{server.url}/predict", json=example).status_code
            assert 200 == httpx.get(f"{server.url}/readyz").status_code
            assert 200 == httpx.get(f"{server.url}/metrics").status_code
            wait_for(lambda: len(server.find(message=AGAIN)) == 2)
            wait_for(lambda: value(server, 'credit_risk_applications_total{kind="single"}') == 1.0)
            assert len(server.find(message=LOST)) == 2

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
