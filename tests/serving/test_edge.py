"""The edge around an application that misbehaves in ways that no real one can be brought to."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.edge import Edge
from serving.lifecycle import Draining
from serving.logs import JSONFormatter


def call(app: ASGIApp, path: str = "/health", kind: str = "http") -> list[Message]:
    """The messages that the edge sends for one GET."""
    sent: list[Message] = []
    scope: Scope = {"type": kind, "method": "GET", "path": path, "headers": [(b"x-request-id", b"edge-1")]}

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(Edge(app)(scope, receive, send))
    return sent


def headers(message: Message) -> dict[str, str]:
    """The headers of a response's first message."""
    return {name.decode().lower(): value.decode() for name, value in message["headers"]}


class TestExceptions:
    def test_before_the_response(self, caplog: pytest.LogCaptureFixture) -> None:
        """An exception that nobody caught is a 500 problem; the log tells its type and place, never its message."""

        async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
            raise RuntimeError("sentinel")

        start, body = call(app)

        (record,) = (record for record in caplog.records if record.levelno == logging.ERROR)
        line = JSONFormatter().format(record)
        assert 500 == start["status"]
        assert "application/problem+json" == headers(start)["content-type"]
        assert "edge-1" == headers(start)["x-request-id"] == json.loads(body["body"])["request_id"]
        assert "RuntimeError" == json.loads(line)["exception"]["type"]
        assert "sentinel" not in line

    def test_after_the_beginning(self) -> None:
        """Once a response has begun, nothing is added to it: the server sees it unfinished and cuts the connection."""

        async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            raise RuntimeError

        assert ["http.response.start"] == [message["type"] for message in call(app)]


class TestResponses:
    def test_one_response_only(self) -> None:
        """A handler that answers once more, after a timeout was answered for it, isn't heard."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.start", "status": 201, "headers": []})
            await send({"type": "http.response.body", "body": b"first"})
            await PlainTextResponse("second", status_code=500)(scope, receive, send)

        assert [
            ("http.response.start", 200, None),
            ("http.response.body", None, b"first"),
        ] == [(message["type"], message.get("status"), message.get("body")) for message in call(app)]

    @pytest.mark.parametrize(
        ("status", "kind"),
        [(400, "malformed-json"), (404, "not-found"), (429, "too-many-requests"), (502, "internal-error")],
    )
    def test_foreign_errors_become_problems(self, status: int, kind: str) -> None:
        """An error that the framework worded becomes a problem document, and its words are gone."""
        start, body = call(PlainTextResponse("sentinel", status_code=status))

        document = json.loads(body["body"])
        assert f"urn:problem:credit-risk-api:{kind}" == document["type"]
        assert start["status"] == document["status"]
        assert b"sentinel" not in body["body"]

    def test_own_cache_control_is_kept(self) -> None:
        """An answer that says how it may be stored is believed."""
        start, _ = call(PlainTextResponse("", headers={"Cache-Control": "max-age=60"}))

        assert "max-age=60" == headers(start)["cache-control"]

    def test_lifespan_is_passed_on(self) -> None:
        """The server's own messages go straight to the application."""
        seen: list[str] = []

        async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
            seen.append(scope["type"])

        assert [] == call(app, kind="lifespan")
        assert ["lifespan"] == seen


class TestDraining:
    def test_without_a_server(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where no server handles SIGTERM, the process ends as it would have."""
        installed: dict[int, Any] = {}
        monkeypatch.setattr(signal, "signal", installed.__setitem__)
        monkeypatch.setattr(signal, "getsignal", lambda _: signal.SIG_DFL)
        draining = Draining(0)

        async def receive_sigterm() -> None:
            draining.install()
            installed[signal.SIGTERM](signal.SIGTERM, None)
            await asyncio.sleep(0.1)

        with pytest.raises(SystemExit) as ended:
            asyncio.run(receive_sigterm())

        assert 0 == ended.value.code
        assert draining.active
