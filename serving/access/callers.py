"""Who a request comes from, once a credential has said so, and why it is let do no more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any

from serving.routes import AccessScope

MAX_NAME = 64
"""Characters of a caller's name in lines, spans and labels."""

_DIGEST = 16
"""Hexadecimal digits that tell apart what would be cut, or written, alike."""

_BY_NAME = {scope.value: scope for scope in AccessScope}


class Reason(StrEnum):
    """Why a credential or a request is refused, for the operator's lines and counts; no answer repeats it."""

    MISSING = "missing"
    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    ALGORITHM = "algorithm"
    SIGNATURE = "signature"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    CLAIMS = "claims"
    ISSUER_UNREACHABLE = "issuer-unreachable"
    SCOPE = "scope"
    GUARDED = "guarded"
    RATE = "rate"
    PROXY = "proxy"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever holds a credential.

    Attributes:
        name: of a key, or from a token's claim; one line of printable text.
        scopes: what they may do.
        key: the id of the key, where it is one: a caller has two of them while one follows the other.
        subject: of a token, whichever of its claims names the caller.
    """

    name: str
    scopes: frozenset[AccessScope]
    key: str | None = None
    subject: str | None = field(default=None, compare=False)


def one_line(name: str) -> str:
    """A name as it is where that is short and printable, else what tells it apart from all others.

    Whoever is known by it has limits, answers and jobs of their own: two must never become one by being cut.
    """
    if name.isprintable() and len(name) <= MAX_NAME:
        return name
    shown = name if name.isprintable() else ascii(name)[1:-1]
    digest = sha256(name.encode(errors="surrogatepass")).hexdigest()[:_DIGEST]
    return f"{shown[: MAX_NAME - _DIGEST - 1]}~{digest}"


def address(request: Mapping[str, Any]) -> str:
    """By what a caller without a name is told from others; empty on a socket that has no addresses.

    Args:
        request: its ASGI scope.
    """
    client = request.get("client")
    return str(client[0]) if client else ""


def known_scopes(names: Iterable[str]) -> frozenset[AccessScope]:
    """The scopes among these names; an issuer may give names that mean something to others."""
    return frozenset(_BY_NAME[name] for name in names if name in _BY_NAME)
