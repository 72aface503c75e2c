"""What is on record, for the routes that ask for it: in a thread of its own, with a connection of its own.

Scoring goes on meanwhile. One request at a time: who asks for much waits, and takes no more than one thread's share.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import anyio.to_thread
from anyio import CapacityLimiter

from engine import Engine
from records.errors import KeyRingError
from serving.settings import Settings

if TYPE_CHECKING:
    from records.keyring import KeyRing
    from records.replaying.replay import Replayer
    from records.stores.ledger import Ledger

T = TypeVar("T")


class Opened(NamedTuple):
    """A store that is open.

    Attributes:
        ledger: the store.
        ring: its keys.
        replayer: makes its decisions again.
    """

    ledger: Ledger
    ring: KeyRing
    replayer: Replayer


class Lookup:
    """Opens the store when it is first asked for something.

    Args:
        settings: which store, and which keys.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: dict[bytes, Engine] = {}
        self._opened: Opened | None = None
        self._limit: CapacityLimiter | None = None
        self._using = threading.Lock()

    @property
    def kept(self) -> bool:
        """Whether there are records at all."""
        return self._settings.records is not None

    def serve(self, basis: bytes | None, engine: Engine) -> None:
        """What decides now, and by which its decisions are made again.

        Args:
            basis: digest of what is decided by; None where nothing is recorded.
            engine: decides.
        """
        if basis is not None:
            self._known[basis] = engine

    async def ask(self, work: Callable[[Opened], T]) -> T:
        """What `work` finds, off the event loop.

        Raises:
            RecordsError: as `work` does, or the store or its keys can't be used.
        """
        if self._limit is None:  # which belongs to an event loop
            self._limit = CapacityLimiter(1)
        return await anyio.to_thread.run_sync(self._done, work, limiter=self._limit)

    def close(self) -> None:
        """Let go of the store."""
        with self._using:
            self._let_go()

    def _done(self, work: Callable[[Opened], T]) -> T:
        with self._using:
            try:
                return work(self._open())
            except KeyRingError:
                self._let_go()  # another worker may have begun to seal by a key that came after this one's start
                return work(self._open())

    def _let_go(self) -> None:
        if self._opened is not None:
            self._opened.ledger.close()
            self._opened = None

    def _open(self) -> Opened:
        if self._opened is None:
            # They bring cryptography and a database's client, which a service without records does without.
            from records.keyring import read_keyring  # noqa: PLC0415
            from records.replaying.replay import Replayer  # noqa: PLC0415
            from records.stores.opening import open_ledger  # noqa: PLC0415

            assert self._settings.records is not None
            assert self._settings.records_key_file is not None
            ring = read_keyring(self._settings.records_key_file)
            ledger = open_ledger(self._settings.records, self._settings.records_seconds)
            self._opened = Opened(ledger, ring, Replayer(ledger, self._known))
        return self._opened
