"""Metrics' files, which a disk may fail: what prometheus_client reads of them, and what is left without them."""

from __future__ import annotations

import asyncio
import errno
import inspect
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import prometheus_client.multiprocess
import prometheus_client.values
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from serving.telemetry.logs import service_log
from serving.telemetry.metric_files import RETRY_LOOKS, MetricFiles
from serving.telemetry.telemetry import Telemetry
from serving.telemetry.upkeep import Upkeep
from tests.disks import fill, small_disk
from tests.servers import ROOT, wait_for

CHANGED = "prometheus_client has changed inside: see serving/telemetry/metric_files.py"


def key(number: int) -> str:
    return mmap_key("metric", "metric_total", ["label"], [f"é{'x' * (number % 9)}{number}"], "Help.")


@pytest.fixture
def files() -> Iterator[MetricFiles]:
    made = MetricFiles()
    yield made
    for file in list(made._own.values()):
        file.close()


def test_what_is_replaced_is_still_how_prometheus_client_keeps_and_reads_values() -> None:
    values = inspect.getsource(prometheus_client.values)
    assert "files[file_prefix] = MmapedDict(filename)" in values, CHANGED
    uses = {"self._file.read_value(self._key)", "self._file.write_value(self._key, self._value, self._timestamp)"}
    assert all(use in values for use in uses), CHANGED
    assert 6 == values.count("self._file.") + values.count("f.close()"), CHANGED
    reads = inspect.getsource(prometheus_client.multiprocess)
    assert "MmapedDict.read_all_values_from_file(f)" in reads, CHANGED
    assert "return self.merge(files, accumulate=True)" in reads, CHANGED


def test_prometheus_client_reads_the_files_as_its_own(files: MetricFiles, tmp_path: Path) -> None:
    theirs = MmapedDict(str(tmp_path / "counter_1.db"))  # type: ignore[no-untyped-call]  # it has no types
    ours = files.open(str(tmp_path / "counter_2.db"))
    for i in range(500):
        for each in (theirs, ours):
            each.write_value(key(i), i / 3, 0.0)
    used = len((tmp_path / "counter_2.db").read_bytes())
    assert (tmp_path / "counter_1.db").read_bytes()[:used] == (tmp_path / "counter_2.db").read_bytes()
    assert files.read_all_values_from_file(theirs._fname) == ours.samples()
    theirs.close()  # type: ignore[no-untyped-call]  # it has no types


def test_counts_of_an_earlier_process_of_the_same_number_go_on(files: MetricFiles, tmp_path: Path) -> None:
    path = str(tmp_path / "counter_1.db")
    first = files.open(path)
    first.write_value(key(1), 7.0, 1.0)
    first.close()
    assert (7.0, 1.0) == files.open(path).read_value(key(1))


