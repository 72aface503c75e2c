"""A file that comes in piece by piece, each small enough for every limit on the way: proxies', the service's own."""

from __future__ import annotations

import fcntl
import os
from dataclasses import replace
from pathlib import Path

from anyio import to_thread

from desk.jobs.job import INPUT, Job, State
from desk.jobs.jobs import Jobs
from desk.visit import UnfitFormError, Visit

PIECE_BYTES = 262_144
OFFSET = "x-desk-offset"
"""The header that says where a piece begins."""

LONGEST_NAME = 200


def name_of(stated: str) -> str:
    """What a person calls a file, fit to be shown."""
    bare = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in stated.strip())
    return bare[:LONGEST_NAME] or "file"


def size_of(stated: str, most: int) -> int:
    """How large a file will be.

    Raises:
        UnfitFormError: larger than may be, or nothing.
    """
    size = int(stated) if stated.isdecimal() and len(stated) < 16 else 0
    if size > most:
        told = f"{size / 2**20:,.0f} MiB" if size >= 2**20 else f"{size:,} bytes"
        raise UnfitFormError(
            f"the file has {told} and may have {most / 2**20:,.6g} MiB; score it by `python -m portfolio`, or part it",
            413,
        )
    if size < 1:
        raise UnfitFormError("the file is empty; choose one with rows", 422)
    return size


async def take(visit: Visit, jobs: Jobs, job: Job) -> Job:
    """The next piece of a job's file.

    Returns:
        the job, still `ARRIVING`, or `WAITING` once the file is complete.

    Raises:
        UnfitFormError: it is not the next piece, or too large.
    """
    if job.state is not State.ARRIVING:
        raise UnfitFormError("the file has come in already", 409)
    stated = visit.request.headers.get(OFFSET, "")
    piece = bytearray()
    async for chunk in visit.request.stream():
        piece += chunk
        if len(piece) > PIECE_BYTES:
            raise UnfitFormError("the piece is too large", 413)
    there = await to_thread.run_sync(_append, jobs.folder(job) / INPUT, stated, bytes(piece), job.size)
    if there is None:
        raise UnfitFormError("this is not the file's next piece; send the file anew", 409)
    if there < job.size:
        return job
    complete = replace(job, state=State.WAITING)
    jobs.keep(complete)
    return complete


def _append(path: Path, stated: str, piece: bytes, most: int) -> int | None:
    """The file's size with one more piece; None where that isn't the next one.

    The same piece may come twice at once, to two workers.
    """
    try:
        file = path.open("ab")
    except FileNotFoundError:  # the job was removed while the piece came in
        return None
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        there = os.fstat(file.fileno()).st_size
        if stated != str(there) or not piece or there + len(piece) > most:
            return None
        file.write(piece)
    return there + len(piece)
