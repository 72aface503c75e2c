"""Against requests that somebody else's page has sent, and against anything foreign in ours.

A form carries a token: the HMAC of whoever it was given to, by a secret that only the browser keeps, in a cookie. It
needs no memory here, so that any worker takes what another one has given out. Beside it stands what the browser itself
says of where a request comes from.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

COOKIE = "credit_risk_desk"
TOKEN = "token"  # noqa: S105  # the field's name
TOKEN_HEADER = "x-desk-token"  # noqa: S105  # the header's

_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    # Not no-referrer: by it browsers send `Origin: null` with a form of ours too.
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
"""Of every answer; `X-Content-Type-Options` and `Cache-Control: no-store` all of the service's answers have."""


def secret_of(request: Request) -> str | None:
    """The secret that a browser keeps; None where it has none yet."""
    kept = request.cookies.get(COOKIE, "")
    return kept if _SECRET.fullmatch(kept) else None


def new_secret() -> str:
    """One for a browser that has none."""
    return secrets.token_urlsafe(32)


def keep_secret(response: Response, request: Request, secret: str) -> None:
    """Have the browser keep it, out of every script's reach.

    Lax, not strict: who follows a link from a message would get another one, and lose the forms open elsewhere.
    """
    forwarded = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip()
    secure = "https" in (forwarded, request.url.scheme)
    response.set_cookie(COOKIE, secret, path="/", secure=secure, httponly=True, samesite="lax")


def token(secret: str, name: str) -> str:
    """What the forms of this browser and person carry."""
    return hmac.new(secret.encode(), name.encode(), hashlib.sha256).hexdigest()


def is_token(sent: str, secret: str | None, name: str) -> bool:
    """Whether what a request carries is that."""
    return secret is not None and hmac.compare_digest(sent.encode(), token(secret, name).encode())


def is_foreign(request: Request) -> bool:
    """Whether the browser says that another site's page has sent a request, or doesn't say which has."""
    if (site := request.headers.get("sec-fetch-site")) is not None:
        return site != "same-origin"
    origin = urlsplit(request.headers.get("origin", "")).netloc
    hosts = [request.headers.get("host"), request.headers.get("x-forwarded-host", "").partition(",")[0].strip()]
    return not origin or origin not in hosts


def is_embedded(request: Request) -> bool:
    """Whether another site's page has asked for something to put into itself; a link that is followed asks for none.

    It would be shown none of it, but what is told of whoever has looked at a decision would be told of its reader.
    """
    site = request.headers.get("sec-fetch-site", "none")
    return site in {"cross-site", "same-site"} and request.headers.get("sec-fetch-dest") != "document"
