"""Who sits at the desk: what a proxy that signs people in says of them, or what their credential lets them do.

oauth2-proxy's headers are taken from configured addresses alone, by the connection's own other end, and with a secret
that only such a proxy knows: a header by itself is whatever anybody writes.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, get_args

from serving.access.callers import Caller, Reason, one_line
from serving.routes import AccessScope, DeskRole
from serving.setting_values import Network

PERSON = "credit_risk.person"
"""Where a request's person stands in its scope."""

PEER = "credit_risk.peer"
"""Where the server leaves the other end of the connection: uvicorn puts what a proxy says into `client`."""

LEAST_SECRET, MOST_SECRET = 32, 1024
"""Characters of the proxy's secret."""

_SECRET, _GROUPS = b"x-desk-secret", b"x-forwarded-groups"
_NAMES = (b"x-forwarded-email", b"x-forwarded-user")
"""Who somebody is, the first that there is."""

_ROLES: Mapping[AccessScope, DeskRole] = {
    AccessScope.DESK: "viewer",
    AccessScope.DESK_OFFICER: "officer",
    AccessScope.DESK_REVIEWER: "reviewer",
    AccessScope.DESK_POLICY: "policy",
}
ROLES: tuple[DeskRole, ...] = get_args(DeskRole)
DEFAULT_GROUPS: tuple[tuple[str, str], ...] = tuple((role, f"desk-{role}") for role in ROLES)


class SecretError(Exception):
    """A file that holds no usable secret; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever sits at the desk.

    Attributes:
        name: by which their acts go on record.
        roles: what they may do.
        local: nobody has signed in; it is whoever uses the service's own machine.
        known_as: other names of theirs that came with this one.
    """

    name: str
    roles: frozenset[str]
    local: bool = False
    known_as: frozenset[str] = field(default=frozenset(), compare=False)


LOCAL = Person("local user", frozenset(ROLES), local=True)


class Proxies:
    """Those that sign people in.

    Args:
        networks: their addresses.
        secret: what they send.
        groups: roles and the groups that have them.
    """

    def __init__(self, networks: Collection[Network], secret: bytes, groups: Iterable[tuple[str, str]]) -> None:
        self._networks = networks
        self._secret = secret
        self._groups = tuple(groups)

    def person(self, request: Mapping[str, Any]) -> Person | Reason | None:
        """Who a proxy says it is, or what is wrong with that; None of a request that no proxy has passed on.

        Args:
            request: its ASGI scope.
        """
        if not self._is_proxy(request.get(PEER) or request.get("client")):
            return None
        sent = _values(request, _SECRET)
        if len(sent) != 1 or not hmac.compare_digest(sent[0], self._secret):
            return Reason.PROXY
        said = [_values(request, name) for name in (*_NAMES, _GROUPS)]
        if any(len(values) > 1 for values in said):
            return Reason.MALFORMED
        *of_names, of_groups = said
        names = [one_line(named) for values in of_names for value in values if (named := _text(value).strip())]
        if not names:
            return Reason.MISSING
        groups = {group.strip() for value in of_groups for group in _text(value).split(",")}
        roles = frozenset(role for role, group in self._groups if group in groups)
        return Person(names[0], roles, known_as=frozenset(names)) if roles else Reason.SCOPE

    def _is_proxy(self, end: Any) -> bool:
        try:
            address = ip_address(end[0])
        except (TypeError, ValueError):
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._networks)


def of_caller(caller: Caller) -> Person | Reason:
    """Whoever sent a credential, where it is one for the desk."""
    roles = frozenset(_ROLES[scope] for scope in caller.scopes if scope in _ROLES)
    known_as = frozenset() if caller.subject is None else frozenset({caller.subject})
    return Person(caller.name, roles, known_as=known_as) if roles else Reason.SCOPE


def read_secret(path: Path) -> bytes:
    """The secret in a file.

    Raises:
        SecretError: it can't be read, or holds none.
    """
    try:
        content = path.read_bytes()[: MOST_SECRET + 2].strip()
    except OSError as exc:
        raise SecretError(f"{path} can't be read ({exc.strerror}); name a file with the proxy's secret") from None
    if not LEAST_SECRET <= len(content) <= MOST_SECRET or not content.isascii() or b" " in content:
        raise SecretError(
            f"{path} holds no secret of {LEAST_SECRET} to {MOST_SECRET} ASCII characters in one word; make one with "
            "`openssl rand -hex 32`"
        )
    return content


def _values(request: Mapping[str, Any], name: bytes) -> list[bytes]:
    return [value for header, value in request["headers"] if header == name]


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")  # what is no UTF-8 stays told apart from other such
