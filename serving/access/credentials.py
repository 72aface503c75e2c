"""The credential in a request's head: `Authorization: Bearer …`, which every HTTP client can send."""

from __future__ import annotations

import re
from collections.abc import Iterable

from serving.access.callers import Reason

MAX_CREDENTIAL = 8192
"""Bytes of the longest credential that is looked at: some issuers write a person's groups into their tokens."""

_BEARER = re.compile(rb"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)


def credential(headers: Iterable[tuple[bytes, bytes]]) -> bytes | Reason:
    """The request's one bearer credential, or what is wrong with it.

    A second Authorization header makes it none: what stands in front may have looked at the other one.
    """
    found: bytes | None = None
    for name, value in headers:
        if name == b"authorization":
            if found is not None:
                return Reason.MALFORMED
            found = value
    if found is None:
        return Reason.MISSING
    if len(found) > MAX_CREDENTIAL or (bearer := _BEARER.fullmatch(found)) is None:
        return Reason.MALFORMED
    return bearer[1]
