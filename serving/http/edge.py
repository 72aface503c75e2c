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
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.access.access import Access
from serving.http.cors import CrossOrigin
from serving.http.denials import denial
from serving.http.heads import REFUSAL
from serving.http.page import POLICY
from serving.http.problems import (
    MEDIA_TYPE,
    InternalError,
    MethodNotAllowedError,
    NotFoundError,
    NotReadyError,
    ProblemError,
    UnauthorizedError,
    problem_for_status,
)
from serving.routes import DESK, METRICS, READYZ, Route, route_at
from serving.settings import Settings
from serving.telemetry.exchange import Exchange, current_exchange
from serving.telemetry.logs import service_log
from serving.telemetry.telemetry import Telemetry

_NO_STORE = (b"cache-control", b"no-store")
_NO_SNIFF = (b"x-content-type-options", b"nosniff")
_CONTENT_POLICY = (b"content-security-policy", POLICY.encode("ascii"))

PROBLEM = "credit_risk.problem"
"""Where the desk finds in a request's scope why it gets no further: a ProblemError, to be told to a person."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class Edge:
    """ASGI application around BentoML's.

    Args:
        app: BentoML's.
        direct: the routes that are answered past it, by path.
        settings: whose pages may read the answers, and what a proxy leaves in front of the paths.
        telemetry: counts and logs every request.
        access: who may do what.

    Attributes:
        desk: the page for people, where there is one.
    """

    def __init__(
        self, app: ASGIApp, direct: Mapping[str, ASGIApp], settings: Settings, telemetry: Telemetry, access: Access
    ) -> None:
        self.app = app
        self.desk: ASGIApp | None = None
        self.access = access
        self.direct = direct
        self.telemetry = telemetry
        self.cross_origin = CrossOrigin(settings.cors_origins or ())
        self.root_path = settings.root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve HTTP, and pass the server's lifespan on; the server offers nothing else."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            async with self.access.watching():
                await self.app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        route, method = self._route(scope), scope["method"]
        # Nothing here is worth serving in parts, and the errors about bad ranges would be none of the contract's.
        scope["headers"] = [header for header in scope["headers"] if header[0] != b"range"]
        exchange = Exchange(_request_id(scope), method, route.path if route else "unknown")
        token = current_exchange.set(exchange)
        telemetry, responder = self.telemetry, _Responder(self, exchange, scope, receive, send)
        try:
            problem = self._unfit(route, scope)
            # Browsers ask by OPTIONS what they may, and send no credential.
            if problem is None and route is not None and method != "OPTIONS":
                denied = await self.access.refusal(route, scope, exchange)
                problem = denial(denied) if denied is not None else None
            if route is DESK and self.desk is not None and method != "OPTIONS":
                scope[PROBLEM] = problem
                await self.desk(scope, receive, responder.send)
            elif problem is not None or route is None:
                await responder.problem(problem or NotFoundError())
            elif method == "OPTIONS":
                response = Response(status_code=204, headers={"Allow": _allow(route.methods)})
                response.raw_headers += self.cross_origin.of_preflight(
                    scope["headers"], ", ".join(route.methods).encode()
                )
                await response(scope, receive, responder.send)
            elif (direct := self.direct.get(scope["path"])) is not None:
                await direct(scope, receive, responder.send)
            else:
                if route is METRICS:
                    telemetry.tallies.flush()
                with telemetry.tracing.fresh_context():
                    await self.app(scope, receive, responder.send)
        except Exception:  # noqa: BLE001  # the client is owed a problem document whatever happened
            service_log.exception("unhandled exception")
            if not responder.started:
                await responder.problem(InternalError())
        finally:
            self._note(route, method, exchange, responder.status)
            exchange.over()
            current_exchange.reset(token)

    def _route(self, scope: Scope) -> Route | None:
        """What a request asks for, its path as it is without what a proxy leaves in front."""
        route = route_at(scope["path"])
        if route is None and self.root_path is not None and scope["path"].startswith(f"{self.root_path}/"):
            scope["path"] = scope["path"].removeprefix(self.root_path)
            route = route_at(scope["path"])
        return None if route is DESK and self.desk is None else route

    def _unfit(self, route: Route | None, scope: Scope) -> ProblemError | None:
        """Why a request gets no further whoever sent it, by its head alone; None where it may go on."""
        if (refusal := scope.get(REFUSAL)) is not None:
            refused: ProblemError = refusal
            return refused
        method = scope["method"]
        if route is None or method == "OPTIONS" or method in route.methods:
            return None
        takes = f"{route.path} takes {' or '.join(route.methods)}"
        return MethodNotAllowedError(takes, headers={"Allow": _allow(route.methods)})

    def _note(self, route: Route | None, method: str, exchange: Exchange, status: int) -> None:
        """Count and log a request that is over."""
        seconds = perf_counter() - exchange.started
        self.telemetry.metrics.count_request(exchange.route, status, seconds)
        if exchange.caller is not None:
            self.telemetry.callers.count(exchange.caller, status)
        line: dict[str, Any] = {
            "method": method,
            "route": exchange.route,
            "status": status,
            "duration_ms": round(seconds * 1e3, 3),
            "rows": exchange.rows,
        }
        if exchange.key is not None:
            line["key"] = exchange.key
        if exchange.refused is not None:
            line["refused"] = exchange.refused
            if status == UnauthorizedError.status:
                if (left_out := self.access.line_of_refusal()) is None:
                    return
                line["lines_left_out"] = left_out
        quiet = route is not None and route.polled and status < 400
        self.telemetry.logs.request.write("request", line, logging.DEBUG if quiet else logging.INFO)


class _Responder:
    """Passes one response on, with the headers and the form of error that the contract promises."""

    def __init__(self, edge: Edge, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        self.exchange = exchange
        self.tracing = edge.telemetry.tracing
        # Other origins' pages have no business at the desk, and errors are pages there.
        self.at_desk = exchange.route == DESK.path
        self.extra = [] if self.at_desk else edge.cross_origin.of_answer(scope["headers"])
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
            if message["status"] >= 400 and not self.at_desk and not _is_problem(headers):
                problem = (
                    NotReadyError() if self.exchange.route == READYZ.path else problem_for_status(message["status"])
                )
                await self.problem(problem)
                return
            self.started, self.status = True, message["status"]
            names = [name for name, _ in headers]
            headers.append((b"x-request-id", self.exchange.request_id.encode("ascii")))
            if (span := self.tracing.current()) is not None:
                self.exchange.span = span
                headers.append((b"x-trace-id", b"%032x" % span.trace_id))
            if b"cache-control" not in names:
                headers.append(_NO_STORE)
            headers.append(_NO_SNIFF)
            if b"content-security-policy" not in names:
                headers.append(_CONTENT_POLICY)
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
