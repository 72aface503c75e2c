"""Decide: an application's form, the decision on it, and what another application would get."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from anyio import to_thread
from pydantic_core import from_json
from starlette.responses import JSONResponse, RedirectResponse, Response

from desk.documents import by_field, document, texts
from desk.fields import inputs
from desk.host import Told
from desk.pages.page import Action, Page
from desk.problems import Problem
from desk.ranging import Ranging, rangeable, ranging, usual
from desk.results import WORDS, Result, result
from desk.roles import Role
from desk.visit import UnfitFormError, Visit, after, document_of

KEY = "key"
"""The form's field by which the same application isn't decided twice, however often it is sent."""

ALONG = "along"
"""The form's field that names the field whose range is gone along."""

INVALID = 422


@dataclass(frozen=True, slots=True)
class _Shown:
    """What stands beside a form that has been answered."""

    result: Result
    filed: bool
    ranging: Ranging


async def _empty(visit: Visit) -> Response:
    return _form(visit, {})


async def _example(visit: Visit) -> Response:
    """The contract's own example: no applicant's, so that a link can lead to it."""
    stated = {
        name: f"{each:g}" if isinstance(each, float) else str(each)
        for name, each in visit.engine.contract.example.items()
    }
    return _form(visit, stated)


async def _again(visit: Visit) -> Response:
    """Somebody has come to where forms are sent, without one."""
    return RedirectResponse(visit.url(""), 303)


async def _decide(visit: Visit) -> Response:
    content = document(visit.engine.contract, visit.form)
    # Of the form and what is in it: sent again it is not decided twice, and what was changed is another application.
    key = sha256(visit.form.get(KEY, "").encode() + content).hexdigest() if visit.host.kept else None
    told = await visit.host.file(visit.request.scope, content, key)
    return await _answered(visit, content, told, filed=True)


async def _what_if(visit: Visit) -> Response:
    content = document(visit.engine.contract, visit.form)
    told = await visit.host.try_out(visit.request.scope, content)
    return await _answered(visit, content, told, filed=False)


async def _along(visit: Visit) -> Response:
    """What each value of one field would get, all else as it stands in the form."""
    contract, content = visit.engine.contract, document(visit.engine.contract, visit.form)
    if visit.form.get(ALONG) not in rangeable(contract):
        raise UnfitFormError
    if not visit.piece:
        return await _what_if(visit)
    if (wrong := visit.host.check(content)) is not None:
        return _errors(visit, wrong)
    found = await to_thread.run_sync(ranging, visit.engine, contract.parse(from_json(content)), visit.form[ALONG])
    return visit.show("along.html", ranging=found, words=WORDS)


async def _check(visit: Visit) -> Response:
    """What is wrong with what has been typed so far, for the script."""
    told = visit.host.check(document(visit.engine.contract, visit.form))
    return _errors(visit, told)


async def _answered(visit: Visit, content: bytes, told: Told, *, filed: bool) -> Response:
    if told.status == INVALID and visit.piece:
        return _errors(visit, told)
    if told.status == 200:
        application = visit.engine.contract.parse(from_json(content))
        read = result(visit.engine, application, document_of(told))
        if visit.piece:
            return visit.show("answer.html", result=read, filed=filed, words=WORDS)
        asked = visit.form.get(ALONG)
        name = asked if asked in rangeable(visit.engine.contract) else usual(visit.engine.contract, read.moved)
        found = await to_thread.run_sync(ranging, visit.engine, application, name)
        return _form(visit, texts(visit.engine.contract, visit.form), _Shown(read, filed, found))
    if visit.piece:
        return visit.show_problem(told)
    return _form(visit, texts(visit.engine.contract, visit.form), told=told)


def _errors(visit: Visit, told: Told | None) -> Response:
    errors = () if told is None else Problem.of(told).errors
    return JSONResponse({"errors": by_field(visit.engine.contract, errors)}, 200 if told is None else told.status)


def _form(
    visit: Visit,
    stated: Mapping[str, str],
    shown: _Shown | None = None,
    told: Told | None = None,
) -> Response:
    problem = None if told is None else Problem.of(told)
    errors = by_field(visit.engine.contract, problem.errors) if problem is not None else {}
    response = visit.show(
        "decide.html",
        status=200 if problem is None else problem.status,
        title="Decide" if shown is None else f"{WORDS[shown.result.outcome]} · Decide",
        inputs=inputs(visit.engine, stated, errors),
        others=[message for name, message in errors.items() if not name or name in _without_input(visit)],
        key=visit.form.get(KEY) or secrets.token_hex(16),
        result=shown and shown.result,
        filed=shown is not None and shown.filed,
        ranging=shown and shown.ranging,
        fields=rangeable(visit.engine.contract),
        problem=problem,
        words=WORDS,
    )
    return after(response, told)


def _without_input(visit: Visit) -> frozenset[str]:
    return frozenset(ratio.name for ratio in visit.engine.contract.ratios)


PAGE = Page(
    "Decide",
    (
        Action("", _empty, role=Role.OFFICER),
        Action("example", _example, role=Role.OFFICER),
        Action("decide", _again, role=Role.OFFICER),
        Action("what-if", _again, role=Role.OFFICER),
        Action("decide", _decide, "POST", Role.OFFICER),
        Action("what-if", _what_if, "POST", Role.OFFICER),
        Action("along", _again, role=Role.OFFICER),
        Action("along", _along, "POST", Role.OFFICER),
        Action("check", _check, "POST", Role.OFFICER),
    ),
)
