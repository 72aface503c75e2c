"""Access as a whole: the setting's way of knowing callers, what a route asks for, and each caller's limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from serving.access.callers import Caller, Reason, address
from serving.access.credentials import credential
from serving.access.gate import may, needs_caller, refused_open
from serving.access.keys import KeysError
from serving.access.limits import Rate, Sparing
from serving.access.people import DEFAULT_GROUPS, LOCAL, PERSON, Person, Proxies, SecretError, of_caller, read_secret
from serving.access.watching import KeysFile
from serving.routes import DESK, AccessScope, Route
from serving.settings import PREFIX, Settings, SettingsError, refused
from serving.telemetry.exchange import Exchange
from serving.telemetry.logs import service_log
from serving.telemetry.telemetry import Telemetry

LOOK_SECONDS = 1.0
"""Between two looks at the keys file: as long as a revoked key goes on."""

REFUSAL_LINES = 10
"""Lines a second and worker for requests without a valid credential: whoever has none must not fill the disk."""


LEARNABLE = frozenset({Reason.UNKNOWN, Reason.ISSUER_UNREACHABLE})
"""What may not be so any more by now."""


@dataclass(frozen=True, slots=True)
class Denied:
    """A request that access refuses.

    Attributes:
        reason: why, for the operator.
        scope: what the route needs.
        retry_seconds: after which it may be repeated; 0 where that doesn't help.
    """

    reason: Reason
    scope: AccessScope | None = None
    retry_seconds: int = 0


class Source(Protocol):
    """Who holds which credential."""

    @property
    def ready(self) -> bool:
        """Whether anybody can be known."""

    @property
    def names(self) -> Iterable[str]:
        """The callers that are known before they come."""

    def find(self, sent: bytes | Reason, now: float) -> Caller | Reason:
        """Who sent a credential, or what is wrong with it."""

    async def learn(self) -> bool:
        """Look now whether there are callers that weren't known; False where there was no looking."""

    async def refresh(self) -> None:
        """Look whether callers have changed; called once a second."""


class Access:
    """What is asked of every request before anything of its body is read.

    Args:
        settings: who may do what.
        telemetry: counts callers and refusals.

    Raises:
        SettingsError: the keys file can't be used.
    """

    def __init__(self, settings: Settings, telemetry: Telemetry) -> None:
        self._metrics = telemetry.callers
        self._mode = settings.access
        self._root_path = settings.root_path
        self._opened = frozenset(settings.open_routes or ())
        limit = settings.requests_per_second_per_caller
        self._rate = Rate(limit and limit / settings.workers)
        self._spare = Sparing(REFUSAL_LINES)
        self._proxies = _proxies(settings)
        self._source = self._make_source(settings)
        if self._source is not None:
            self._metrics.expect(Reason, self._source.names)

    def _make_source(self, settings: Settings) -> Source | None:
        failed = self._metrics.failures.inc
        if settings.access == "open":
            return None
        if settings.keys_file is not None:
            with refused("KEYS_FILE", KeysError):
                return KeysFile(settings.keys_file, failed)
        from serving.access.issuer import Issuer  # noqa: PLC0415  # brings the cryptography, which nobody else needs
        from serving.access.tokens import Expected  # noqa: PLC0415  # the same

        if settings.issuer_url is None or settings.audience is None:
            raise SettingsError(f"{PREFIX}ACCESS={settings.access} lacks what it needs")
        expected = Expected(
            settings.issuer_url,
            settings.audience,
            settings.scopes_claim or "scope",
            settings.caller_claim or "sub",
        )
        return Issuer(expected, settings.jwks_url, failed)

    @property
    def ready(self) -> bool:
        """Whether callers can be known at all."""
        return self._source is None or self._source.ready

    async def refusal(self, route: Route, request: MutableMapping[str, Any], exchange: Exchange) -> Denied | None:
        """Why a request is refused; None where it may go on.

        Args:
            route: what it asks for.
            request: its ASGI scope, where a person at the desk is noted.
            exchange: where the caller is noted, and why it is refused.
        """
        if route.probe:
            return None
        denied = self._denied(route, request, exchange)
        if denied is None:
            return None
        if denied.reason in LEARNABLE and self._source is not None and await self._source.learn():
            denied = self._denied(route, request, exchange)
        if denied is not None:
            exchange.refused = denied.reason
            self._metrics.refuse(denied.reason)
        return denied

    def _denied(self, route: Route, request: MutableMapping[str, Any], exchange: Exchange) -> Denied | None:
        if route is DESK:
            person = self._person(request)
            if isinstance(person, Reason):
                return Denied(person, route.scope)
            request[PERSON] = person
            exchange.caller = person.name
        elif self._source is None:
            reason = refused_open(route, request, self._root_path)
            if reason is not None:
                return Denied(reason, route.scope)
        elif needs_caller(route, self._opened):
            found = self._source.find(credential(request["headers"]), time.time())
            if isinstance(found, Reason):
                return Denied(found)
            exchange.caller, exchange.key = found.name, found.key
            if not may(found, route):
                return Denied(Reason.SCOPE, route.scope)
        if self._rate.limited and (wait := self._rate.wait(exchange.caller or address(request), time.monotonic())):
            return Denied(Reason.RATE, retry_seconds=wait)
        return None

    def _person(self, request: Mapping[str, Any]) -> Person | Reason:
        if self._proxies is not None and (said := self._proxies.person(request)) is not None:
            return said
        if self._source is not None:
            found = self._source.find(credential(request["headers"]), time.time())
            return found if isinstance(found, Reason) else of_caller(found)
        if self._proxies is not None:  # people are known, so nobody is let in unknown
            return Reason.MISSING
        return refused_open(DESK, request, self._root_path) or LOCAL

    def line_of_refusal(self) -> int | None:
        """How many lines were left out before that of this refused request; None where it gets none either."""
        return self._spare.take(time.monotonic())

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Keep up with changes of who may do what, while the service runs."""
        if self._source is None:
            service_log.warning(
                "access is open: whoever reaches the port may use every route",
                extra={"data": {"access": self._mode, "remedy": f"set {PREFIX}ACCESS to keys or issuer"}},
            )
            yield
            return
        service_log.info(
            "access is limited", extra={"data": {"access": self._mode, "open_routes": sorted(self._opened)}}
        )
        task = asyncio.get_running_loop().create_task(self._watch(self._source))
        try:
            yield
        finally:
            task.cancel()

    async def _watch(self, source: Source) -> None:
        while True:
            try:
                await source.refresh()
                self._metrics.expect((), source.names)
            except Exception:  # noqa: BLE001  # a fault here must not freeze who may do what
                service_log.exception("access can't be refreshed")
            await asyncio.sleep(LOOK_SECONDS)


def _proxies(settings: Settings) -> Proxies | None:
    if settings.desk_proxies is None or settings.desk_secret_file is None:
        return None
    with refused("DESK_SECRET_FILE", SecretError):
        secret = read_secret(settings.desk_secret_file)
    return Proxies(settings.desk_proxies, secret, settings.desk_groups or DEFAULT_GROUPS)
