"""What a route asks of whoever comes, as pure functions of the route, the setting and the connection."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

from serving.access.callers import Caller, Reason
from serving.routes import GUARDED, AccessScope, Route

_FORWARDING = (b"forwarded", b"via", b"x-real-ip", b"x-forwarded-")
"""How the names of headers begin that say of a request that it began elsewhere."""


def needs_caller(route: Route, opened: Collection[str]) -> bool:
    """Whether a route asks for a credential where access is not open.

    Args:
        route: the route.
        opened: what CREDIT_RISK_OPEN_ROUTES names.
    """
    return not route.probe and (route.opened_by is None or route.opened_by not in opened)


def may(caller: Caller, route: Route) -> bool:
    """Whether a known caller may use a route."""
    return route.scope is None or route.scope in caller.scopes


def open_allowed(scope: AccessScope | None, *, at_home: bool) -> bool:
    """Whether a route is served to anybody where access is open.

    Args:
        scope: the route's.
        at_home: whether the request begins and ends on this machine.
    """
    return scope not in GUARDED or at_home


def refused_open(route: Route, request: Mapping[str, Any], root_path: str | None) -> Reason | None:
    """Why a request is refused although access is open; None where it isn't.

    Args:
        route: what it asks for.
        request: its ASGI scope.
        root_path: the setting; where it is set a proxy stands in front.
    """
    if route.scope not in GUARDED:
        return None
    allowed = open_allowed(route.scope, at_home=root_path is None and is_at_home(request))
    return None if allowed else Reason.GUARDED


def is_at_home(request: Mapping[str, Any]) -> bool:
    """Whether a request comes from a program of this machine to an address that only such programs reach.

    What counts is the address that the connection came to, whatever the server listens on besides. A proxy on this
    machine connects like any program; so nothing may say that it passed the request on, and the host that was asked for
    must be this machine too, which also keeps out pages whose host name is made to lead here.
    """
    headers: Iterable[tuple[bytes, bytes]] = request["headers"]
    hosts = [value for name, value in headers if name == b"host"]
    return (
        all(_is_loopback(end[0]) if (end := request.get(side)) else False for side in ("server", "client"))
        and len(hosts) == 1
        and _is_loopback_host(hosts[0].decode("latin-1"))
        and not any(name.startswith(_FORWARDING) for name, _ in headers)
    )


@lru_cache(maxsize=1024)
def _is_loopback(address: Any) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback


def _is_loopback_host(host: str) -> bool:
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name.lower() == "localhost" or _is_loopback(name)
