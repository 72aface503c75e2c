"""A store that fails when it is told to."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from records.chain import Entry
from records.errors import StoreUnavailableError
from records.idempotency.answer import NewAnswer
from records.stores.sqlite.store import SQLiteFolder
from tests.servers import HANG_SECONDS


class Failing(SQLiteFolder):
    """A store that fails where it is told to: before a commit, or behind it.

    Attributes:
        plan: what each coming call of `append` does.
        hold: while it is not set, `append` waits.
    """

    def __init__(self, folder: Path, plan: Sequence[str] = ()) -> None:
        super().__init__(folder)
        self.plan = iter(plan)
        self.hold = threading.Event()
        self.hold.set()
        self.entered = threading.Semaphore(0)

    def append(self, entries: Sequence[Entry], answers: Sequence[NewAnswer] = ()) -> None:
        self.entered.release()
        assert self.hold.wait(HANG_SECONDS)
        step = next(self.plan, "well")
        if step == "before":
            raise StoreUnavailableError("failed before it was written")
        super().append(entries, answers)
        if step == "behind":
            self.close()
            raise StoreUnavailableError("failed when it was written")
