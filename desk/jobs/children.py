"""A program in a process of its own: a file that somebody has sent is opened there, and what it takes is limited."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from desk.host import Host
from desk.jobs.job import Job
from desk.jobs.jobs import Jobs

ROOT = Path(__file__).resolve().parents[2]

_NOT_ITS_BUSINESS = ("CREDIT_RISK_", "BENTOML_", "PROMETHEUS_")
"""Settings of the service: secrets stand in some."""

LOOK_SECONDS = 0.5
MOST_LINE = 1 << 20
MOST_SAID = 2000


class ChildError(Exception):
    """The program has ended before its work; what it wrote to standard error is the message."""


def told_fault(host: Host, what: str, fault: Exception) -> None:
    """Have the service log why a job has failed, while that is handled; its own message quotes nothing of a file."""
    host.failed(f"{what}: {fault}" if isinstance(fault, ChildError) else what)


async def told_by(
    module: str, jobs: Jobs, job: Job, *arguments: str, needs: Collection[str] = ()
) -> AsyncIterator[dict[str, Any]]:
    """What a program tells, a document a line.

    Args:
        module: of the desk, whose `main` takes the job's folder and the arguments.
        jobs: has the job.
        job: whose work it is.
        arguments: besides.
        needs: settings of the service that are its business.

    Raises:
        ChildError: it has failed.
        CancelledJobError: the job is to stop.
    """
    environment = {
        name: value for name, value in os.environ.items() if name in needs or not name.startswith(_NOT_ITS_BUSINESS)
    }
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, str(jobs.folder(job)), *arguments,
        cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, limit=MOST_LINE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    errors = asyncio.create_task(process.stderr.read())
    reading = asyncio.create_task(process.stdout.readline())
    try:
        while True:
            await asyncio.wait({reading}, timeout=LOOK_SECONDS)
            jobs.check(job)
            if not reading.done():
                continue
            if not (line := reading.result()):
                break
            yield from_json(line)
            reading = asyncio.create_task(process.stdout.readline())
        if await process.wait() != 0:
            said = (await errors).decode(errors="replace")
            raise ChildError(f"{module} ended with {process.returncode}: {said[-MOST_SAID:]}")
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        errors.cancel()
        reading.cancel()
