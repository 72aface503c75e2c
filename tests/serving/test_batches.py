from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessing.application import Application, InvalidApplicationError
from serving.http.batches import Item, answer
from serving.http.problems import InternalError, InvalidRequestError, NotReadyError, ProblemError
from serving.telemetry.logs import JSONFormatter
from serving.telemetry.tracing import Tracing
from tests.applications import CONTRACT, examples, parse_application, portfolio

APPLICATIONS = [parse_application(document) for document in portfolio(60, seed=21)]
POISON = CONTRACT.with_values(APPLICATIONS[0], {"loan_amnt": 123_456_789.0})


class Work:
    """Answers an application with itself, wrapped; what it was called with is kept."""

    def __init__(self, fault: Callable[[Sequence[Application]], None] = lambda _: None) -> None:
        self.calls: list[list[Application]] = []
        self.fault = fault

    async def __call__(self, applications: Sequence[Application]) -> list[Any]:
        self.calls.append(list(applications))
        await asyncio.sleep(0)
        self.fault(applications)
        return [("answer to", application) for application in applications]


def poisoned(applications: Sequence[Application]) -> None:
    if POISON in applications:
        raise ValueError(f"amount {POISON['loan_amnt']} can't be")


def run(items: Sequence[Item], work: Any, chunk: int) -> list[Any]:
    return asyncio.run(answer(items, work, chunk))


def bad_row() -> InvalidApplicationError:
    return InvalidApplicationError(())


ITEMS = st.lists(st.sampled_from(APPLICATIONS) | st.builds(bad_row) | st.builds(InvalidRequestError), max_size=30)


class TestOrder:
    @examples(100)
    @given(ITEMS, st.integers(1, 40))
    def test_every_item_gets_its_own(self, items: list[Item], chunk: int) -> None:
        """Whatever is merged, and however it is cut, every application gets its answer and every error stays itself."""
        results = run(items, Work(), chunk)
        assert len(items) == len(results)
        for item, result in zip(items, results, strict=True):
            if not isinstance(item, Exception):
                assert result == ("answer to", item)
            else:
                assert result is item

    @examples(60)
    @given(ITEMS, st.integers(1, 40))
    def test_work_sees_applications_only(self, items: list[Item], chunk: int) -> None:
        """Work gets all applications, in order, once each, and never more than a chunk of them nor none."""
        work = Work()
        run(items, work, chunk)
        assert [item for item in items if not isinstance(item, Exception)] == [
            application for call in work.calls for application in call
        ]
        assert all(0 < len(call) <= chunk for call in work.calls)

    def test_nothing(self) -> None:
        """An empty batch is answered without work."""
        work = Work()
        assert run([], work, 10) == []
        assert work.calls == []

    def test_chunks(self) -> None:
        """A batch is cut into chunks of items, the last one shorter."""
        work = Work()
        run(APPLICATIONS[:25], work, 10)
        assert [len(call) for call in work.calls] == [10, 10, 5]


