"""The header Idempotency-Key, and the answer to a request that has come again.

As draft-ietf-httpapi-idempotency-key-header has it, but that the key is taken as it is sent: with quotation marks
around it, it is another one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from starlette.responses import Response

from records.errors import KeyInWorkError, OtherRequestError, RecordsError, RecordsUnavailableError
from serving.http.problems import (
    BadIdempotencyKeyError,
    InternalError,
    KeyInUseError,
    KeyOfAnotherError,
    NotRecordedError,
)
from serving.once import Once
from serving.telemetry.exchange import Exchange
from serving.telemetry.logs import service_log

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
MAX_KEY_CHARACTERS = 255

_NAME = HEADER.lower().encode()
_KEY = re.compile(rb"[ -~]{1,%d}" % MAX_KEY_CHARACTERS)


class Repeated(Exception):  # noqa: N818  # no error, but travels through a batch as what is wrong with a request does
    """The answer that a request was given when it came first.

    Attributes:
        content: its body.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__("answered before")
        self.content = content

    def response(self, request_id: str) -> Response:  # noqa: ARG002  # as a ProblemError's
        """As it was, and said to be so."""
        return Response(self.content, headers={REPLAYED: "true"}, media_type="application/json")


def idempotency_key(headers: Sequence[tuple[bytes, bytes]]) -> bytes | None:
    """The key of a request; None where it has none.

    Raises:
        BadIdempotencyKeyError: there is more than one, or it is none.
    """
    for name, _ in headers:  # cheaper than a list, and mostly there is none
        if name == _NAME:
            break
    else:
        return None
    given = [value for name, value in headers if name == _NAME]
    if len(given) > 1:
        raise BadIdempotencyKeyError(f"the request has {len(given)} {HEADER} headers; send one")
    key = given[0].strip(b" \t")
    if _KEY.fullmatch(key) is None:
        raise BadIdempotencyKeyError
    return key


async def repeated(once: Once, exchange: Exchange, key: bytes, request: Sequence[bytes]) -> Repeated | None:
    """What a request was answered before; None where it was not, so that it is to be answered now.

    Args:
        once: knows it.
        exchange: the request.
        key: that it carries.
        request: what its answer depends on, besides the route.

    Raises:
        ProblemError: the key is in use, or another request's; or nobody knows.
    """
    try:
        content = await once.answered(exchange, key, (exchange.route.encode(), *request))
    except KeyInWorkError:
        raise KeyInUseError from None
    except OtherRequestError:
        raise KeyOfAnotherError from None
    except RecordsUnavailableError as exc:
        service_log.error("an idempotency key was not looked up", extra={"data": {"reason": str(exc)}})
        raise NotRecordedError(
            "whether this Idempotency-Key was answered can't be told now; repeat the request later"
        ) from None
    except RecordsError as exc:
        service_log.error("the answer to an idempotency key can't be opened", extra={"data": {"reason": str(exc)}})
        raise InternalError from None
    return None if content is None else Repeated(content)
