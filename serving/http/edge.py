"""The outermost layer: request ids, unknown routes, OPTIONS, one form for every error, one log line for every request.

BentoML answers some errors from middlewares that no service code sees (timeout, concurrency limit, its own routing).
Here, outside all of them, each gets the form that the contract promises.
"""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Iterable, Mapping
from time import perf_counter

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.cors import CrossOrigin, Headers
from serving.http.problems import (
    MEDIA_TYPE,
    InternalError,
    MethodNotAllowedError,
    NotFoundError,
    NotReadyError,
    ProblemError,
    problem_for_status,
)
from serving.settings import Settings
from serving.telemetry import metrics, tally
from serving.telemetry.exchange import Exchange, current_exchange
from serving.telemetry.logs import request_log, service_log
from serving.telemetry.tracing import tracing

_POST = ("POST",)
_GET = ("GET", "HEAD")

ROUTES: dict[str, tuple[str, ...]] = {
    "/predict": _POST,
    "/predict/batch": _POST,
    "/predict/explain": _POST,
    "/": _GET,
    "/health": _GET,
    "/version": _GET,
    "/docs": _GET,
    "/docs.json": _GET,
    "/schema.json": _GET,
    "/metrics": _GET,
    "/livez": _GET,
    "/readyz": _GET,
    "/healthz": _GET,
    "/static_content/swagger-ui.css": _GET,
    "/static_content/swagger-ui-bundle.js": _GET,
    "/static_content/favicon-light-32x32.png": _GET,
}
"""Every route there is, and its methods besides OPTIONS. Anything else ends here, before it can become a label of a
metric."""

_QUIET_ROUTES = frozenset({"/health", "/livez", "/readyz", "/healthz", "/metrics"})
"""Polled by machines every few seconds: logged at DEBUG where all is well."""

NOTHING_DIRECT: Mapping[str, ASGIApp] = {}

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class Edge:
    """ASGI application around BentoML's.

    Args:
        app: BentoML's.
        direct: the routes that are answered past it.
        settings: whose pages may read the answers, and what a proxy leaves in front of the paths.
    """

    def __init__(
        self, app: ASGIApp, direct: Mapping[str, ASGIApp] = NOTHING_DIRECT, settings: Settings | None = None
    ) -> None:
        self.app = app
        self.direct = direct
        settings = settings or Settings()
        self.cross_origin = CrossOrigin(settings.cors_origins or ())
        self.root_path = settings.root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve HTTP, and pass the server's lifespan on; the server offers nothing else."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        methods = ROUTES.get(path)
        if methods is None and self.root_path is not None and path.startswith(f"{self.root_path}/"):
            path = scope["path"] = path.removeprefix(self.root_path)
            methods = ROUTES.get(path)
        # Nothing here is worth serving in parts, and the errors about bad ranges would be none of the contract's.
        scope["headers"] = [header for header in scope["headers"] if header[0] != b"range"]
        exchange = Exchange(_request_id(scope), method, path if methods else "unknown")
        token = current_exchange.set(exchange)
        responder = _Responder(exchange, self.cross_origin.of_answer(scope["headers"]), scope, receive, send)
        try:
            if methods is None:
                await responder.problem(NotFoundError())
            elif method == "OPTIONS":
                response = Response(status_code=204, headers={"Allow": _allow(methods)})
                response.raw_headers += self.cross_origin.of_preflight(scope["headers"], ", ".join(methods).encode())
                await response(scope, receive, responder.send)
            elif method not in methods:
                await responder.problem(
                    MethodNotAllowedError(f"{path} takes {' or '.join(methods)}", headers={"Allow": _allow(methods)})
                )
            elif (direct := self.direct.get(path)) is not None:
                await direct(scope, receive, responder.send)
            else:
                if path == "/metrics":
                    tally.flush()
                with tracing.fresh_context():
                    await self.app(scope, receive, responder.send)
        except Exception:  # noqa: BLE001  # the client is owed a problem document whatever happened
            service_log.exception("unhandled exception")
            if not responder.started:
                await responder.problem(InternalError())
        finally:
            seconds = perf_counter() - exchange.started
            metrics.count_request(exchange.route, responder.status, seconds)
            _log(exchange, responder.status, seconds)
            current_exchange.reset(token)


class _Responder:
    """Passes one response on, with the headers and the form of error that the contract promises."""

    def __init__(self, exchange: Exchange, extra: Headers, scope: Scope, receive: Receive, send: Send) -> None:
        self.exchange = exchange
        self.extra = extra
        self.started = False
        self.finished = False
        self.status = 500
        self._scope = scope
        self._receive = receive
        self._send = send

    async def problem(self, problem: ProblemError) -> None:
        """Answer with a problem document."""
        response = problem.response(self.exchange.request_id)
        if self._scope["method"] == "HEAD":
            response.body = b""
        await response(self._scope, self._receive, self.send)

    async def send(self, message: Message) -> None:
        """Pass a message on; an error that is no problem document becomes one."""
        # After a timeout, BentoML's abandoned handler may still try to answer.
        if self.finished:
            return
        if message["type"] == "http.response.start":
            if self.started:
                return
            headers = message.setdefault("headers", [])
            if message["status"] >= 400 and not _is_problem(headers):
                problem = NotReadyError() if self.exchange.route == "/readyz" else problem_for_status(message["status"])
                await self.problem(problem)
                return
            self.started, self.status = True, message["status"]
            headers.append((b"x-request-id", self.exchange.request_id.encode("ascii")))
            if (span := tracing.current()) is not None:
                self.exchange.span = span
                headers.append((b"x-trace-id", b"%032x" % span.trace_id))
            if not any(name == b"cache-control" for name, _ in headers):
                headers.append((b"cache-control", b"no-store"))
            headers.extend(self.extra)
        elif not message.get("more_body", False):
            self.finished = True
        await self._send(message)


def _allow(methods: Iterable[str]) -> str:
    return ", ".join((*methods, "OPTIONS"))


def _is_problem(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name == b"content-type" and value.startswith(MEDIA_TYPE.encode()) for name, value in headers)


def _request_id(scope: Scope) -> str:
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    if _REQUEST_ID.fullmatch(given):
        return str(given, "ascii")
    # Unique, and not secret: the system's source of randomness costs as much as reading the application.
    return f"{random.getrandbits(128):032x}"


def _log(exchange: Exchange, status: int, seconds: float) -> None:
    quiet = exchange.route in _QUIET_ROUTES and status < 400
    request_log.write(
        "request",
        {
            "method": exchange.method,
            "route": exchange.route,
            "status": status,
            "duration_ms": round(seconds * 1e3, 3),
            "rows": exchange.rows,
        },
        logging.DEBUG if quiet else logging.INFO,
    )
