"""A soak's own logic: its mixture, its callers against a server that answers as it is told, and its verdict."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from benchmarks.soak.client import Callers
from benchmarks.soak.command import _stops, wrong
from benchmarks.soak.flatness import growths, slope
from benchmarks.soak.kinds import CYCLE, Kind, cycle, kinds
from benchmarks.soak.samples import Sample
from tests.crowd import run

FLAT = Sample(requests=0, seconds=0, pss=300, rss=200, descriptors=60, threads=20, series=400)


def course(name: str, values: Sequence[float]) -> list[Sample]:
    """Samples, one for every thousand requests, in which one figure is not flat."""
    fields = {field: getattr(FLAT, field) for field in FLAT.__slots__}
    return [Sample(**fields | {"requests": 1000 * (i + 1), name: value}) for i, value in enumerate(values)]


def growing(samples: Sequence[Sample]) -> list[str]:
    return [growth.name for growth in growths(samples) if not growth.flat]


class TestVerdict:
    @pytest.mark.parametrize(
        ("name", "step"), [("pss", 1), ("rss", 1), ("descriptors", 0.5), ("threads", 0.2), ("series", 0.1)]
    )
    def test_what_grows_is_named(self, name: str, step: float) -> None:
        first = getattr(FLAT, name)
        assert [name] == growing(course(name, [first + step * i for i in range(40)]))

    def test_what_is_flat_is_not(self) -> None:
        assert [] == growing(course("pss", [300 + i % 3 for i in range(40)]))

    def test_what_shrinks_is_not(self) -> None:
        assert [] == growing(course("pss", [300 - i for i in range(40)]))

    def test_the_warm_up_is_left_out(self) -> None:
        assert [] == growing(course("series", [40 * i for i in range(10)] + [400] * 30))

    def test_a_few_outliers_move_nothing(self) -> None:
        assert [] == growing(course("pss", [300] * 37 + [900] * 3))

    def test_the_growth_is_over_the_whole_run(self) -> None:
        """Whatever the number of requests, by the slope from the first sample that counts to the last."""
        growth = next(each for each in growths(course("pss", [300 + i for i in range(40)])) if each.name == "pss")
        assert growth.grown == pytest.approx(29)
        assert growth.most == 339

    def test_the_slope_is_that_of_a_line(self) -> None:
        assert slope([(x, 3 * x + 1) for x in range(5)]) == 3

    def test_too_few_samples_are_refused(self) -> None:
        with pytest.raises(ValueError, match="3 samples don't tell"):
            growths(course("pss", [300] * 3))


class TestMixture:
    def test_shares_are_of_a_thousand(self) -> None:
        order = cycle(kinds())
        assert CYCLE == len(order)
        assert {kind.name: kind.share for kind in kinds()} == Counter(kind.name for kind in order)
        assert [kind.name for kind in order] == [kind.name for kind in cycle(kinds())]

    def test_what_is_wrong_is_wrong_in_another_way_each_time(self) -> None:
        made = {kind.name: kind.make for kind in kinds()}
        for name in ("an unknown field", "an unknown route", "another media type", "not an application"):
            assert made[name](1) != made[name](501)

    def test_looks_are_spread_over_all_requests(self) -> None:
        assert [25, 50, 75, 100] == _stops(100, 4)
        assert [1, 2] == _stops(2, 50)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CLOSED = b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"


def asked(order: Sequence[Kind], requests: int, connections: int) -> tuple[Counter[tuple[str, str]], int]:
    """What callers are told by a server that sends back what it was sent, and how many connections that took."""
    taken: list[asyncio.Task[None] | None] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(asyncio.current_task())
        while line := await reader.readline():
            writer.write({b"ok\n": OK, b"closed\n": CLOSED, b"cut\n": OK[:20]}[line])
            if line != b"ok\n":
                break
        writer.close()
        await writer.wait_closed()

    async def work() -> Counter[tuple[str, str]]:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            callers = Callers(server.sockets[0].getsockname(), connections, order, lambda: None)
            await callers.ask(requests // 2)
            await callers.ask(requests - requests // 2)
            await callers.end()
            await asyncio.gather(*filter(None, taken))
            return callers.outcomes

    return run(work()), len(taken)


def kind(name: str, status: int | None = 200) -> Kind:
    return Kind(name, 1, lambda _: f"{name}\n".encode(), status)


class TestCallers:
    def test_a_connection_is_kept(self) -> None:
        assert ({("ok", "200"): 40}, 4) == asked([kind("ok")], requests=40, connections=4)

    def test_one_that_the_answer_ends_is_made_anew(self) -> None:
        outcomes, taken = asked([kind("ok"), kind("closed", 413)], requests=8, connections=1)
        assert ({("ok", "200"): 4, ("closed", "413"): 4}, 4) == (outcomes, taken)

    def test_half_an_answer_is_an_error(self) -> None:
        order = [kind("cut")]
        outcomes, _ = asked(order, requests=2, connections=1)
        assert {("cut", "IncompleteReadError"): 2} == outcomes
        assert outcomes == wrong(outcomes, order)

    def test_nobody_waits_for_an_answer_to_what_is_aborted(self) -> None:
        order = [kind("ok", status=None)]
        outcomes, taken = asked(order, requests=3, connections=1)
        assert ({("ok", "not asked for"): 3}, 3) == (outcomes, taken)
        assert {} == wrong(outcomes, order)

    def test_another_answer_than_it_should_be_is_wrong(self) -> None:
        order = [kind("ok", 404)]
        outcomes, _ = asked(order, requests=2, connections=2)
        assert {("ok", "200"): 2} == wrong(outcomes, order)