@pytest.mark.parametrize("content", [b"", b"\x08", b"\xff" * 64, b"\x40\0\0\0\0\0\0\0" + b"\x09\0\0\0" * 14])
def test_a_damaged_file_of_the_same_number_is_begun_anew(files: MetricFiles, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "counter_1.db"
    path.write_bytes(content)
    made = files.open(str(path))
    made.write_value(key(1), 7.0, 0.0)
    assert [(key(1), 7.0, 0.0)] == [sample[:3] for sample in MmapedDict.read_all_values_from_file(str(path))]  # type: ignore[no-untyped-call]  # it has no types


def test_a_damaged_file_of_another_worker_costs_that_ones_values(files: MetricFiles, tmp_path: Path) -> None:
    files.open(str(tmp_path / "counter_1.db")).write_value(key(1), 7.0, 0.0)
    damaged = tmp_path / "counter_2.db"
    damaged.write_bytes(b"\x40\0\0\0\0\0\0\0" + b"\x09\0\0\0" * 14)
    read = [files.read_all_values_from_file(path) for path in files.paths(str(tmp_path))]
    assert [[], [7.0]] == sorted([sample[1] for sample in samples] for samples in read)
    assert [str(damaged)] == list(files.unreadable)
    assert files.fault() is not None
    damaged.unlink()
    assert [str(tmp_path / "counter_1.db")] == list(files.paths(str(tmp_path)))
    assert files.fault() is None


@pytest.mark.parametrize("cause", ["file", "folder", "replaced"])
def test_a_file_that_is_gone_is_noticed_and_made_again(files: MetricFiles, tmp_path: Path, cause: str) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    path = folder / "counter_1.db"
    made = files.open(str(path))
    made.write_value(key(1), 1.0, 0.0)
    path.unlink()
    if cause == "folder":
        folder.rmdir()
    elif cause == "replaced":
        path.touch()
    files.look()
    assert isinstance(files.fault(), OSError)
    made.write_value(key(1), 2.0, 0.0)
    made.write_value(key(2), 3.0, 0.0)
    for _ in range(RETRY_LOOKS):
        files.look()
    assert files.fault() is None
    assert [2.0, 3.0] == [value for _, value, *_ in MmapedDict.read_all_values_from_file(str(path))]  # type: ignore[no-untyped-call]  # it has no types


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO])
def test_what_can_not_be_written_is_kept_and_written_later(
    files: MetricFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    made = files.open(str(tmp_path / "counter_1.db"))
    write = os.pwrite

    def half(file: int, data: memoryview, place: int) -> int:
        """As a disk with room for some of it."""
        if len(data) < 2:
            raise OSError(reason, os.strerror(reason))
        return write(file, data[: len(data) // 2], place)

    with monkeypatch.context() as failing:
        failing.setattr(os, "pwrite", half)
        for i in range(10):
            made.write_value(key(i), i, 0.0)
        for _ in range(2 * RETRY_LOOKS):
            files.look()
        fault = files.fault()
        assert isinstance(fault, OSError)
        assert reason == fault.errno
    assert [float(i) for i in range(10)] == [value for _, value, *_ in made.samples()]
    for _ in range(RETRY_LOOKS):
        files.look()
    assert files.fault() is None
    assert made.samples() == list(MmapedDict.read_all_values_from_file(made.path))  # type: ignore[no-untyped-call]  # it has no types


@pytest.mark.parametrize("folder", ["nowhere/at/all", "file/below"])
def test_a_folder_that_is_not_there_is_made_where_it_can_be(files: MetricFiles, tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").touch()
    made = files.open(str(tmp_path / folder / "counter_1.db"))
    made.write_value(key(1), 1.0, 0.0)
    assert folder.startswith("file") == (files.fault() is not None)
    assert [made.path] == list(files.paths(str(tmp_path / folder)))
    assert [(key(1), 1.0, 0.0)] == [sample[:3] for sample in files.read_all_values_from_file(made.path)]


def test_what_is_lost_is_told_once_and_counted(files: MetricFiles, caplog: pytest.LogCaptureFixture) -> None:
    registry = CollectorRegistry()
    telemetry = Telemetry(registry)

    async def look() -> list[float | None]:
        upkeep = Upkeep(telemetry.tallies, telemetry.metrics, files, lambda: True, lambda: None)
        lost = []
        for fault in (None, OSError(errno.ENOSPC, "full"), OSError(errno.ENOSPC, "full"), None, None):
            files.unreadable = {} if fault is None else {"counter_1.db": fault}
            upkeep.once()
            lost.append(registry.get_sample_value("credit_risk_metrics_lost"))
        upkeep.stop()
        return lost

    caplog.set_level("WARNING", logger=service_log.name)
    assert [0.0, 1.0, 1.0, 0.0, 0.0] == asyncio.run(look())
    assert [False, True] == ["again" in record.message for record in caplog.records]


SERIES = """
    from prometheus_client import CollectorRegistry, Counter, generate_latest, multiprocess
    counter = Counter("many", "Many.", ["number"])
    counter.labels("first").inc()
    input()  # the disk is filled
    for number in range(2000):
        counter.labels(str(number)).inc()
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    print(generate_latest(registry).decode().count("many_total{"))
"""


@pytest.mark.parametrize(
    ("first", "ends"),
    [
        ("", (-signal.SIGBUS, "")),
        ("from serving.telemetry.metric_files import shared_metric_files as files; files()", (0, "2001\n")),
    ],
    ids=["prometheus_client alone", "ours"],
)
def test_new_series_on_a_full_disk(tmp_path: Path, first: str, ends: tuple[int, str]) -> None:
    """What ends a process with prometheus_client's own files; once it doesn't, ours are no longer needed."""
    with small_disk(tmp_path / "disk", "256k") as disk:
        process = subprocess.Popen(
            [sys.executable, "-c", first + textwrap.dedent(SERIES)],
            cwd=ROOT,
            env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(disk)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        try:
            wait_for(lambda: any(disk.glob("counter_*.db")) or process.poll() is not None)
            fill(disk)
            output, _ = process.communicate("\n")
        finally:
            process.kill()
            process.wait()
    assert ends == (process.returncode, output)
