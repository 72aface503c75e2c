"""The files by which workers tell each other their metrics, so made that a disk can fail and nothing else does.

prometheus_client maps its files into memory, larger than the disk has given them room. When the disk is full, its pages
are lost or somebody cuts the file, the kernel ends the process with SIGBUS, and no line says why. Here a process keeps
its values itself and writes each change into the file besides, in the same format: what can't be written is an error
that is seen. /metrics has the process's own values from the process, and the other workers' from their files.

This leans on the inside of prometheus_client; tests say when that has changed.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from glob import escape, glob
from pathlib import Path
from threading import Lock
from typing import Any

from prometheus_client import CollectorRegistry, Metric, multiprocess, values
from prometheus_client.mmap_dict import MmapedDict

Sample = tuple[str, float, float, int]
"""A series' key, its value, the value's time, and where in the file that pair begins."""

RETRY_LOOKS = 20
"""Every so many looks, of which there is one a second, what could not be written is tried again: a disk at its limit
must not fill the log besides, and what is lost must be so for longer than the time between two scrapes."""

_HEADER = struct.Struct("ii")
_PAIR = struct.Struct("dd")
_DAMAGED = (OSError, RuntimeError, ValueError, struct.error)
"""What prometheus_client raises of a file that is gone, unreadable, empty, cut or otherwise damaged."""


class GoneError(OSError):
    """Another file has taken the name of one that is written to: no other process finds that."""


def _read(path: str) -> list[Sample]:
    return list(MmapedDict.read_all_values_from_file(path))  # type: ignore[no-untyped-call]  # it has no types


class MetricFile:
    """One file's values, in place of prometheus_client's `MmapedDict`.

    Attributes:
        path: its name.
        fault: why the file lacks what the process has, None while it lacks nothing.
    """

    def __init__(self, path: str, forget: Callable[[str], object]) -> None:
        self.path = path
        self.fault: OSError | None = None
        self._forget = forget
        self._lock = Lock()
        self._file: int | None = None
        self._data = bytearray(_HEADER.pack(_HEADER.size, 0))
        self._places: dict[str, int] = {}
        with suppress(*_DAMAGED):  # a process of the same number may have left one, whose counts go on
            for key, value, timestamp, _ in _read(path):
                self._append(key, value, timestamp)
        self.write_all()

    def read_value(self, key: str) -> tuple[float, float]:
        """A value and its time; a new series begins at 0."""
        with self._lock:
            return _PAIR.unpack_from(self._data, self._place(key))

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        """Keep a value, and write it into the file while that can be done."""
        with self._lock:
            place = self._place(key)
            self._data[place : place + _PAIR.size] = pair = _PAIR.pack(value, timestamp)
            self._write(pair, place)

    def samples(self) -> list[Sample]:
        """All values, as the process has them."""
        with self._lock:
            return [(key, *_PAIR.unpack_from(self._data, place), place) for key, place in self._places.items()]

    def look(self) -> None:
        """Find out whether the file that is written to is still the one that others find under its name."""
        if self.fault is None and self._file is not None:
            try:
                if not os.path.samestat(Path(self.path).stat(), os.fstat(self._file)):
                    self.fault = GoneError(f"another file has taken the name {self.path}")
            except OSError as exc:
                self.fault = exc

    def write_all(self) -> None:
        """Write everything into a file of that name, and make it and its folder where they are not there."""
        with self._lock:
            self._close()
            self.fault = None
            try:
                Path(self.path).parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError as exc:
                self.fault = exc
            self._write(self._data[_HEADER.size :], _HEADER.size)
            self._write_header()

    def close(self) -> None:
        """Write no more: prometheus_client does so of its parent's files in a fork."""
        with self._lock:
            self._close()
        self._forget(self.path)

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _place(self, key: str) -> int:
        if (place := self._places.get(key)) is None:
            begin = len(self._data)
            place = self._append(key, 0.0, 0.0)
            self._write(self._data[begin:], begin)
            self._write_header()
        return place

    def _append(self, key: str, value: float, timestamp: float) -> int:
        encoded = key.encode()
        # The length, the key and at least one space fill whole doubles, as prometheus_client has it.
        padded = encoded + b" " * (8 - (len(encoded) + 4) % 8)
        self._data += struct.pack("i", len(encoded)) + padded + _PAIR.pack(value, timestamp)
        place = self._places[key] = len(self._data) - _PAIR.size
        self._data[: _HEADER.size] = _HEADER.pack(len(self._data), 0)
        return place

    def _write_header(self) -> None:
        """Last, since a reader takes it for how much there is to be read."""
        self._write(self._data[: _HEADER.size], 0)

    def _write(self, data: bytes | bytearray, place: int) -> None:
        if self.fault is None and self._file is not None:
            view = memoryview(data)
            try:
                while view:
                    written = os.pwrite(self._file, view, place)
                    view, place = view[written:], place + written
            except OSError as exc:
                self.fault = exc


