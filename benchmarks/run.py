"""What the parts of one run share: how long to measure, the servers that stay up, and the measured saturation."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.applications import mix
from benchmarks.load import Load, closed_loop
from benchmarks.openloop import MOST_CONNECTIONS, OpenLoop, open_loop
from benchmarks.servers import BUNDLE, Kind, Server, Yard
from benchmarks.spread import Spread, spread

CONNECTIONS = 32
CHECKED = 60
WARM_UP_SECONDS = 1.0
TRIES = 3


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        rounds: of each measurement.
        seconds: of each round.
    """

    rounds: int
    seconds: float
    _yard: Yard
    _stack: ExitStack
    _servers: dict[str, Server] = field(default_factory=dict)
    _saturation: list[float] = field(default_factory=list)

    def server(self, kind: Kind) -> Server:
        """A server that stays up until the end of the run; checked and warmed up."""
        if kind.name not in self._servers:
            self._servers[kind.name] = self._stack.enter_context(self.serving(kind))
        return self._servers[kind.name]

    @contextmanager
    def serving(self, kind: Kind, *, check: bool = True) -> Iterator[Server]:
        """A server for one part alone; warmed up, and checked unless it serves another model."""
        with self._yard.serving(kind) as server:
            if check:
                server.check(mix()[:CHECKED])
            say(f"{kind.name} is ready after {server.start_seconds:.1f} s{', and answers as it must' * check}")
            self.load(server, CONNECTIONS, WARM_UP_SECONDS)
            yield server

    def time_to_ready(self, kind: Kind) -> float:
        """Seconds from start to ready of a server that is ended at once."""
        with self._yard.serving(kind) as server:
            return server.start_seconds

    def load(  # noqa: PLR0913  # each has a default that most parts want
        self,
        server: Server,
        connections: int = CONNECTIONS,
        seconds: float | None = None,
        path: str | None = None,
        bodies: Sequence[bytes] = (),
        *,
        refusals: bool = False,
    ) -> Load:
        """One closed-loop round, with the portfolio's mix one by one unless other bodies are given."""
        each = bodies or [server.kind.body(case) for case in mix()]
        url = server.base + (path or server.kind.path)
        with server.awake():
            load = closed_loop(
                url, each, connections, seconds or self.seconds, headers=server.headers, refusals=refusals
            )
            server.settle()
        return load

    def in_turn(self, measures: dict[str, Callable[[], float]], rounds: int | None = None) -> dict[str, Spread]:
        """Rounds in which all take turns, in an order that turns as well."""
        names = list(measures)
        values: dict[str, list[float]] = {name: [] for name in names}
        for number in range(rounds or self.rounds):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                values[name].append(measures[name]())
        return {name: spread(values[name]) for name in names}

    def rates(
        self, servers: dict[str, Server], path: str | None = None, rounds: int | None = None
    ) -> dict[str, Spread]:
        """Requests a second of each server in a closed loop, in turn."""

        def rate(server: Server) -> float:
            return self.load(server, path=path).rate

        return self.in_turn({name: partial(rate, server) for name, server in servers.items()}, rounds)

    def open(
        self, server: Server, rate: float, seconds: float | None = None, *, settle: bool = True
    ) -> tuple[OpenLoop | None, int]:
        """One open-loop round, and how many were discarded before it.

        None where the generator was late in each of several tries.
        """
        for discarded in range(TRIES):
            outcome = self.open_at_any_lateness(server, rate, seconds or self.seconds, settle=settle)
            if outcome.valid:
                return outcome, discarded
        return None, TRIES

    def open_at_any_lateness(
        self,
        server: Server,
        rate: float,
        seconds: float,
        *,
        settle: bool = True,
        most_connections: int = MOST_CONNECTIONS,
    ) -> OpenLoop:
        """One open-loop round with the portfolio's mix, whether or not the generator kept to its schedule."""
        bodies = [server.kind.body(case) for case in mix()]
        outcome = open_loop(server.url, bodies, rate, seconds, most_connections, headers=server.headers)
        if settle:
            server.settle()
        return outcome

    def saturation(self) -> float:
        """Requests a second of the bundle in a closed loop, the median of rounds; measured once."""
        if not self._saturation:
            server = self.server(BUNDLE)
            self._saturation.append(median(self.load(server).rate for _ in range(self.rounds)))
        return self._saturation[0]

    def set_saturation(self, rate: float) -> None:
        """What another part has measured already."""
        self._saturation[:] = [rate]


@contextmanager
def start_run(rounds: int, seconds: float) -> Iterator[Run]:
    """A run whose servers end with it."""
    with TemporaryDirectory(prefix="credit-risk-benchmarks-") as folder, ExitStack() as stack:
        yield Run(rounds, seconds, Yard(Path(folder)), stack)


def say(text: str) -> None:
    """Progress, beside the results."""
    print(text, file=sys.stderr, flush=True)
