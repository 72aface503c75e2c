"""What a page is to the desk: where it stands, who may see it, and what it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from starlette.responses import Response

from desk.roles import Role
from desk.visit import Visit

Answer = Callable[[Visit], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Action:
    """What is answered at one path.

    Attributes:
        path: below the desk, a template such as `records/{id}`; no value of an application may be part of it.
        answer: answers.
        method: GET shows, POST does, or shows what an application's values have to be sent for.
        role: whose it is.
        reads: what of a POST is read before: a form, or nothing where `answer` reads the body itself. Either way it
            carries the token, as a field of the form or as a header.
    """

    path: str
    answer: Answer
    method: Literal["GET", "POST"] = "GET"
    role: Role = Role.VIEWER
    reads: Literal["form", "body"] = "form"


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the desk.

    Attributes:
        title: in the navigation, which leads to its first action.
        actions: what it answers, that of its own first.
        listed: whether the navigation has it.
    """

    title: str
    actions: tuple[Action, ...]
    listed: bool = True

    @property
    def path(self) -> str:
        """Where it stands."""
        return self.actions[0].path

    @property
    def role(self) -> Role:
        """Who may see it."""
        return self.actions[0].role
