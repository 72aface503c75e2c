"""Every error that a client can meet, with the status it carries, as an RFC 9457 problem document.

    ProblemError
    +-- MalformedJSONError         400
    +-- BadHeadError               400
    +-- BadIdempotencyKeyError     400
    +-- NoIdempotencyError         400
    +-- UnauthorizedError          401   WWW-Authenticate
    +-- ForbiddenError             403
    +-- NotFoundError              404
    |   +-- NoSuchDecisionError    404
    |   +-- NoRecordsError         404
    +-- MethodNotAllowedError      405
    +-- SlowRequestError           408
    +-- KeyInUseError              409   Retry-After
    +-- BodyTooLargeError          413
    +-- UnsupportedMediaTypeError  415
    +-- InvalidRequestError        422   names every wrong field
    +-- KeyOfAnotherError          422
    +-- TooManyRequestsError       429   Retry-After
    +-- RateLimitedError           429   Retry-After
    +-- HeadTooLargeError          431
    +-- InternalError              500
    +-- UnknownCodingError         501
    +-- NotReadyError              503   Retry-After
    +-- OverloadedError            503   Retry-After
    +-- NotRecordedError           503   Retry-After
    +-- RecordsUnreadableError     503   Retry-After
    +-- RequestTimeoutError        504

Details and errors never repeat a value that the client sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Self

from pydantic_core import to_json
from starlette.responses import Response

from preprocessing.application import FieldError

MEDIA_TYPE = "application/problem+json"


class ProblemError(Exception):
    """Something the client is told in a problem document.

    Attributes:
        status: HTTP status.
        kind: stable last part of the document's `type`.
        title: the same for every problem of this kind.
        detail: what is wrong this time, and the remedy.
        errors: the wrong fields, for an invalid request.
        headers: response headers that go with it.
    """

    status: ClassVar[int]
    kind: ClassVar[str]
    title: ClassVar[str]
    default_detail: ClassVar[str] = ""
    default_headers: ClassVar[dict[str, str]] = {}

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: Iterable[FieldError] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        self.detail = detail or self.default_detail
        super().__init__(self.detail)
        self.errors = tuple(errors)
        self.headers = self.default_headers | (headers or {})

    def as_value(self) -> Self:
        """The problem without the frames that it was raised through: kept, they would keep the body with them."""
        self.__traceback__ = self.__context__ = self.__cause__ = None
        return self

    def document(self, request_id: str) -> dict[str, Any]:
        """The problem as a JSON-ready mapping."""
        document: dict[str, Any] = {
            "type": f"urn:problem:credit-risk-api:{self.kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "request_id": request_id,
        }
        if self.errors:
            document["errors"] = [error_document(error) for error in self.errors]
        return document

    def response(self, request_id: str) -> Response:
        """The problem as a response."""
        return Response(to_json(self.document(request_id)), self.status, self.headers, MEDIA_TYPE)


def error_document(error: FieldError) -> dict[str, Any]:
    """One wrong field as a JSON-ready mapping."""
    return {"loc": list(error.loc), "msg": error.msg, "type": error.type}


class MalformedJSONError(ProblemError):
    status, kind, title = 400, "malformed-json", "The body is not valid JSON"
    default_detail = "the request can't be read; send one valid UTF-8 JSON document"


class BadHeadError(ProblemError):
    status, kind, title = 400, "bad-head", "The request's head is not valid"
    default_detail = "send a head as RFC 9112 has it"


class BadIdempotencyKeyError(ProblemError):
    status, kind, title = 400, "bad-idempotency-key", "The header Idempotency-Key is not valid"
    default_detail = (
        "send 1 to 255 visible ASCII characters as Idempotency-Key, such as a UUID, or leave the header out"
    )


class NoIdempotencyError(ProblemError):
    status, kind, title = 400, "no-idempotency", "Idempotency-Key is not served here"
    default_detail = (
        "this service keeps no decisions, so it can't know what it has answered; send the request without the header "
        "Idempotency-Key, or have the operator set CREDIT_RISK_RECORDS"
    )


class UnauthorizedError(ProblemError):
    status, kind, title = 401, "unauthorized", "The request needs a valid credential"
    default_detail = "send a valid key or token with the header Authorization: Bearer"
    default_headers: ClassVar = {"WWW-Authenticate": 'Bearer realm="credit-risk-api"'}


class ForbiddenError(ProblemError):
    status, kind, title = 403, "forbidden", "This route is not for this caller"
    default_detail = "use a credential with the scope that GET /docs names for this route; the operator has them"


class NotFoundError(ProblemError):
    status, kind, title = 404, "not-found", "No such route"
    default_detail = "nothing is served at this path; GET /docs lists what is"


class NoSuchDecisionError(NotFoundError):
    kind, title = "no-such-decision", "No such decision"
    default_detail = "no decision of this id is on record here; use the decision_id of the answer"


class NoRecordsError(NotFoundError):
    kind, title = "no-records", "No decisions are kept here"
    default_detail = "the service keeps no decisions; have its operator set CREDIT_RISK_RECORDS, or use one that does"


class MethodNotAllowedError(ProblemError):
    status, kind, title = 405, "method-not-allowed", "This route takes another method"
    default_detail = "use the method that GET /docs names for this route"


class SlowRequestError(ProblemError):
    status, kind, title = 408, "slow-request", "The request came too slowly"
    default_detail = "its head or its body was not complete within the time limit; send it again, in one go"


class KeyInUseError(ProblemError):
    status, kind, title = 409, "idempotency-key-in-use", "A request with this Idempotency-Key is being answered"
    default_detail = "repeat the request after Retry-After seconds; it is given the answer of the other one then"
    default_headers: ClassVar = {"Retry-After": "1"}


class BodyTooLargeError(ProblemError):
    status, kind, title = 413, "body-too-large", "The body is over the limit"
    default_detail = "send a smaller body"


class UnsupportedMediaTypeError(ProblemError):
    status, kind, title = 415, "unsupported-media-type", "The body is not declared as JSON"
    default_detail = "send the body as JSON with the header Content-Type: application/json"


class InvalidRequestError(ProblemError):
    status, kind, title = 422, "invalid-request", "The request is outside the contract"
    default_detail = "send what GET /docs describes"


class KeyOfAnotherError(ProblemError):
    status, kind, title = 422, "idempotency-key-reused", "This Idempotency-Key belongs to another request"
    default_detail = (
        "another route, query or body was answered under the same Idempotency-Key; send each request with a key of its "
        "own, and what is sent again byte for byte as it was"
    )


class TooManyRequestsError(ProblemError):
    status, kind, title = 429, "too-many-requests", "Too many requests are in progress"
    default_detail = "the concurrency limit is reached; repeat the request after Retry-After seconds"
    default_headers: ClassVar = {"Retry-After": "1"}


class RateLimitedError(ProblemError):
    status, kind, title = 429, "rate-limited", "This caller sends too many requests"
    default_detail = "the caller's requests per second are used up; repeat the request after Retry-After seconds"
    default_headers: ClassVar = {"Retry-After": "1"}


class HeadTooLargeError(ProblemError):
    status, kind, title = 431, "head-too-large", "The request's head is over the limit"
    default_detail = "send fewer or shorter headers"


class InternalError(ProblemError):
    status, kind, title = 500, "internal-error", "The service failed"
    default_detail = "the fault is the service's; report it with this request_id"


class UnknownCodingError(ProblemError):
    status, kind, title = 501, "unknown-transfer-coding", "The transfer coding is not known"
    default_detail = "send the body with a Content-Length, or with Transfer-Encoding: chunked alone"


class NotReadyError(ProblemError):
    status, kind, title = 503, "not-ready", "The service is not ready"
    default_detail = "the service is starting, stopping, or has no verified model; repeat the request later"
    default_headers: ClassVar = {"Retry-After": "5"}


class OverloadedError(ProblemError):
    status, kind, title = 503, "overloaded", "The request was shed"
    default_detail = "waiting requests exceed the latency objective; repeat the request after Retry-After seconds"
    default_headers: ClassVar = {"Retry-After": "1"}


class NotRecordedError(ProblemError):
    status, kind, title = 503, "not-recorded", "The decision could not be recorded"
    default_detail = "no decision is given that isn't on record; repeat the request later"
    default_headers: ClassVar = {"Retry-After": "5"}


class RecordsUnreadableError(ProblemError):
    status, kind, title = 503, "records-unreadable", "The records can't be used"
    default_detail = "its store or keys fail, which the service's log tells; repeat the request later"
    default_headers: ClassVar = {"Retry-After": "5"}


class RequestTimeoutError(ProblemError):
    status, kind, title = 504, "timeout", "The request took too long"
    default_detail = "the request was not answered within the time limit; repeat it, with fewer rows if it was a batch"


_BY_STATUS = {kind.status: kind for kind in ProblemError.__subclasses__()} | {
    400: MalformedJSONError,
    422: InvalidRequestError,
    429: TooManyRequestsError,
    503: OverloadedError,
}


def problem_for_status(status: int) -> ProblemError:
    """The problem to show for an error response that the framework made by itself."""
    return _BY_STATUS.get(status, InternalError)()
