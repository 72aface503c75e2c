"""The service for what runs inside of it: the desk asks the scoring routes as a client does, without a connection.

What it is told are their very answers: the same reading, limits, batches, records and problems.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic_core import from_json, to_json
from starlette.types import ASGIApp, Message, Scope

from engine import Engine
from preprocessing.application import InvalidApplicationError
from serving.access.people import PERSON, Person
from serving.http.edge import PROBLEM
from serving.http.idempotency import HEADER
from serving.http.information import Information
from serving.http.problems import MEDIA_TYPE, InternalError, NotReadyError, ProblemError, RecordsUnreadableError
from serving.http.refusals import invalid
from serving.lookup import Lookup
from serving.routes import DESK, PREDICT_BATCH, PREDICT_EXPLAIN, Route
from serving.telemetry.exchange import Exchange, current_exchange, request_id
from serving.telemetry.logs import service_log
from serving.telemetry.telemetry import Sample, Telemetry

if TYPE_CHECKING:
    from serving.lookup import Opened

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Told:
    """An answer, or the problem document that stands for one.

    Attributes:
        status: HTTP status.
        content: JSON.
        headers: by their names in lower case.
    """

    status: int
    content: bytes
    headers: Mapping[str, str]


class Inside:
    """Asks the service from inside; a request's own scope says on whose behalf.

    Args:
        information: what is served.
        lookup: has the records.
        telemetry: has counted.
    """

    def __init__(self, information: Information, lookup: Lookup, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._information = information
        self._lookup = lookup
        self._filed: ASGIApp | None = None
        self._unfiled: ASGIApp | None = None
        self._many: ASGIApp | None = None

    def connect(self, filed: ASGIApp, unfiled: ASGIApp, many: ASGIApp) -> None:
        """The routes to ask, once there are any.

        Args:
            filed: answers as /predict/explain does.
            unfiled: the same, of what is only tried out.
            many: answers as /predict/batch does.
        """
        self._filed, self._unfiled, self._many = filed, unfiled, many

    @property
    def engine(self) -> Engine | None:
        """What decides; None until it is loaded."""
        return self._information.engine

    @property
    def kept(self) -> bool:
        """Whether decisions are recorded."""
        return self._lookup.kept

    def version(self) -> dict[str, Any]:
        """What /version answers."""
        return self._information.version()

    @property
    def most_rows(self) -> int:
        """Of a request with many applications."""
        return self._information.settings.max_batch_rows

    @property
    def most_bytes(self) -> int:
        """Of any request's body."""
        return self._information.settings.max_body_bytes

    @property
    def most_upload(self) -> int:
        """Bytes of a file that somebody sends to the desk."""
        return self._information.settings.desk_upload_bytes

    def contents(self) -> Mapping[str, bytes]:
        """The very bytes of the model's and the policy's files, by name."""
        return self._information.contents

    def samples(self) -> Sequence[Sample]:
        """The service's own metrics, of all its workers."""
        return self._telemetry.samples()

    def person(self, request: Scope) -> Person:
        """Who sent a request to the desk that has come through."""
        person: Person = request[PERSON]
        return person

    def problem(self, request: Scope) -> Told | None:
        """Why a request to the desk gets no further; None where it may go on."""
        problem: ProblemError | None = request.get(PROBLEM)
        return None if problem is None else _told(problem)

    def not_ready(self) -> Told:
        """What is said until something is served."""
        return _told(NotReadyError())

    def unreadable(self, error: Exception) -> Told:
        """What is said where the records can't be used; the log has why."""
        service_log.error("records: can't be read", extra={"data": {"reason": str(error)}})
        return _told(RecordsUnreadableError())

    def failed(self, what: str) -> Told:
        """What is said where the desk itself is at fault; the log has the exception that is being handled."""
        service_log.exception("desk: %s failed", what)
        return _told(InternalError())

    async def file(self, request: Scope, document: bytes, key: str | None = None) -> Told:
        """Decide an application; a filed decision goes on record.

        Args:
            request: on whose behalf.
            document: the application, JSON.
            key: an Idempotency-Key, by which the same document gets the same answer again.
        """
        return await _ask(self._filed, request, document, _with_key(key))

    async def file_many(self, request: Scope, document: bytes, key: str | None = None) -> Told:
        """Decide a list of applications as /predict/batch?partial=true does, and put them on record.

        It may go on after the request that it is done on behalf of has been answered, so it is an exchange of its own.

        Args:
            request: on whose behalf.
            document: the list, JSON.
            key: as in `file`.
        """
        before = current_exchange.get()
        exchange = Exchange(secrets.token_hex(16), "POST", DESK.path, caller=None if before is None else before.caller)
        token = current_exchange.set(exchange)
        try:
            return await _ask(self._many, request, document, _with_key(key), PREDICT_BATCH, b"partial=true")
        finally:
            exchange.over()
            current_exchange.reset(token)

    async def try_out(self, request: Scope, document: bytes) -> Told:
        """What would be decided; nothing is kept of it."""
        return await _ask(self._unfiled, request, document, [])

    def check(self, document: bytes) -> Told | None:
        """What is wrong with an application, as the scoring routes would say; None where nothing is."""
        try:
            self._information.contract().parse(from_json(document))
        except InvalidApplicationError as exc:
            return _told(invalid(exc.errors))
        except ProblemError as problem:
            return _told(problem)
        return None

    async def look_up(self, work: Callable[[Opened], T]) -> T:
        """What `work` finds in the records; see `Lookup.ask`."""
        return await self._lookup.ask(work)


def _with_key(key: str | None) -> list[tuple[bytes, bytes]]:
    return [] if key is None else [(HEADER.lower().encode(), key.encode())]


async def _ask(  # noqa: PLR0913, PLR0917  # a request has as many parts
    route: ASGIApp | None,
    request: Scope,
    document: bytes,
    headers: list[tuple[bytes, bytes]],
    of: Route = PREDICT_EXPLAIN,
    query: bytes = b"",
) -> Told:
    if route is None:
        return _told(NotReadyError())
    length = str(len(document)).encode()
    scope = {
        **request,
        "method": "POST",
        "path": of.path,
        "raw_path": of.path.encode(),
        "query_string": query,
        "headers": [(b"content-type", b"application/json"), (b"content-length", length), *headers],
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": document, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await route(scope, receive, send)
    start, *rest = sent
    content = b"".join(message.get("body", b"") for message in rest)
    return Told(start["status"], content, {name.decode(): value.decode("latin-1") for name, value in start["headers"]})


def _told(problem: ProblemError) -> Told:
    headers = {name.lower(): value for name, value in problem.headers.items()}
    return Told(problem.status, to_json(problem.document(request_id())), headers | {"content-type": MEDIA_TYPE})
