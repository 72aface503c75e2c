"""The applications of a file decided and put on record, a request's worth at a time, as a program would send them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from anyio import to_thread
from pydantic_core import from_json
from starlette.types import Scope

from desk.host import Host, Told
from desk.jobs.children import told_by
from desk.jobs.job import INPUT, PARTS, Job, State
from desk.jobs.jobs import Jobs
from desk.jobs.results import Error, Results
from preprocessing.contract import CONTRACT_FILE

CONTRACT, MISFITS = "contract.json", "misfits.json"
PROGRAM = "desk.programs.reading"

SPARE_BYTES = 1024
"""Of a request's body."""

MOST_SHOWN = 200
"""Errors on the page; all are in the file."""

BUSY = frozenset({409, 429, 503, 504})
"""Others come first, or whether it was decided is not known: sent again, it is not decided twice."""

MOST_TRIES = 60
MOST_WAIT = 10.0
"""Seconds between two of them."""


class RefusedPartError(Exception):
    """The service doesn't decide a part; the message is what it says."""


async def read(host: Host, jobs: Jobs, job: Job) -> Job:
    """Have a file read, and its columns matched with the contract; nothing is decided yet."""
    folder = jobs.folder(job)
    (folder / CONTRACT).write_bytes(host.contents()[CONTRACT_FILE])
    limits = (str(host.most_rows), str(host.most_bytes - SPARE_BYTES))
    facts: dict[str, Any] = {}
    async for told in told_by(PROGRAM, jobs, job, *limits):
        if "problems" in told:
            (folder / INPUT).unlink()
            return replace(job, state=State.FAILED, problems=tuple(told["problems"]), facts=facts)
        if "read" in told:
            job = replace(job, done=job.done + told["read"])
        else:
            facts |= told
        jobs.keep(job)
    (folder / INPUT).unlink()  # its parts say the same
    return replace(job, state=State.WAITING, total=facts["total"], done=0, facts=facts)


@dataclass(slots=True)
class _Tally:
    """What has become of the rows so far."""

    done: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    shown: list[Error] = field(default_factory=list)
    bad: int = 0

    def add(self, rows: int, errors: Sequence[Error]) -> None:
        self.done += rows
        self.bad += len({error.row for error in errors})
        self.errors.update(error.field for error in errors)
        self.shown += errors[: MOST_SHOWN - len(self.shown)]

    def facts(self) -> dict[str, Any]:
        return {
            "outcomes": dict(self.outcomes),
            "errors": self.errors.most_common(),
            "shown": [each._asdict() for each in sorted(self.shown)],
        }


async def decide(host: Host, request: Scope, jobs: Jobs, job: Job) -> Job:
    """Decide a file that has been read.

    Args:
        host: decides.
        request: of the person who asked for it, on whose behalf it is done.
        jobs: has the job.
        job: in the state `RUNNING`.
    """
    folder, tally = jobs.folder(job), _Tally()
    results = await to_thread.run_sync(Results, folder)
    told = json.loads(await to_thread.run_sync((folder / MISFITS).read_bytes))
    misfits = [Error(row, name or "", _MISFITS.get(kind, kind)) for row, name, kind in told]
    tally.add(len(misfits), misfits)
    await to_thread.run_sync(partial(results.add, [], misfits))
    problems: tuple[str, ...] = ()
    try:
        async for rows, answers in _answered(host, request, jobs, job):
            errors = [
                Error(row, str(error["loc"][-1]), error["msg"])
                for row, answer in zip(rows, answers, strict=True)
                for error in answer.get("errors", ())
            ]
            decided = [(row, answer) for row, answer in zip(rows, answers, strict=True) if "errors" not in answer]
            tally.outcomes.update(answer["decision"] for _, answer in decided)
            tally.add(len(rows), errors)
            await to_thread.run_sync(results.add, decided, errors)
            job = replace(job, done=tally.done, bad=tally.bad, facts={**job.facts, **tally.facts()})
            jobs.keep(job)
    except RefusedPartError as exc:
        problems = (f"{exc}; the rows that were decided before are in the results",)
    job = replace(job, done=tally.done, bad=tally.bad, facts={**job.facts, **tally.facts()})
    return replace(job, state=State.FAILED if problems else State.DONE, problems=problems)


async def _answered(
    host: Host, request: Scope, jobs: Jobs, job: Job
) -> AsyncIterator[tuple[list[int], list[Mapping[str, Any]]]]:
    """Row numbers and answers of each part."""
    for part in range(job.facts["parts"]):
        path = jobs.folder(job) / PARTS / str(part)
        rows, _, document = (await to_thread.run_sync(path.read_bytes)).partition(b"\n")
        key = f"{job.id}.{part}" if host.kept else None
        told = await _decided(host, request, jobs, job, document, key)
        yield json.loads(rows), from_json(told.content)["results"]
        path.unlink()


async def _decided(  # noqa: PLR0913, PLR0917  # whom to ask, what, and who asks
    host: Host, request: Scope, jobs: Jobs, job: Job, document: bytes, key: str | None
) -> Told:
    for tried in range(1, MOST_TRIES + 1):
        jobs.check(job)
        told = await host.file_many(request, document, key)
        if told.status == 200:
            return told
        if told.status not in BUSY or (told.status == 504 and key is None):
            break
        await asyncio.sleep(min(float(told.headers.get("retry-after", 1)) * tried, MOST_WAIT))
    raise RefusedPartError(f"the service says {told.status}: {from_json(told.content)['detail']}")


_MISFITS = {
    "cells": "the row has more or fewer cells than the file has columns",
    "string_unicode": "the cell is no text of the file's encoding",
}
