"""A Ray cluster of real nodes on this machine: a head without CPUs, and nodes that come and go, on loopback.

127.0.0.1 itself Ray replaces by the machine's own address, so that nodes have 127.0.0.2 and on.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

START_SECONDS = 300


class Cluster:
    """A cluster.

    Args:
        folder: for the token and what Ray writes; a short path, for sockets are in it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        token = folder / "token"
        token.write_text(secrets.token_hex(32))
        token.chmod(0o600)
        self.environment = {
            **os.environ,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_raylet_start_wait_time_s": "240",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",
        }
        self._nodes = 0
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.address = ""

    def start(self, cpus: int) -> int:
        """Start a node, the head first; its number."""
        self._nodes += 1
        number = self._nodes
        ip = f"127.0.0.{number + 1}"
        ports = iter(free_ports(ip, 8))
        known = [
            "node-manager-port", "object-manager-port", "dashboard-agent-grpc-port", "dashboard-agent-listen-port",
            "runtime-env-agent-port", "metrics-export-port",
        ]  # fmt: skip
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
        command += [f"--node-ip-address={ip}", f"--num-cpus={cpus}", "--object-store-memory=80000000"]
        command += [f"--{name}={next(ports)}" for name in known]
        if self.address:
            command += [f"--address={self.address}"]
        else:
            port = next(ports)
            self.address = f"{ip}:{port}"
            command += ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={self._folder}"]
            command += [f"--ray-client-server-port={next(ports)}"]
        log = (self._folder / f"node{number}.log").open("wb")
        self._processes[number] = subprocess.Popen(
            command, stdout=log, stderr=log, env=self.environment, start_new_session=True
        )
        log.close()
        # A raylet waits 15 seconds for its agents, whose imports take longer on a busy machine, and then ends
        # (ray-project/ray#65983): where that may be, they go before others.
        with suppress(OSError):
            Path(f"/proc/{self._processes[number].pid}/autogroup").write_text("-15")
        deadline = time.monotonic() + START_SECONDS
        while "Ray runtime started" not in self.log(number):
            assert self._processes[number].poll() is None, self.log(number)
            assert time.monotonic() < deadline, self.log(number)
            time.sleep(0.2)
        return number

    def at_least(self, count: int) -> list[int]:
        """The nodes of one CPU that there are, and as many more as are lacking."""
        there = sorted(self._processes)[1:]
        return [*there, *(self.start(1) for _ in range(count - len(there)))]

    def log(self, number: int) -> str:
        """What a node has said."""
        return (self._folder / f"node{number}.log").read_text()

    def kill(self, number: int) -> None:
        """Kill all of a node at once, as when its machine fails."""
        process = self._processes.pop(number)
        with suppress(psutil.NoSuchProcess):
            whole = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
            for each in whole:
                with suppress(psutil.NoSuchProcess):
                    each.send_signal(signal.SIGKILL)
        process.wait()

    def workers(self, number: int) -> list[psutil.Process]:
        """The processes of a node that are at a task."""
        found = []
        with suppress(psutil.NoSuchProcess):
            for each in psutil.Process(self._processes[number].pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if each.cmdline()[:1] == ["ray::_score"]:
                        found.append(each)
        return found

    def stop(self) -> None:
        """Kill all nodes."""
        for number in sorted(self._processes, reverse=True):
            self.kill(number)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster of a head alone."""
    pytest.importorskip("ray", reason="Ray isn't installed: .ci/ray-tools")
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    made = Cluster(folder)
    try:
        made.start(0)
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


def free_ports(ip: str, count: int) -> list[int]:
    """Ports that nobody listens at."""
    sockets = [socket.create_server((ip, 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
