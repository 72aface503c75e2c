"""One request at the desk: who has come, what they sent, and how they are answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from desk.host import Host, Person, Told
from desk.jobs.jobs import Jobs
from desk.letters import Letter
from desk.problems import Problem
from desk.rendering import Rendering
from engine import Engine

PIECE = "x-desk-piece"
"""The header by which the page's script asks for a part of a page."""

MOST_FORM_BYTES = 262_144
MOST_FORM_FIELDS = 512


class UnfitFormError(Exception):
    """A form that no page of the desk has sent, or not to this person.

    Args:
        detail: what is wrong with it.
        status: HTTP status to say so with.
    """

    def __init__(self, detail: str = "what was sent is no form of this page", status: int = 400) -> None:
        super().__init__(detail)
        self.status = status


@dataclass(frozen=True, slots=True)
class Visit:
    """A request whose sender is known, may do what it asks, and has sent it from a page of the desk.

    Attributes:
        request: as it came.
        host: the service.
        person: who sent it.
        secret: that their browser keeps.
        token: for the forms that are answered with.
        rendering: makes pages.
        jobs: what takes longer than a request.
        navigation: pages that this person may see: path below the desk, title, whether it is this one.
        paths: templates of all that they may be shown, by which a page knows whether it can lead somewhere.
        letter: to applicants.
        form: what was sent, where that was a form.
    """

    request: Request
    host: Host
    person: Person
    secret: str
    token: str
    rendering: Rendering
    jobs: Jobs
    navigation: tuple[tuple[str, str, bool], ...]
    paths: frozenset[str]
    letter: Letter
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def engine(self) -> Engine:
        """What decides; pages are asked for once there is one."""
        engine = self.host.engine
        assert engine is not None
        return engine

    @property
    def piece(self) -> bool:
        """Whether the page's script asks, and swaps what it is given into the page that is open."""
        return PIECE in self.request.headers

    def with_form(self, form: Mapping[str, str]) -> Visit:
        """The same with what was sent."""
        return replace(self, form=form)

    def show(self, template: str, *, status: int = 200, **context: Any) -> Response:
        """A template of the desk: a page, or where the script asks, its part.

        Args:
            template: extends `layout.html`, which leaves out all but the part for the script.
            status: of the answer.
            context: for the template, besides what every page has.
        """
        text = self.rendering.render(template, self._common() | context)
        return HTMLResponse(text, status)

    def show_problem(self, told: Told) -> Response:
        """What a person is told of a problem document, and what they can do."""
        problem = Problem.of(told)
        response = self.show("problem.html", status=told.status, problem=problem, title=problem.title)
        return after(response, told)

    def url(self, path: str) -> str:
        """A page below the desk, as seen from this one: nothing has to know what proxies put in front."""
        deep = self.request.scope["path"].count("/") - 2
        return f"desk/{path}" if deep < 0 else "../" * deep + path or "./"

    def _common(self) -> dict[str, Any]:
        return {
            "visit": self,
            "person": self.person,
            "version": self.host.version(),
            "kept": self.host.kept,
            "url": self.url,
            "token": self.token,
            "piece": self.piece,
            "navigation": self.navigation,
            "paths": self.paths,
        }


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, each sent once.

    Raises:
        UnfitFormError: it is none that a page here could have sent.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise UnfitFormError
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_FORM_BYTES:
            raise UnfitFormError
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FORM_FIELDS, errors="strict")
    except ValueError:
        raise UnfitFormError from None
    form = dict(pairs)
    if len(form) < len(pairs):
        raise UnfitFormError
    return form


def document_of(told: Told) -> dict[str, Any]:
    """What an answer says."""
    document: dict[str, Any] = from_json(told.content)
    return document


def after(response: Response, told: Told | None) -> Response:
    """A response that says, as what it tells of, when to come again."""
    if told is not None and (seconds := told.headers.get("retry-after")) is not None:
        response.headers["Retry-After"] = seconds
    return response
