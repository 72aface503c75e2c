"""Which pages of other origins may read the answers in a browser, by the Fetch standard's CORS protocol.

Nobody is refused here: a browser keeps an answer from a page that it isn't meant for, and whoever is no browser never
asks. Cookies are not allowed, since the service sets none; a page may send Authorization to what stands in front of it.
"""

from __future__ import annotations

from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]

_ALLOWED = b"Authorization, Content-Type, Idempotency-Key, X-Request-ID, traceparent, tracestate"
_EXPOSED = b"X-Request-ID, X-Trace-ID, Retry-After, Allow, Idempotency-Replayed"
_PREFLIGHT_SECONDS = b"600"


class CrossOrigin:
    """The headers for one list of allowed origins.

    Args:
        origins: exactly as browsers send them; without any, no header is ever added.
    """

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origin.encode("ascii") for origin in origins)

    def of_answer(self, request: Iterable[tuple[bytes, bytes]]) -> Headers:
        """What any answer carries, an error too, or a page could not tell what went wrong."""
        if not self._origins:
            return []
        # Also without an origin or for another one: a cache must not hand that answer to an allowed page.
        vary = (b"vary", b"Origin")
        if (origin := self._allowed_origin(request)) is None:
            return [vary]
        return [vary, (b"access-control-allow-origin", origin), (b"access-control-expose-headers", _EXPOSED)]

    def of_preflight(self, request: Iterable[tuple[bytes, bytes]], methods: bytes) -> Headers:
        """What the answer to OPTIONS carries besides, where a browser asks on behalf of an allowed page."""
        asks = any(name == b"access-control-request-method" for name, _ in request)
        if not asks or self._allowed_origin(request) is None:
            return []
        return [
            (b"access-control-allow-methods", methods),
            (b"access-control-allow-headers", _ALLOWED),
            (b"access-control-max-age", _PREFLIGHT_SECONDS),
        ]

    def _allowed_origin(self, request: Iterable[tuple[bytes, bytes]]) -> bytes | None:
        origin = next((value for name, value in request if name == b"origin"), None)
        return origin if origin in self._origins else None
