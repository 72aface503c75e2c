"""What a request's head has to be besides well-formed, so that no two readers of it can differ on what it says."""

from __future__ import annotations

import re
from collections.abc import Sequence

from serving.http.problems import BadHeadError, HeadTooLargeError, ProblemError, UnknownCodingError
from serving.settings import MAX_HEAD_BYTES

REFUSAL = "credit_risk.refusal"
"""Where the server leaves in a request's scope why it reads no more of it: a ProblemError."""

_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]*")


def head_bytes(url: bytes, headers: Sequence[tuple[bytes, bytes]]) -> int:
    """About what a head took on the wire: the request line and each header with its colon, space and line end."""
    return len(url) + sum(len(name) + len(value) + 4 for name, value in headers)


def head_refusal(version: str, headers: Sequence[tuple[bytes, bytes]]) -> ProblemError | None:
    """What is wrong with a head that the parser took; None where nothing is.

    Args:
        version: of HTTP, such as "1.1".
        headers: all of them, their names in lower case.
    """
    hosts, codings = 0, b""
    for name, value in headers:
        if name == b"host":
            hosts += 1
            if _HOST.fullmatch(value) is None:
                return BadHeadError("the Host header is no host; send the service's host and port there")
        elif name == b"transfer-encoding":
            codings += b"," + value
    if hosts > 1 or (hosts == 0 and version == "1.1"):
        return BadHeadError(f"the request has {hosts} Host headers; send exactly one (RFC 9112, 3.2)")
    if codings:
        if version != "1.1":
            return BadHeadError("Transfer-Encoding in HTTP/1.0 leaves the length in doubt; send a Content-Length")
        if codings[1:].strip().lower() != b"chunked":
            return UnknownCodingError()
    return None


def too_large_head() -> HeadTooLargeError:
    """What is said of a head over the limit."""
    return HeadTooLargeError(f"request line and headers may hold {MAX_HEAD_BYTES} bytes; send fewer or shorter headers")
