"""What the memory gauges read."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from serving.telemetry import upkeep
from serving.telemetry.logs import service_log


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A control group of this machine's newer kind, in a folder of the test."""
    monkeypatch.setattr(upkeep, "_V2", tmp_path)
    monkeypatch.setattr(upkeep, "_V1", tmp_path / "memory")
    monkeypatch.setattr(
        upkeep, "_CGROUP_LIMITS", (tmp_path / "memory.max", tmp_path / "memory" / "memory.limit_in_bytes")
    )
    return tmp_path


def test_without_a_group_there_is_neither_limit_nor_use(group: Path) -> None:
    assert not list(group.iterdir())
    assert (0, 0) == (upkeep._memory_limit(), upkeep._memory_used())


def test_used_memory_leaves_out_pages_that_the_kernel_would_give_back(group: Path) -> None:
    (group / "memory.max").write_text("536870912\n")
    (group / "memory.current").write_text("300000000\n")
    (group / "memory.stat").write_text("anon 200000000\ninactive_file 90000000\nactive_file 1\n")
    assert (536_870_912, 210_000_000) == (upkeep._memory_limit(), upkeep._memory_used())


@pytest.mark.parametrize("text", ["max\n", "9223372036854771712\n"])
def test_no_limit_is_zero(group: Path, text: str) -> None:
    (group / "memory.max").write_text(text)
    assert upkeep._memory_limit() == 0


def test_the_older_kind_of_group_is_read_too(group: Path) -> None:
    old = group / "memory"
    old.mkdir()
    (old / "memory.limit_in_bytes").write_text("1000\n")
    (old / "memory.usage_in_bytes").write_text("900\n")
    (old / "memory.stat").write_text("inactive_file 1\ntotal_inactive_file 100\n")
    assert (1000, 800) == (upkeep._memory_limit(), upkeep._memory_used())


@pytest.mark.parametrize("stat", ["inactive_file 1\n", None])
def test_a_group_that_cannot_be_read_is_none_and_the_log_says_so_once(
    group: Path, stat: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Or every second would log a fault, and what the loop does after it would not be done."""
    (group / "memory.max").write_text("1000\n")
    (group / "memory.current").write_text("no number\n")
    if stat is not None:
        (group / "memory.stat").write_text(stat)
    caplog.set_level("INFO", logger=service_log.name)
    assert upkeep._watched_limit() == 0
    (record,) = caplog.records
    assert ("WARNING", True) == (record.levelname, "can't be read" in record.message)


def test_elsewhere_than_on_linux_the_log_says_what_is_not_watched(
    group: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (group / "memory.max").write_text("1000\n")
    monkeypatch.setattr("sys.platform", "darwin")
    caplog.set_level("INFO", logger=service_log.name)
    assert upkeep._watched_limit() == 0
    (record,) = caplog.records
    assert ("INFO", "no memory limit is watched: not Linux") == (record.levelname, record.message)


def test_gauges_of_dead_workers_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would be "not ready", or use memory, for ever; counts are kept."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    with subprocess.Popen(["true"]) as dead:
        dead.wait()
    kept = [f"gauge_livemin_{os.getpid()}.db", f"counter_{dead.pid}.db", f"gauge_livesum_{os.getpid()}.db"]
    gone = [f"gauge_livemin_{dead.pid}.db", f"gauge_livesum_{dead.pid}.db", f"gauge_livemax_{dead.pid}.db"]
    for name in kept + gone:
        (tmp_path / name).touch()
    upkeep._forget_dead_workers()
    assert sorted(kept) == sorted(path.name for path in tmp_path.iterdir())
