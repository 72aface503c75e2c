"""An OpenID Connect issuer's public keys: found, fetched again now and then, and kept while the issuer is away.

Everything that waits for the network does so in a thread; requests meet the keys that are there. Only a token whose key
isn't known yet waits for a fetch, and such fetches are few however many such tokens come.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from http.client import HTTPException
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from pydantic_core import from_json

from serving.access.callers import Caller, Reason
from serving.access.tokens import Expected, KeySet, KeySetError, Tokens
from serving.settings import is_safe_url
from serving.telemetry.logs import service_log

FRESH_SECONDS = 300.0
"""After which keys are fetched again: one that the issuer has withdrawn is taken for so long at most."""

RETRY_SECONDS = 5.0
"""After which a fetch is tried again that failed."""

UNKNOWN_SECONDS = 10.0
"""Between two fetches that are made because tokens name an unknown key."""

TIMEOUT_SECONDS = 5.0
MAX_BYTES = 1_048_576


class IssuerError(Exception):
    """The issuer's keys can't be had."""


class _NoRedirects(HTTPRedirectHandler):
    """Whoever can redirect could choose the keys."""

    def redirect_request(self, *_: Any) -> None:
        """None: the redirect is the answer, and an error."""


def fetch(url: str) -> bytes:
    """The body at a URL.

    Raises:
        IssuerError: it can't be had, and why.
    """
    if not is_safe_url(url):
        raise IssuerError("the issuer names a URL that is not https; its keys could be anybody's")
    request = Request(url, headers={"Accept": "application/json"})  # noqa: S310  # its scheme has been looked at
    host = urlsplit(url).hostname
    end = time.monotonic() + TIMEOUT_SECONDS
    body = b""
    try:
        with build_opener(_NoRedirects).open(request, timeout=TIMEOUT_SECONDS) as response:
            while part := response.read1(65_536):
                body += part
                if len(body) > MAX_BYTES or time.monotonic() > end:
                    raise IssuerError(f"{host} sends more than {MAX_BYTES} bytes, or too slowly")
    except (URLError, HTTPException, OSError, ValueError) as exc:
        reason = exc.reason if isinstance(exc, URLError) else exc
        raise IssuerError(f"{host}: {type(exc).__name__}: {reason}") from None
    return body


class Issuer:
    """Who holds which token, by the issuer's keys.

    Args:
        expected: what tokens have to say.
        jwks_url: where the keys are; None to ask the issuer's discovery document.
        failed: told of each fetch that failed.
    """

    names: tuple[str, ...] = ()
    """Nobody is known before they come."""

    def __init__(self, expected: Expected, jwks_url: str | None, failed: Callable[[], None]) -> None:
        self._expected = expected
        self._jwks_url = jwks_url
        self._failed = failed
        self._tokens: Tokens | None = None
        self._document = b""
        self._said: str | None = None
        self._due = 0.0
        self._last = -UNKNOWN_SECONDS
        self._fetching: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether any token can be verified: the keys have been had at least once."""
        return self._tokens is not None

    def find(self, sent: bytes | Reason, now: float) -> Caller | Reason:
        """Whose token was sent."""
        if isinstance(sent, Reason):
            return sent
        return Reason.ISSUER_UNREACHABLE if self._tokens is None else self._tokens.verify(sent, now)

    async def learn(self) -> bool:
        """Fetch the keys because a token names one that isn't known, unless that was done just now."""
        if self._fetching is None and time.monotonic() - self._last < UNKNOWN_SECONDS:
            return False
        await self._fetch()
        return True

    async def refresh(self) -> None:
        """Fetch the keys, if it is time."""
        if time.monotonic() >= self._due:
            await self._fetch()

    async def _fetch(self) -> None:
        """Fetch, or wait for the fetch that is under way; that one goes on if whoever waits is gone."""
        if self._fetching is None:
            self._last = time.monotonic()
            self._fetching = asyncio.get_running_loop().create_task(self._replace())
        await asyncio.shield(self._fetching)

    async def _replace(self) -> None:
        try:
            document, keys = await asyncio.to_thread(self._keys)
        except (IssuerError, KeySetError) as exc:
            self._failed()
            self._due = time.monotonic() + RETRY_SECONDS
            if str(exc) != self._said:
                self._said = str(exc)
                service_log.error(
                    "the issuer's keys can't be had; those had before go on", extra={"data": {"reason": self._said}}
                )
        else:
            self._due = time.monotonic() + FRESH_SECONDS
            if self._said is not None or self._tokens is None:
                service_log.info("the issuer's keys are had", extra={"data": {"issuer": self._expected.issuer}})
            self._said = None
            if document != self._document:  # what was verified by the same keys stays so
                self._document, self._tokens = document, Tokens(keys, self._expected)
        finally:
            self._fetching = None

    def _keys(self) -> tuple[bytes, KeySet]:
        document = fetch(self._jwks_url or self._discovered())
        return document, KeySet(document)

    def _discovered(self) -> str:
        """Where the discovery document says that the keys are (OpenID Connect Discovery 1.0, 4)."""
        try:
            document = from_json(fetch(f"{self._expected.issuer.rstrip('/')}/.well-known/openid-configuration"))
            issuer, url = document["issuer"], document["jwks_uri"]
        except (ValueError, KeyError, TypeError):
            raise IssuerError("the discovery document is none; set CREDIT_RISK_JWKS_URL") from None
        if issuer != self._expected.issuer or not isinstance(url, str):
            raise IssuerError("the discovery document is another issuer's; set CREDIT_RISK_ISSUER_URL as it says")
        return url
