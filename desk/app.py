"""The desk's ASGI application: who may come in, what every answer carries, and which page answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from desk.files import read_files
from desk.guarding import (
    HEADERS,
    TOKEN,
    TOKEN_HEADER,
    is_embedded,
    is_foreign,
    is_token,
    keep_secret,
    new_secret,
    secret_of,
    token,
)
from desk.host import Host, Person, Told
from desk.jobs.jobs import Jobs
from desk.letters import Letter, read_letter
from desk.pages import PAGES
from desk.pages.page import Action, Page
from desk.problems import refused
from desk.rendering import Rendering
from desk.roles import may
from desk.visit import UnfitFormError, Visit, read_form
from records.errors import RecordsError

PATH = "/desk"


@dataclass(frozen=True, slots=True)
class _Nobody:
    """Who is told why they can't come in."""

    name: str = ""
    roles: frozenset[str] = frozenset()
    local: bool = False
    known_as: frozenset[str] = frozenset()


class Desk:
    """Answers all that lies at /desk.

    Args:
        host: the service that it is mounted on.
        pages: in the order of the navigation.
        letter: to applicants; the default where none is given.
    """

    def __init__(self, host: Host, pages: tuple[Page, ...] = PAGES, letter: Letter | None = None) -> None:
        self._host = host
        self._letter = letter or read_letter(None)
        self._pages = pages
        self._jobs = Jobs()
        self._files = read_files()
        self._rendering = Rendering({name: f"static/{file.name}" for name, file in self._files.items()})
        by_name = {file.name: file for file in self._files.values()}

        async def static(request: Request) -> Response:
            file = by_name.get(request.path_params["name"])
            return self._refused(request, refused(404)) if file is None else file.response(request)

        async def home(_: Request) -> Response:
            return RedirectResponse("desk/")  # so that all that pages name lies below them

        self._app = Starlette(
            routes=[
                Route(PATH, home),
                Route(f"{PATH}/static/{{name}}", static),
                *(
                    Route(f"{PATH}/{action.path}", self._endpoint(page, action), methods=[action.method])
                    for page in pages
                    for action in page.actions
                ),
            ],
            exception_handlers={HTTPException: self._no_such_page},
        )
        self._app.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        if (problem := self._host.problem(scope)) is not None:
            await self._refused(request, problem)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def open(self) -> None:
        """A worker of the service starts."""
        self._jobs.open()

    def close(self) -> None:
        """It stops: nothing of what people have sent is left by the last one."""
        self._jobs.close()

    def _endpoint(self, page: Page, action: Action) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            secret = secret_of(request)
            visit = self._visit(request, secret or new_secret(), page)
            response = await self._answer(visit, action, secret)
            if secret is None:
                keep_secret(response, request, visit.secret)
            return _guarded(response)

        return answer

    async def _answer(self, visit: Visit, action: Action, secret: str | None) -> Response:
        if not may(visit.person, action.role) and action is self._pages[0].actions[0] and visit.navigation:
            return RedirectResponse(visit.url(visit.navigation[0][0]))
        if (unfit := self._unfit(visit, action)) is not None:
            return visit.show_problem(unfit)
        try:
            if action.method == "POST":
                visit = visit.with_form(await self._sent(visit, action, secret))
            return await action.answer(visit)
        except UnfitFormError as exc:
            return visit.show_problem(refused(exc.status, str(exc)))
        except RecordsError as exc:
            return visit.show_problem(self._host.unreadable(exc))
        except Exception:  # noqa: BLE001  # a person is owed a page whatever happened
            return visit.show_problem(self._host.failed(action.path))

    def _unfit(self, visit: Visit, action: Action) -> Told | None:
        if is_embedded(visit.request):
            return refused(403, "the request came from a page that is not the desk's")
        if not may(visit.person, action.role):
            return refused(403, f"this needs the role {action.role}; you are {_listed(visit.person.roles)}")
        return self._host.not_ready() if self._host.engine is None else None

    async def _sent(self, visit: Visit, action: Action, secret: str | None) -> dict[str, str]:
        if is_foreign(visit.request):
            raise UnfitFormError("the request came from a page that is not the desk's", 403)
        form = await read_form(visit.request) if action.reads == "form" else {}
        if not is_token(form.pop(TOKEN, visit.request.headers.get(TOKEN_HEADER, "")), secret, visit.person.name):
            raise UnfitFormError("the form belongs to another session; reload the page", 403)
        return form

    def _refused(self, request: Request, told: Told) -> Response:
        try:
            person = self._host.person(request.scope)
        except KeyError:
            person = _Nobody()
        return _guarded(self._visit(request, "", None, person).show_problem(told))

    async def _no_such_page(self, request: Request, exc: Exception) -> Response:
        status = exc.status_code if isinstance(exc, HTTPException) else 404
        return self._refused(request, refused(status))

    def _visit(self, request: Request, secret: str, page: Page | None, person: Person | None = None) -> Visit:
        known = person or self._host.person(request.scope)
        navigation = tuple(
            (each.path, each.title, each is page) for each in self._pages if each.listed and may(known, each.role)
        )
        paths = frozenset(
            action.path
            for each in self._pages
            for action in each.actions
            if action.method == "GET" and may(known, action.role)
        )
        return Visit(
            request,
            self._host,
            known,
            secret,
            token(secret, known.name),
            self._rendering,
            self._jobs,
            navigation,
            paths,
            self._letter,
        )


def _guarded(response: Response) -> Response:
    response.headers.update(HEADERS)
    return response


def _listed(roles: frozenset[str]) -> str:
    return ", ".join(sorted(roles)) or "nobody"
