"""The routes about decisions on record: found, shown, made again, and told what became of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from records.errors import RecordsError
from serving.http.bodies import Bodies
from serving.http.problems import InvalidRequestError, NoRecordsError, ProblemError, RecordsUnreadableError
from serving.lookup import Lookup, Opened
from serving.routes import DECISION, DECISION_REPLAY, DECISIONS, OUTCOMES
from serving.telemetry.exchange import request_id
from serving.telemetry.logs import service_log

QUERY = ("reference", "since", "until", "outcome", "caller", "most")
"""What /decisions may be asked for."""

CORRECT = "correct"

Work = Callable[[Opened], bytes]
"""What is asked of the records."""

Ask = Callable[[Request], Awaitable[Work]]


class Decisions:
    """Answers the routes.

    Args:
        lookup: has the records.
        bodies: reads requests' bodies.
    """

    def __init__(self, lookup: Lookup, bodies: Bodies) -> None:
        self._lookup = lookup
        self._bodies = bodies

    def routes(self) -> list[Route]:
        """To be mounted."""
        return [
            Route(DECISIONS.path, self._answering(self._find)),
            Route(DECISION.path, self._answering(self._show)),
            Route(DECISION_REPLAY.path, self._answering(self._replay), methods=["POST"]),
            Route(OUTCOMES.path, self._answering(self._report), methods=["POST"]),
        ]

    def _answering(self, ask: Ask) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            if not self._lookup.kept:
                problem = NoRecordsError()
                return problem.response(request_id())
            try:
                content = await self._lookup.ask(await ask(request))
            except ProblemError as exc:
                return exc.response(request_id())
            except RecordsError as exc:
                service_log.error("records: can't be read", extra={"data": {"reason": str(exc)}})
                return RecordsUnreadableError().response(request_id())
            return Response(content, media_type="application/json")

        return answer

    # What they import, they import in the thread: with the first question, and not on the event loop.

    async def _find(self, request: Request) -> Work:
        asked = _parameters(request, QUERY)

        def work(opened: Opened) -> bytes:
            from serving.http.asking import found  # noqa: PLC0415  # as above

            return found(opened, asked)

        return work

    async def _show(self, request: Request) -> Work:
        def work(opened: Opened) -> bytes:
            from serving.http.asking import shown  # noqa: PLC0415  # as above

            return shown(opened, request.path_params["id"])

        return work

    async def _replay(self, request: Request) -> Work:
        def work(opened: Opened) -> bytes:
            from serving.http.asking import replayed  # noqa: PLC0415  # as above

            return replayed(opened, request.path_params["id"])

        return work

    async def _report(self, request: Request) -> Work:
        correct = _parameters(request, (CORRECT,)).get(CORRECT, "false")
        if correct not in {"true", "false"}:
            raise InvalidRequestError(f"the query parameter {CORRECT} takes true or false")
        rows = await self._bodies.rows(request)

        def work(opened: Opened) -> bytes:
            from serving.http.asking import reported  # noqa: PLC0415  # as above

            return reported(opened, rows, correct=correct == "true")

        return work


def _parameters(request: Request, known: tuple[str, ...]) -> dict[str, str]:
    items = request.query_params.multi_items()
    given = dict(items)
    if len(given) < len(items) or set(given) - set(known):
        raise InvalidRequestError(f"the query takes each of these once, and no other: {', '.join(known)}")
    return given
