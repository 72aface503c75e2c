"""Whatever ends the work, running it again ends with the undisturbed run's manifest, byte for byte."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from portfolio.assessor import Assessor
from tests.disks import fill, small_disk
from tests.portfolio.portfolios import command, files_of, rows_of, scored, write_parquet
from tests.servers import HANG_SECONDS, wait_for

pytestmark = pytest.mark.slow

PARTS = 16
PART_ROWS = 2000
ARGUMENTS = ("--part-rows", str(PART_ROWS), "--workers", "2", "--quiet")


@pytest.fixture(scope="module")
def portfolio_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """32,000 rows, 1% of them wrong."""
    rows = rows_of(PART_ROWS, every=100)
    return write_parquet(tmp_path_factory.mktemp("in") / "a.parquet", rows, times=PARTS)


@pytest.fixture(scope="module")
def undisturbed(assessor: Assessor, portfolio_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its answers, made in one process."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    scored(assessor, portfolio_file, out, PART_ROWS)
    return out


def receipts(out: Path) -> int:
    """How many parts are done."""
    return len(list((out / "receipts").glob("part-*"))) if (out / "receipts").is_dir() else 0


def until(process: subprocess.Popen[str], done: Callable[[], bool]) -> None:
    """Wait, while the command works."""
    deadline = time.monotonic() + HANG_SECONDS
    while not done():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes of the pool."""
    found = []
    with suppress(psutil.NoSuchProcess):
        for each in psutil.Process(process.pid).children():
            with suppress(psutil.NoSuchProcess):  # such as one that has just been killed
                if "spawn_main" in " ".join(each.cmdline()):
                    found.append(each)
    return found


def go_on(assessor: Assessor, path: Path, out: Path) -> None:
    """What running the command again does, without the seconds that a process takes to start."""
    scored(assessor, path, out, PART_ROWS)


def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """What it ends with, and says."""
    out, err = process.communicate(timeout=HANG_SECONDS * 4)
    return process.returncode, out, err


def test_a_worker_that_is_killed(portfolio_file: Path, undisturbed: Path, tmp_path: Path) -> None:
    """Another does its part anew."""
    process = command(portfolio_file, tmp_path / "out", *ARGUMENTS)
    until(process, lambda: receipts(tmp_path / "out") >= 2)
    for worker in workers(process):
        worker.kill()
    assert receipts(tmp_path / "out") < PARTS
    code, _, err = finished(process)
    assert (0, "") == (code, err)
    assert files_of(undisturbed) == files_of(tmp_path / "out")


def test_a_part_that_costs_every_worker_its_life(
    assessor: Assessor, portfolio_file: Path, undisturbed: Path, tmp_path: Path
) -> None:
    """Is not begun for ever; and when its cause is gone, the same command goes on."""
    process = command(portfolio_file, tmp_path / "out", *ARGUMENTS)
    while process.poll() is None:
        for worker in workers(process):
            worker.kill()
        time.sleep(0.01)
    code, _, err = finished(process)
    assert code == 1
    assert err.startswith("part ")
    assert "has cost 3 workers their lives, the last one by signal 9; look whether memory is short" in err
    go_on(assessor, portfolio_file, tmp_path / "out")
    assert files_of(undisturbed) == files_of(tmp_path / "out")


def test_the_driver_killed(portfolio_file: Path, undisturbed: Path, tmp_path: Path) -> None:
    """Its workers end by themselves, and nothing that they were at is in the way."""
    process = command(portfolio_file, tmp_path / "out", *ARGUMENTS)
    until(process, lambda: receipts(tmp_path / "out") >= 2)
    orphans = workers(process)
    process.kill()
    process.communicate(timeout=HANG_SECONDS)
    done = receipts(tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()
    code, told, err = finished(command(portfolio_file, tmp_path / "out", *ARGUMENTS))
    assert code == 0, err
    assert 2 <= done < PARTS
    assert told.startswith(f"32,000 rows in {PARTS} parts, ")
    wait_for(lambda: not any(orphan.is_running() and orphan.status() != psutil.STATUS_ZOMBIE for orphan in orphans))
    assert files_of(undisturbed) == files_of(tmp_path / "out")


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ended_by_whoever_began_it(
    assessor: Assessor, portfolio_file: Path, undisturbed: Path, tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    """Ctrl-C and Kubernetes: a line, an exit code, no process, and a folder that can be gone on with."""
    process = command(portfolio_file, tmp_path / "out", *ARGUMENTS)
    until(process, lambda: receipts(tmp_path / "out") >= 2)
    left = workers(process)
    process.send_signal(sent)
    ended, _, err = finished(process)
    told = "ended; nothing is half written; run the same command again, and `score` goes on from here\n"
    assert (code, told) == (ended, err)
    assert not any(worker.is_running() for worker in left)
    assert receipts(tmp_path / "out") < PARTS
    go_on(assessor, portfolio_file, tmp_path / "out")
    assert files_of(undisturbed) == files_of(tmp_path / "out")


def test_a_disk_that_is_full(assessor: Assessor, portfolio_file: Path, undisturbed: Path, tmp_path: Path) -> None:
    """One line says so, what is done stays, and with room it goes on."""
    size = sum(len(content) for content in files_of(undisturbed).values())
    with small_disk(tmp_path / "disk", str(2 * size)) as disk:
        filler = fill(disk)
        with filler.open("r+b") as file:
            file.truncate(filler.stat().st_size - size // 2)
        code, out, err = finished(command(portfolio_file, disk / "out", *ARGUMENTS))
        assert (1, "") == (code, out)
        assert "can't be written (No space left on device); when it can, run the same command again" in err
        assert 0 < receipts(disk / "out") < PARTS
        filler.unlink()
        go_on(assessor, portfolio_file, disk / "out")
        assert files_of(undisturbed) == files_of(disk / "out")
