"""What a person is told of a problem, and what they can do about it: the API's own words are for whoever calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic_core import from_json, to_json

from desk.host import Told

_REMEDIES: Mapping[int, tuple[str, str]] = {
    400: ("That could not be read", "Go back, reload the page, and send it again."),
    401: (
        "You are not signed in",
        "Sign in again, then open this page anew. What you had typed stays in the other tab.",
    ),
    403: ("This is not for you", "Ask whoever runs the service for the role that this page needs."),
    404: ("There is no such page", "Use the navigation above, or check the address."),
    405: ("That can't be done here", "Use the buttons of the page."),
    409: ("The same is being decided already", "Wait a second, then send it again: you will get the same answer."),
    413: ("That is too much at once", "Send less of it."),
    422: ("Some entries can't be used", "Correct what is marked, then send it again."),
    429: ("Too many requests at once", "Nothing was decided. Wait a few seconds, then send it again."),
    500: ("The service failed", "Nothing can be said of it here. Report it with the number below."),
    503: ("The service can't answer now", "Nothing was decided. Wait a little, then send it again."),
    504: ("That took too long", "Whether it was decided is not known; sent again, it is not decided twice."),
}
"""By status: what has happened, and what to do."""


@dataclass(frozen=True, slots=True)
class Refused:
    """What the desk itself has to say no to, told as the service tells it."""

    status: int
    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def refused(status: int, detail: str = "") -> Refused:
    """A problem of the desk's own."""
    return Refused(status, to_json({"detail": detail, "request_id": ""}))


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem as a person reads it.

    Attributes:
        status: of the API's answer.
        title: what has happened.
        remedy: what to do.
        detail: the API's own words.
        request_id: to report it by.
        errors: what is wrong with which field: `loc`, `msg` and `type` each.
    """

    status: int
    title: str
    remedy: str
    detail: str
    request_id: str
    errors: tuple[dict[str, Any], ...] = ()

    @classmethod
    def of(cls, told: Told) -> Self:
        """From a problem document."""
        document = from_json(told.content)
        title, remedy = _REMEDIES.get(told.status, _REMEDIES[500])
        errors = tuple(document.get("errors", ()))
        return cls(told.status, title, remedy, document["detail"], document["request_id"], errors)
