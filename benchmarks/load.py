"""Closed-loop load by wrk: as many requests at a time as there are connections, each after the last one's answer."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import MappingProxyType

NO_HEADERS: Mapping[str, str] = MappingProxyType({})
SCRIPT = Path(__file__).with_name("cycle.lua")


class LoadError(Exception):
    """A measurement that says nothing: a tool is missing, or answers were not what they should be."""


@dataclass(frozen=True, slots=True)
class Load:
    """One round.

    Attributes:
        requests: answered.
        seconds: that it took.
        p50: median latency, seconds.
        p99: the same that 1% exceed.
        refused: answers with a status of 400 or more.
    """

    requests: int
    seconds: float
    p50: float
    p99: float
    refused: int = 0

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def wrk() -> str:
    """The program.

    Raises:
        LoadError: it is not installed.
    """
    program = shutil.which("wrk")
    if program is None:
        raise LoadError("wrk is not installed; Debian's package is called wrk")
    return program


@contextmanager
def _started(
    url: str, bodies: Sequence[bytes], connections: int, seconds: float, headers: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        file.write(b"\n".join(bodies) + b"\n")
        file.flush()
        command = [wrk(), "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"]
        with subprocess.Popen(  # noqa: S603  # its own commands
            [*command, "-s", str(SCRIPT), url, "--", file.name, *chain.from_iterable(headers.items())],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()


def closed_loop(  # noqa: PLR0913  # the last two have defaults that most want
    url: str,
    bodies: Sequence[bytes],
    connections: int,
    seconds: float,
    *,
    headers: Mapping[str, str] = NO_HEADERS,
    refusals: bool = False,
) -> Load:
    """POST the bodies in turn over this many connections, with these headers besides.

    Raises:
        LoadError: a connection broke, or an answer was not 2xx and refusals are not what is measured.
    """
    with _started(url, bodies, connections, seconds, headers) as process:
        output, _ = process.communicate(timeout=seconds + 60)
    line = next((line for line in output.splitlines() if line.startswith("{")), None)
    if line is None:
        raise LoadError(f"wrk failed on {url}: {output}")
    summary = json.loads(line)
    if (summary["refused"] and not refusals) or summary["broken"] or not summary["requests"]:
        raise LoadError(f"{url} at {connections} connections: {line}")
    return Load(summary["requests"], summary["seconds"], summary["p50"], summary["p99"], summary["refused"])


@contextmanager
def beside(
    url: str, bodies: Sequence[bytes], connections: int, seconds: float, headers: Mapping[str, str] = NO_HEADERS
) -> Iterator[None]:
    """The same in the background, for at most this long."""
    with _started(url, bodies, connections, seconds, headers):
        yield
