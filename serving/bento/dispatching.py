"""How BentoML's dispatchers batch here: a lone request waits for nobody, and who comes first begins the batch.

What they are given instead of their own: the optimizer, which would have a lone request wait for company long after a
burst; how often they look whether a batch is done; and the way in, with their queue, what wakes them, and how a batch
is begun. `tests/serving/test_framework.py` says when BentoML has changed there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from contextvars import copy_context
from functools import partial
from types import coroutine
from typing import Any

from bentoml._internal.marshal import dispatcher as bentoml_dispatcher
from bentoml._internal.marshal.dispatcher import Job, Optimizer

TURNS_WITH_COMPANY = 3
"""Turns of the event loop that the first of a batch leaves to others where the batch before held more than one: with
one of them 32 connections filled batches of 12, with two of 22, with three of 30."""


def make_eager(dispatcher: Any, *, in_threads: bool) -> None:
    """Have a dispatcher hold nobody back, nor keep what it has worked off.

    Args:
        dispatcher: not trained yet.
        in_threads: whether its batches are worked off elsewhere than on the event loop.
    """
    dispatcher.optimizer = EagerOptimizer(dispatcher.max_latency)
    dispatcher.outbound_call = _letting_go(dispatcher.outbound_call)
    if not in_threads:
        # While a batch is worked off, its dispatcher looks every millisecond whether that is done. On the event loop it
        # is done at the loop's next turn.
        dispatcher.TICKET_INTERVAL = 0.0


class EagerOptimizer(Optimizer):
    """Learns how long batches take, which the latency objective needs, but has no request wait for company.

    BentoML's own makes a lone request wait almost as long as requests had to wait lately, and forgets 5 % of that
    every few seconds: minutes after a burst each lone request would still take tens of milliseconds more. Requests
    that arrive while a batch is being scored are merged in either case.
    """

    @property  # type: ignore[override]  # theirs is inferred from its first value, the integer 0
    def wait(self) -> float:
        """Seconds that a request is held back for."""
        return 0.0

    @wait.setter
    def wait(self, _: float) -> None:
        """Learnt, and not used."""


def _letting_go(outbound_call: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """A dispatcher's work on a batch, after which its rows are not kept.

    The dispatcher remembers its last batch until the next one, and what is left of a burst keeps all the memory from
    being given back that it lies in. The results are let go of by whoever has asked for them.
    """

    async def work_off(jobs: Sequence[Job[Any, Any]], **options: Any) -> None:
        try:
            await outbound_call(jobs, **options)
        finally:
            for job in jobs:
                job.data = None

    return work_off


def _begin(work: Coroutine[Any, Any, None]) -> None:
    """Take the first step of some work at once; what it isn't done with by then goes on in a task of its own.

    Whoever begins it may be cancelled, and its context is its own. The first step runs in the beginner's task: the work
    holds no scope that minds its task (`asyncio.timeout`, a task group, anyio's) beyond the first thing it waits for.
    """
    context = copy_context()
    try:
        awaited = context.run(work.send, None)
    except StopIteration:
        return
    asyncio.get_running_loop().create_task(_go_on(work, awaited), context=context)


async def _go_on(work: Coroutine[Any, Any, None], awaited: Any) -> None:
    """The rest of some work, which waits for something; a coroutine proper, or Python 3.12 makes no task of it."""
    await _rest(work, awaited)


@coroutine
def _rest(work: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
    while True:
        try:
            yield awaited
        except BaseException as exc:  # noqa: BLE001  # it is the work's to deal with, a cancellation too
            step = partial(work.throw, exc)
        else:
            step = partial(work.send, None)
        try:
            awaited = step()
        except StopIteration:
            return


def open_way_in(dispatcher: Any) -> None:
    """Give a trained dispatcher another way in, by which only the first of those that wait does anything about it.

    That one first lets the event loop take a turn, or some more where the batch before held others: as soon as that is
    answered its clients ask again, and what is read in one turn waits here only in the next. Then it works them all
    off, sooner than the dispatcher would be awake.

    It does wake the dispatcher, which sleeps while nobody waits, for what comes while a batch is worked off, waits for
    too long, or is too much; and if its time is over in that very turn: nobody else would ever, since its job stays in
    the queue.
    """
    had_company = False

    def is_due() -> bool:
        waiting = len(queue)
        if not waiting or dispatcher._sema.is_locked():  # noqa: SLF001  # as the controller that this is in place of
            return False
        learnt = dispatcher.optimizer
        latency = time() - queue[0].enqueue_time + learnt.o_a * waiting + learnt.o_b
        return waiting == 1 or latency < dispatcher.max_latency

    async def inbound_call(data: Any) -> Any:
        nonlocal had_company
        future = asyncio.get_running_loop().create_future()
        queue.append(Job(time(), data, future))
        if len(queue) == 1:
            try:
                for _ in range(TURNS_WITH_COMPANY if had_company else 1):
                    await asyncio.sleep(0)
                if is_due():
                    dispatcher._sema.acquire()  # noqa: SLF001  # the same
                    jobs = tuple(dispatcher._get_inputs())  # noqa: SLF001  # the same
                    had_company = len(jobs) > 1
                    _begin(dispatcher.outbound_call(jobs))
            finally:  # also where the request is given up meanwhile: those behind it wake nobody
                if queue:
                    async with woken:
                        woken.notify_all()
        return await future

    queue, woken = dispatcher._queue, dispatcher._wake_event  # noqa: SLF001  # the same
    time: Callable[[], float] = vars(bentoml_dispatcher)["time"].time  # their own clock: see serving.bento.clock
    dispatcher.inbound_call = inbound_call
