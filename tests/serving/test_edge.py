"""The edge around an application that misbehaves in ways that no real one can be brought to."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from typing import Any, ClassVar

import pytest
from prometheus_client import CollectorRegistry
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.access.access import Access
from serving.bento.lifecycle import Draining
from serving.http.edge import Edge
from serving.settings import Settings
from serving.telemetry.logs import JSONFormatter
from serving.telemetry.telemetry import Telemetry
from serving.telemetry.tracing import Tracing


def call(
    app: ASGIApp,
    path: str = "/health",
    kind: str = "http",
    method: str = "GET",
    settings: Settings = Settings(),  # noqa: B008  # frozen
    **sent_headers: str,
) -> list[Message]:
    """The messages that the edge sends for one request."""
    sent: list[Message] = []
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in sent_headers.items()]
    scope: Scope = {"type": kind, "method": method, "path": path, "headers": [(b"x-request-id", b"edge-1"), *given]}

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    telemetry = Telemetry(CollectorRegistry())
    asyncio.run(Edge(app, {}, settings, telemetry, Access(settings, telemetry))(scope, receive, send))
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
        line = JSONFormatter(Tracing()).format(record)
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

    @pytest.mark.parametrize("status", [200, 404, 500])
    def test_no_answer_is_taken_for_a_page(self, status: int) -> None:
        """Nor for another kind of file than it says."""
        start, _ = call(PlainTextResponse("", status_code=status))

        assert "nosniff" == headers(start)["x-content-type-options"]
        assert headers(start)["content-security-policy"].startswith("default-src 'none'; ")

    def test_own_content_security_policy_is_kept(self) -> None:
        """A page says itself what it loads."""
        start, _ = call(PlainTextResponse("", headers={"Content-Security-Policy": "default-src 'self'"}))

        assert [b"default-src 'self'"] == [v for n, v in start["headers"] if n == b"content-security-policy"]

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


DESK = "https://desk.example"
OPEN = Settings(cors_origins=(DESK, "http://localhost:8080"))


def cross_origin(message: Message) -> dict[str, str]:
    """The headers of a response that are about origins."""
    return {name: value for name, value in headers(message).items() if name.startswith(("access-", "vary"))}


class TestCrossOrigin:
    exposed: ClassVar = {
        "vary": "Origin",
        "access-control-allow-origin": DESK,
        "access-control-expose-headers": "X-Request-ID, X-Trace-ID, Retry-After, Allow, Idempotency-Replayed",
    }

    @pytest.mark.parametrize(
        ("path", "method", "status"),
        [("/health", "GET", 200), ("/nowhere", "GET", 404), ("/predict", "GET", 405), ("/version", "GET", 503)],
    )
    def test_answers_and_errors(self, path: str, method: str, status: int) -> None:
        """An allowed page may read every answer, errors among them, and the headers that it needs."""
        start, _ = call(
            PlainTextResponse("", status_code=200 if path == "/health" else status),
            path,
            method=method,
            settings=OPEN,
            origin=DESK,
        )

        assert status == start["status"]
        assert self.exposed == cross_origin(start)

    def test_exceptions(self) -> None:
        """As long as there is an answer, it has them."""

        async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
            raise RuntimeError

        start, _ = call(app, settings=OPEN, origin=DESK)

        assert (500, self.exposed) == (start["status"], cross_origin(start))

    @pytest.mark.parametrize(
        "origin",
        [
            None,
            "null",
            "https://other.example",
            "https://desk.example.evil.example",
            "HTTPS://desk.example",
            DESK + "/",
        ],
    )
    @pytest.mark.parametrize("method", ["GET", "OPTIONS"])
    def test_any_other_origin(self, origin: str | None, method: str) -> None:
        """Whoever isn't listed is told nothing, but a cache that the answer depends on who asks."""
        asked = {} if origin is None else {"origin": origin}

        start, *_ = call(
            PlainTextResponse(""), method=method, settings=OPEN, **asked, access_control_request_method="GET"
        )

        assert {"vary": "Origin"} == cross_origin(start)

    def test_preflight(self) -> None:
        """A browser's question is answered here: the route's methods, and the headers that a page may send."""
        never = PlainTextResponse("sentinel", status_code=500)

        start, *_ = call(
            never, "/predict", method="OPTIONS", settings=OPEN, origin=DESK, access_control_request_method="POST"
        )

        assert (204, "POST, OPTIONS") == (start["status"], headers(start)["allow"])
        assert self.exposed | {
            "access-control-allow-methods": "POST",
            "access-control-allow-headers": (
                "Authorization, Content-Type, Idempotency-Key, X-Request-ID, traceparent, tracestate"
            ),
            "access-control-max-age": "600",
        } == cross_origin(start)

    def test_options_without_a_question(self) -> None:
        """OPTIONS of an allowed page that is no preflight says no more than any answer."""
        start, *_ = call(PlainTextResponse(""), method="OPTIONS", settings=OPEN, origin=DESK)

        assert self.exposed == cross_origin(start)

    def test_nothing_without_the_setting(self) -> None:
        """Without allowed origins no header is added, not even Vary."""
        start, *_ = call(PlainTextResponse(""), origin=DESK)

        assert {} == cross_origin(start)


class TestRootPath:
    @pytest.mark.parametrize(
        ("path", "seen"),
        [
            ("/credit-risk/health", "/health"),
            ("/health", "/health"),
            ("/credit-risk/", "/"),
            ("/credit-risk", None),
            ("/credit-riskier/health", None),
            ("/credit-risk/credit-risk/health", None),
            ("/credit-risk/nowhere", None),
        ],
    )
    def test_paths(self, path: str, seen: str | None) -> None:
        """Every route is there with the prefix and without it, probes need none; nothing else is."""
        paths: list[str] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            paths.append(scope["path"])
            await PlainTextResponse("")(scope, receive, send)

        start, _ = call(app, path, settings=Settings(root_path="/credit-risk"))

        assert ([seen], 200) == (paths, start["status"]) if seen else ([], 404) == (paths, start["status"])

    def test_a_prefix_that_begins_like_a_route(self) -> None:
        """A route is a route first."""
        start, _ = call(PlainTextResponse(""), "/predict/batch", settings=Settings(root_path="/predict"))

        assert (405, "POST, OPTIONS") == (start["status"], headers(start)["allow"])


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