class MetricFiles:
    """All of a process's files, and the reading of the others'.

    Attributes:
        unreadable: other workers' files that could not be read when /metrics was asked for last, and why.
    """

    def __init__(self) -> None:
        self.unreadable: dict[str, Exception] = {}
        self._own: dict[str, MetricFile] = {}
        self._looks = 0

    def open(self, path: str) -> MetricFile:
        """A file of this process's own."""
        self._own[path] = file = MetricFile(path, lambda path: self._own.pop(path, None))
        return file

    def fault(self) -> Exception | None:
        """Why /metrics lacks something, here or at another worker's; None where it lacks nothing."""
        faults = (file.fault for file in list(self._own.values()))
        return next((fault for fault in (*faults, *self.unreadable.values()) if fault is not None), None)

    def look(self) -> None:
        """Look after the files: to be called once a second."""
        files = list(self._own.values())
        for file in files:
            file.look()
        faulty = [file for file in files if file.fault is not None]
        self._looks = self._looks + 1 if faulty else 0
        if self._looks == RETRY_LOOKS:
            self._looks = 0
            for file in faulty:
                file.write_all()

    def read_all_values_from_file(self, path: str) -> list[Sample]:
        """A file's values, in place of `MmapedDict`'s function: what can't be read has none."""
        if (own := self._own.get(path)) is not None:
            return own.samples()
        try:
            samples = _read(path)
        except FileNotFoundError:
            return []  # a worker's that has ended since the folder was listed
        except _DAMAGED as exc:
            self.unreadable[path] = exc
            return []
        self.unreadable.pop(path, None)
        return samples

    def paths(self, folder: str) -> Iterable[str]:
        """The files in the folder, and this process's own whether they are there or not."""
        # Names as prometheus_client makes them.
        found = glob(os.path.join(escape(folder), "*.db"))  # noqa: PTH118, PTH207  # see above
        self.unreadable = {path: fault for path, fault in self.unreadable.items() if path in found}
        return dict.fromkeys((*found, *self._own))


def shared_metric_files() -> MetricFiles:
    """Have prometheus_client keep its values so, from the first series on; the same files each time."""
    installed: Any = multiprocess.MmapedDict  # type: ignore[attr-defined]  # what reads files there
    if isinstance(installed, MetricFiles):
        return installed
    files = MetricFiles()

    class Collector(multiprocess.MultiProcessCollector):
        """What /metrics is made of; prometheus_client's wants a folder to be there."""

        def __init__(self, registry: CollectorRegistry | None, path: str | None = None) -> None:
            self._path = path or os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")
            if registry is not None:
                registry.register(self)

        def collect(self) -> Iterable[Metric]:
            return self.merge(files.paths(self._path))  # type: ignore[no-untyped-call,no-any-return]  # it has no types

    values.MmapedDict = files.open  # type: ignore[attr-defined,assignment]  # what makes files there
    multiprocess.MmapedDict = files  # type: ignore[attr-defined,assignment]  # the same
    multiprocess.MultiProcessCollector = Collector  # type: ignore[misc]  # the same
    return files
