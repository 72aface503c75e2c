"""An application that is made beside answering is there for whoever asks, and made once."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from serving.http import later
from serving.http.later import Later


class App:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    async def __call__(self, scope: Any, *_: Any) -> None:
        self.told.append(scope)

    def open(self) -> None:
        self.told.append(f"open in {asyncio.get_running_loop().is_running()}")

    def close(self) -> None:
        self.told.append("close")


class TestLater:
    def test_a_request_that_comes_sooner_waits_for_it(self) -> None:
        """It is made once, for all of them, opened on the event loop, and closed in the end."""
        made: list[App] = []

        async def ask() -> None:
            app = Later(lambda: made.append(App()) or made[0])  # type: ignore[func-returns-value]
            app.open()
            await asyncio.gather(*(app({"n": n}, None, None) for n in range(2)))  # type: ignore[arg-type]
            app.close()

        asyncio.run(ask())
        (app,) = made
        assert ["open in True", {"n": 0}, {"n": 1}, "close"] == app.told

    def test_it_is_made_though_nobody_asks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """So that the first who does need not wait."""
        monkeypatch.setattr(later, "AFTER_SECONDS", 0.0)
        opened = asyncio.Event()

        class Opens(App):
            def open(self) -> None:
                opened.set()

        async def start() -> None:
            app = Later(Opens)
            app.open()
            await asyncio.wait_for(opened.wait(), timeout=60)

        asyncio.run(start())

    def test_who_asks_is_told_when_it_can_not_be_made(self) -> None:
        """Each time, after it was tried again, and the end of the service is none the worse for it."""
        tried: list[int] = []

        def fail() -> App:
            tried.append(1)
            raise ValueError

        async def ask() -> None:
            app = Later(fail)
            for _ in range(2):
                with pytest.raises(ValueError, match=r"^$"):
                    await app({}, None, None)  # type: ignore[arg-type]
            app.close()

        asyncio.run(ask())
        assert 2 == len(tried)

    def test_it_is_tried_again(self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
        """What failed while nobody asked is in the log, once, and the next who asks is answered if it has passed."""
        monkeypatch.setattr(later, "AFTER_SECONDS", 0.0)
        failures = [OSError("too many open files")]

        def make() -> App:
            if failures:
                raise failures.pop()
            return App()

        async def start() -> None:
            app = Later(make)
            app.open()
            async with asyncio.timeout(60):
                while not caplog.records:  # noqa: ASYNC110  # the log sets no event
                    await asyncio.sleep(0.01)
            await app({}, None, None)  # type: ignore[arg-type]
            app.close()

        asyncio.run(start())
        (record,) = caplog.records
        assert "the desk can't be made; it is tried again when somebody asks for it" == record.getMessage()

    def test_what_is_made_while_the_service_stops_is_not_opened(self) -> None:
        """Nobody would close it."""
        made, closed = App(), threading.Event()

        def make() -> App:
            assert closed.wait(timeout=60)
            return made

        async def stop() -> None:
            app = Later(make)
            asked = asyncio.create_task(app({}, None, None))  # type: ignore[arg-type]
            await asyncio.sleep(0)
            app.close()
            closed.set()
            await asked

        asyncio.run(stop())
        assert [{}] == made.told

    def test_one_that_nobody_has_made_needs_no_closing(self) -> None:
        async def start() -> None:
            app = Later(App)
            app.open()
            app.close()

        asyncio.run(start())
