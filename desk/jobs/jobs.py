"""All jobs, in a folder that only this service's own user can read, and that all its workers share."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from desk.jobs.job import INPUT, PARTS, Job, State

KEPT_SECONDS = 3600
"""From its last change, until a job and all its files are removed."""

LOST_SECONDS = 60
"""Without a sign of life, after which whoever worked on a job is given up."""

BEAT_SECONDS = 5.0

MOST_OF_ONE, MOST_OF_ALL = 5, 40
"""Jobs that are kept at a time; who has more removes one first."""

SWEEP_SECONDS = 60.0
"""Between two looks for what is past its time."""

AT_ONCE = 2
"""That a worker does; others wait."""

_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_JOB, _ALIVE, _CANCEL, _BEGUN, _WORKER = "job.json", "alive", "cancel", "begun.", "worker."
_LOST = "the worker that did this has ended before its time; what is decided so far is kept, begin anew with the rest"


Work = Callable[[Job], Coroutine[Any, Any, Job]]
Failed = Callable[[Exception], object]


class TooManyJobsError(Exception):
    """There is no room for another; the message says what to do."""


class CancelledJobError(Exception):
    """A person doesn't want it any more."""


class Jobs:
    """Keeps jobs, and does those of this worker.

    Args:
        root: the folder; None for one below the system's temporary folder, which all workers of one parent share.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._given = root
        self._root: Path | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._sweeping: asyncio.Task[None] | None = None
        self._room: asyncio.Semaphore | None = None

    def open(self) -> None:
        """A worker has started: what no service's jobs are any more is removed, now and from now on."""
        with contextlib.suppress(OSError):  # whoever begins a job is told
            (self.root / f"{_WORKER}{os.getpid()}").touch()
        self._sweeping = asyncio.get_running_loop().create_task(self._sweep_on())

    def new(self, kind: str, owner: str, name: str = "", **facts: Any) -> Job:
        """One more job.

        Raises:
            TooManyJobsError: there is no room for it.
        """
        self.sweep()
        jobs = self._all()
        if sum(job.owner == owner for job in jobs) >= MOST_OF_ONE:
            raise TooManyJobsError(f"you have {MOST_OF_ONE} jobs, here and on other pages; remove one, then try again")
        if len(jobs) >= MOST_OF_ALL:
            raise TooManyJobsError("others have too many jobs at present; try again later")
        job = Job(secrets.token_urlsafe(16), kind, owner, time.time(), name, facts=facts)
        (self.root / job.id).mkdir(mode=0o700)
        self.keep(job)
        return job

    def find(self, kind: str, owner: str, identifier: str) -> Job | None:
        """A job of somebody's; None where they have none such."""
        job = self._read(identifier) if _ID.fullmatch(identifier) else None
        return job if job is not None and (job.kind, job.owner) == (kind, owner) else None

    def of(self, kind: str, owner: str) -> list[Job]:
        """All of somebody's, the youngest first."""
        mine = [job for job in self._all() if (job.kind, job.owner) == (kind, owner)]
        return sorted(mine, key=lambda job: -job.made)

    def keep(self, job: Job) -> None:
        """As it is now."""
        folder = self.folder(job)
        new = folder / f".{_JOB}.{secrets.token_hex(4)}"
        new.write_bytes(job.encoded())
        new.replace(folder / _JOB)

    def folder(self, job: Job) -> Path:
        """Where its files are."""
        return self.root / job.id

    def cancel(self, job: Job) -> None:
        """Ask whoever works on it to stop."""
        if job.active:
            (self.folder(job) / _CANCEL).touch()
        else:
            self.remove(job)

    def check(self, job: Job) -> None:
        """Between two steps.

        Raises:
            CancelledJobError: it is to stop.
        """
        if (self.folder(job) / _CANCEL).exists() or not self.folder(job).exists():
            raise CancelledJobError

    def remove(self, job: Job) -> None:
        """With all its files."""
        shutil.rmtree(self.folder(job), ignore_errors=True)

    def begin(self, job: Job, work: Work, failed: Failed) -> bool:
        """Have this worker do a job; False where another one has begun the same already.

        Args:
            job: in the state that it is in meanwhile.
            work: does it, and returns what it is then; it keeps what it has done so far itself.
            failed: is called where it raises anything else than `CancelledJobError`, while that is handled.
        """
        try:
            (self.folder(job) / f"{_BEGUN}{job.state}").touch(exist_ok=False)
        except FileExistsError:
            return False
        self.keep(job)
        (self.folder(job) / _ALIVE).touch()
        task = asyncio.create_task(self._done(job, work, failed))
        self._tasks[job.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(job.id, None))
        return True

    def close(self) -> None:
        """The worker stops: nothing of what people have sent is left by the last one; one alone leaves the others'."""
        if self._sweeping is not None:
            with contextlib.suppress(RuntimeError):  # as below
                self._sweeping.cancel()
        for task in list(self._tasks.values()):
            with contextlib.suppress(RuntimeError):  # its event loop is closed, and it with it
                task.cancel()
        if self._root is None:
            return
        (self._root / f"{_WORKER}{os.getpid()}").unlink(missing_ok=True)
        if not any(_runs(int(other.name.removeprefix(_WORKER))) for other in self._root.glob(f"{_WORKER}*")):
            shutil.rmtree(self._root, ignore_errors=True)

    def sweep(self) -> None:
        """Remove what is past its time."""
        old = time.time() - KEPT_SECONDS
        for folder in self._folders():
            job = self._read(folder.name)
            if _changed(folder / _JOB if job is not None else folder) < old and not (job is not None and job.active):
                shutil.rmtree(folder, ignore_errors=True)

    @property
    def root(self) -> Path:
        """The folder, made when the first job asks for it."""
        if self._root is None:
            self._root = self._given or _shared()
        self._root.mkdir(mode=0o700, exist_ok=True)
        _check_own(self._root)
        return self._root

    async def _done(self, job: Job, work: Work, failed: Failed) -> None:
        if self._room is None:
            self._room = asyncio.Semaphore(AT_ONCE)
        beating = asyncio.create_task(self._beat(job))
        try:
            async with self._room:
                self.check(job)
                end = await work(job)
        except CancelledJobError:
            end = replace(self._read(job.id) or job, state=State.CANCELLED)
        except Exception as exc:  # noqa: BLE001  # a person is owed an end, and the log has why
            failed(exc)
            end = replace(self._read(job.id) or job, state=State.FAILED, problems=("the service failed; report it",))
        finally:
            beating.cancel()
        if end.ended:  # what was sent has done its work, and is somebody's data
            (self.folder(job) / INPUT).unlink(missing_ok=True)
            shutil.rmtree(self.folder(job) / PARTS, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):  # removed meanwhile
            (self.folder(job) / _CANCEL).unlink(missing_ok=True)
            self.keep(end)

    async def _beat(self, job: Job) -> None:
        while True:
            with contextlib.suppress(OSError):
                os.utime(self.folder(job) / _ALIVE)
            await asyncio.sleep(BEAT_SECONDS)

    def _all(self) -> list[Job]:
        found = [self._read(folder.name) for folder in self._folders()]
        return [job for job in found if job is not None]

    def _folders(self) -> list[Path]:
        return [each for each in self.root.iterdir() if not each.name.startswith(_WORKER)]

    async def _sweep_on(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self.sweep)
            await asyncio.sleep(SWEEP_SECONDS)

    def _read(self, identifier: str) -> Job | None:
        folder = self.root / identifier
        try:
            job = Job.of((folder / _JOB).read_bytes())
        except (OSError, ValueError, TypeError, KeyError):
            return None
        if job.active and _changed(folder / _ALIVE) < time.time() - LOST_SECONDS:
            return replace(job, state=State.FAILED, problems=(_LOST,))
        return job


def _shared() -> Path:
    """The folder of this worker's siblings; those of parents that are gone are removed."""
    temporary, prefix = Path(tempfile.gettempdir()), f"credit-risk-desk-{os.getuid()}-"
    for other in temporary.glob(f"{prefix}*"):
        parent = other.name.removeprefix(prefix)
        if parent.isdecimal() and not _runs(int(parent)):
            shutil.rmtree(other, ignore_errors=True)
    return temporary / f"{prefix}{os.getppid()}"


def _check_own(folder: Path) -> None:
    found = folder.lstat()
    if not folder.is_dir() or folder.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder}: isn't this user's alone; remove it, or set TMPDIR to another folder")


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
