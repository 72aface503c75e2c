"""What the text of a setting stands for, by itself; a PydanticCustomError says what is wrong with it.

Anything but text passes as it is: pydantic holds it against the setting's type.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, get_args
from urllib.parse import urlsplit

from pydantic_core import PydanticCustomError

from serving.routes import OPENABLE, DeskRole
from serving.vouching import TrustedKeyError, key_paths

PATH_PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
"""A path in front of every route, without a slash behind it."""

Network = IPv4Network | IPv6Network
"""Addresses that begin alike."""

_ORIGIN = re.compile(r"(https?)://([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}

_ENTRY = re.compile(r"[a-z][a-z0-9_]*:[0-9]+\.[0-9]+\.[0-9]+")
"""An entry of the store, by a version that stays what it is."""

_VISIBLE = re.compile(r"[!-~]+")
"""Of what a URL is made; a space or a line end behind one is a slip that no token would ever match."""


def origins(value: Any) -> Any:
    """Origins, separated by commas."""
    if not isinstance(value, str):
        return value
    listed = tuple(origin for origin in map(str.strip, value.split(",")) if origin)
    for origin in listed:
        found = _ORIGIN.fullmatch(origin)
        if found is None or found[3] == _DEFAULT_PORTS[found[1]] or int(found[3] or 0) > 65_535:
            raise PydanticCustomError(
                "origin",
                "{origin} is no origin as browsers send it; list exact origins such as https://desk.example or "
                "http://localhost:8080, separated by commas: in lower case, without a path, a slash behind it or a "
                "default port, and no *",
                {"origin": ascii(origin)},
            )
    return listed


def root_path(value: Any) -> Any:
    """A path in front of the routes."""
    if isinstance(value, str) and not PATH_PREFIX.fullmatch(value):
        raise PydanticCustomError(
            "root_path",
            "{path} is no path in front of the routes; write it as /credit-risk, with a slash before and none behind",
            {"path": ascii(value)},
        )
    return value


def is_safe_url(url: str) -> bool:
    """Whether what is fetched from a URL comes from whom it names: https, or http on this machine."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return False
    if "@" in parts.netloc or _VISIBLE.fullmatch(url) is None:
        return False  # what is fetched takes no password, and errors would repeat it
    here = parts.hostname in ("127.0.0.1", "::1", "localhost")
    return bool(parts.hostname) and parts.scheme in (("https", "http") if here else ("https",))


def url(value: Any) -> Any:
    """A URL that keys are fetched from."""
    if isinstance(value, str) and not is_safe_url(value):
        if "@" in value:
            raise PydanticCustomError("url", "is no https URL without user and password, which nothing here sends")
        raise PydanticCustomError(
            "url", "{url} is no https URL; http is taken on this machine only", {"url": ascii(value)}
        )
    return value


def entries(value: Any) -> Any:
    """Entries of the store, separated by commas, one of each name."""
    if not isinstance(value, str):
        return value
    tags = tuple(tag for tag in map(str.strip, value.split(",")) if tag)
    for tag in tags:
        if not _ENTRY.fullmatch(tag):
            raise PydanticCustomError(
                "entries",
                "{tag} is no entry of the store with its version, such as credit_risk_policy:1.2.0",
                {"tag": ascii(tag)},
            )
    if len({tag.partition(":")[0] for tag in tags}) < len(tags):
        raise PydanticCustomError("entries", "two versions of the same; name one of each, of model and policy")
    return tags


def trusted_keys(value: Any) -> Any:
    """Files of public keys, separated by commas."""
    try:
        return key_paths(value) if isinstance(value, str) else value
    except TrustedKeyError as exc:
        raise PydanticCustomError("trusted_key", "{problem}", {"problem": str(exc)}) from exc


def open_routes(value: Any) -> Any:
    """Routes that may be opened, separated by commas."""
    if not isinstance(value, str):
        return value
    routes = tuple(route for route in map(str.strip, value.split(",")) if route)
    if unknown := [route for route in routes if route not in OPENABLE]:
        raise PydanticCustomError(
            "open_routes",
            "{route} is none that can be opened; list some of {openable}, separated by commas",
            {"route": ascii(unknown[0]), "openable": ", ".join(OPENABLE)},
        )
    return routes


def networks(value: Any) -> Any:
    """Addresses and networks, separated by commas."""
    if not isinstance(value, str):
        return value
    listed = []
    for text in filter(None, map(str.strip, value.split(","))):
        try:
            listed.append(ip_network(text))
        except ValueError:
            raise PydanticCustomError(
                "networks", "{text} is no address or network, such as 10.0.3.7 or 10.0.3.0/24", {"text": ascii(text)}
            ) from None
    return tuple(listed)


def groups(value: Any) -> Any:
    """Pairs of a role at the desk and a group that has it, separated by commas."""
    if not isinstance(value, str):
        return value
    listed = []
    for text in filter(None, map(str.strip, value.split(","))):
        role, _, group = text.partition("=")
        if role not in get_args(DeskRole) or not group.strip():
            raise PydanticCustomError(
                "groups",
                "{text} is no role with its group, such as officer=credit-officers; roles are {roles}",
                {"text": ascii(text), "roles": ", ".join(get_args(DeskRole))},
            )
        listed.append((role, group.strip()))
    return tuple(listed)