class TestFaults:
    def test_one_bad_application(self, caplog: pytest.LogCaptureFixture) -> None:
        """The one application that can't be assessed is the service's fault; its neighbours are answered."""
        items = [*APPLICATIONS[1:4], POISON, *APPLICATIONS[4:7]]
        with caplog.at_level(logging.ERROR):
            results = run(items, Work(poisoned), 50)
        assert isinstance(results[3], InternalError)
        assert [("answer to", item) for item in items if item is not POISON] == results[:3] + results[4:]
        lines = [JSONFormatter(Tracing()).format(record) for record in caplog.records]
        assert lines
        assert not any("123456789" in line for line in lines)

    def test_several_bad_applications(self) -> None:
        """Two of them in different chunks, beside a bad row, still leave everyone else alone."""
        row = bad_row()
        items = [POISON, APPLICATIONS[1], row, APPLICATIONS[2], APPLICATIONS[3], POISON]
        results = run(items, Work(poisoned), 3)
        assert [type(results[0]), type(results[5])] == [InternalError, InternalError]
        assert results[0] is not results[5]
        assert [("answer to", APPLICATIONS[1]), row] == results[1:3]
        assert [("answer to", APPLICATIONS[i]) for i in (2, 3)] == results[3:5]

    def test_other_chunks_are_not_repeated(self) -> None:
        """Only the chunk with the fault is gone through again, one by one."""
        work = Work(poisoned)
        run([*APPLICATIONS[1:5], POISON, *APPLICATIONS[5:8]], work, 4)
        assert [len(call) for call in work.calls] == [4, 4, 1, 1, 1, 1]

    def test_alone(self) -> None:
        """An application that fails alone is not tried twice."""
        work = Work(poisoned)
        (result,) = run([POISON], work, 4)
        assert isinstance(result, InternalError)
        assert len(work.calls) == 1

    def test_a_problem_for_all(self) -> None:
        """A problem that the work raises is everyone's in that chunk, without another try; errors stay themselves."""

        def not_ready(_: Sequence[Application]) -> None:
            raise NotReadyError

        row, work = bad_row(), Work(not_ready)
        results = run([APPLICATIONS[0], row, APPLICATIONS[1]], work, 10)
        assert [NotReadyError, InvalidApplicationError, NotReadyError] == [type(result) for result in results]
        assert results[1] is row
        assert len(work.calls) == 1

    def test_a_problem_in_one_chunk(self) -> None:
        """A problem with one chunk is no problem of the next."""
        raised = iter([True, False])

        def once(_: Sequence[Application]) -> None:
            if next(raised):
                raise NotReadyError

        results = run(APPLICATIONS[:4], Work(once), 2)
        assert [NotReadyError, NotReadyError, tuple, tuple] == [type(result) for result in results]

    @pytest.mark.parametrize("error", [MemoryError, RecursionError, StopIteration, KeyError])
    def test_whatever_is_raised(self, error: type[Exception]) -> None:
        """No exception leaves the batch, for it would fail every request in it."""

        def fail(_: Sequence[Application]) -> None:
            raise error

        assert [InternalError, InternalError] == [type(r) for r in run(APPLICATIONS[:2], Work(fail), 10)]

    def test_cancellation(self) -> None:
        """A cancelled batch is cancelled, and not answered."""

        def cancel(_: Sequence[Application]) -> None:
            raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            run(APPLICATIONS[:2], Work(cancel), 10)


class TestFairness:
    def turns(self, batch: Callable[[], Coroutine[Any, Any, Any]]) -> int:
        """How often another task gets its turn while a batch is answered."""

        async def both() -> int:
            turns, task = 0, asyncio.create_task(batch())
            while not task.done():
                await asyncio.sleep(0)
                turns += 1
            return turns

        return asyncio.run(both())

    def test_yields_between_chunks(self) -> None:
        """A lone request waits for one chunk of a big batch, and not for all of it."""

        async def at_once(applications: Sequence[Application]) -> list[Any]:
            return list(applications)

        few = self.turns(lambda: answer(APPLICATIONS[:50], at_once, 50))
        many = self.turns(lambda: answer(APPLICATIONS[:50], at_once, 5))
        assert few + 9 <= many

    def test_yields_between_bad_rows(self) -> None:
        """Chunks without an application yield as well."""
        items = [bad_row() for _ in range(50)]
        assert self.turns(lambda: answer(items, Work(), 5)) >= 10

    def test_interleaved(self) -> None:
        """Two batches at once are both answered in order."""

        async def two() -> list[list[Any]]:
            return await asyncio.gather(answer(APPLICATIONS[:30], Work(), 7), answer(APPLICATIONS[30:], Work(), 4))

        first, second = asyncio.run(two())
        assert [("answer to", application) for application in APPLICATIONS] == first + second


def test_problems_are_answers() -> None:
    """The problem of a whole request goes through a merged batch untouched."""
    problem: ProblemError = InvalidRequestError("501 rows")
    assert run([problem], Work(), 1) == [problem]
