"""What the parts of one run share: how long to measure, the servers that stay up, and the measured saturation."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.load import Load, LoadError, closed_loop
from benchmarks.openloop import MOST_CONNECTIONS, OpenLoop, open_loop
from benchmarks.servers import EVERYTHING, Kind, Server, Yard
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
        servers: names of those to measure where a part measures many; None for all.
    """

    rounds: int
    seconds: float
    _yard: Yard
    _stack: ExitStack
    servers: Collection[str] | None = None
    _servers: dict[str, Server] = field(default_factory=dict)
    _saturation: dict[str, float] = field(default_factory=dict)

    @property
    def fewer(self) -> int:
        """Rounds of what no target is about."""
        return max(1, self.rounds - 3)

    def wanted(self, kinds: Sequence[Kind]) -> list[Kind]:
        """Those of them that this run measures.

        Raises:
            LoadError: it names one that is not among them.
        """
        names = [kind.name for kind in kinds]
        if unknown := sorted(set(self.servers or ()) - set(names)):
            raise LoadError(f"no server is called {', '.join(unknown)}; there are {', '.join(names)}")
        return [kind for kind in kinds if self.servers is None or kind.name in self.servers]

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
                server.check(kind.cases()[:CHECKED])
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
        """One closed-loop round, with the kind's own applications one by one unless other bodies are given."""
        each = bodies or server.kind.bodies()
        url = server.base + (path or server.kind.path)
        with server.awake():
            load = closed_loop(
                url, each, connections, seconds or self.seconds, headers=server.headers, refusals=refusals
            )
            server.settle()
        return load

    def in_turn(
        self, measures: dict[str, Callable[[], float]], rounds: int | Mapping[str, int] | None = None
    ) -> dict[str, Spread]:
        """Rounds in which all take turns, in an order that turns as well.

        Args:
            measures: by name.
            rounds: of all, or of those whose number is another than the run's.
        """
        names = list(measures)
        most = dict.fromkeys(names, rounds) if isinstance(rounds, int) else dict(rounds or {})
        ends = {name: most.get(name, self.rounds) for name in names}
        values: dict[str, list[float]] = {name: [] for name in names}
        for number in range(max(ends.values(), default=0)):
            first = number % len(names)
            turn = [name for name in names[first:] + names[:first] if number < ends[name]]
            say(f"  round {number + 1} of {max(ends.values())}: {', '.join(turn)}")
            for name in turn:
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
        """One open-loop round with the kind's own applications, whether or not the generator kept to its schedule."""
        outcome = open_loop(server.url, server.kind.bodies(), rate, seconds, most_connections, headers=server.headers)
        if settle:
            server.settle()
        return outcome

    def saturation(self, kind: Kind = EVERYTHING) -> float:
        """Requests a second in a closed loop, the median of rounds; measured once."""
        if kind.name not in self._saturation:
            server = self.server(kind)
            self._saturation[kind.name] = median(self.load(server).rate for _ in range(self.rounds))
        return self._saturation[kind.name]

    def set_saturation(self, kind: Kind, rate: float) -> None:
        """What another part has measured already."""
        self._saturation[kind.name] = rate


@contextmanager
def start_run(rounds: int, seconds: float, servers: Collection[str] | None = None) -> Iterator[Run]:
    """A run whose servers end with it."""
    with TemporaryDirectory(prefix="credit-risk-benchmarks-") as folder, ExitStack() as stack:
        yield Run(rounds, seconds, Yard(Path(folder)), stack, servers)


def say(text: str) -> None:
    """Progress and the time of day, beside the results."""
    print(f"{datetime.now().astimezone():%H:%M:%S} {text}", file=sys.stderr, flush=True)
