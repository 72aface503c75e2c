"""Policy: the one in force as a person reads it, and what a draft would change over past applications."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from anyio import to_thread
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response

from decision import read_policy
from decision.files import CATALOGUE_FILE, POLICY_FILE
from desk.drawing.scale import bands
from desk.fields import labels
from desk.jobs import drafts
from desk.jobs.children import told_by, told_fault
from desk.jobs.job import INPUT, Job, State
from desk.jobs.jobs import Jobs, TooManyJobsError
from desk.jobs.uploads import PIECE_BYTES, name_of, size_of, take
from desk.pages.page import Action, Page
from desk.problems import refused
from desk.results import WORDS
from desk.roles import Role, may
from desk.visit import UnfitFormError, Visit
from desk.wording import differences, scale, worded

OVER = " over "
KIND = "policy"

DRAFTED = "draft"
"""The form's field that holds a draft."""


async def _in_force(visit: Visit) -> Response:
    return _page(visit)


async def _again(visit: Visit) -> Response:
    return RedirectResponse(visit.url("policy"), 303)


async def _check(visit: Visit) -> Response:
    """Check a draft; one that is sound becomes a job that a file is sent to."""
    checked = await to_thread.run_sync(
        drafts.check, visit.form.get(DRAFTED, ""), visit.engine.contract, visit.host.contents()[CATALOGUE_FILE]
    )
    if checked.policy is None:
        return _page(visit, checked, status=422)
    try:
        job = visit.jobs.new(KIND, visit.person.name, checked.policy.version)
    except TooManyJobsError as exc:
        return _page(visit, replace(checked, problems=(str(exc),)), status=429)
    await to_thread.run_sync(drafts.lay_out, visit.jobs.folder(job), visit.host.contents(), checked.text.encode())
    return RedirectResponse(visit.url(f"policy/drafts/{job.id}"), 303)


async def _draft(visit: Visit) -> Response:
    job = _job(visit)
    contract, policy = visit.engine.contract, visit.engine.policy
    path = visit.jobs.folder(job) / drafts.DRAFT / POLICY_FILE
    draft = await to_thread.run_sync(read_policy, path, contract)
    return visit.show(
        "draft.html",
        title=f"Draft {draft.policy.version} · Policy",
        job=job,
        draft=draft.policy,
        policy=policy,
        differences=differences(policy, draft.policy, contract),
        words=WORDS,
        most=visit.host.most_upload,
    )


async def _file(visit: Visit) -> Response:
    """A file of past applications is about to come."""
    job = _job(visit)
    if job.state not in (State.WAITING, State.ARRIVING):
        raise UnfitFormError("a file has been sent already; check the draft anew to compare over another", 409)
    size = size_of(visit.form.get("size", ""), visit.host.most_upload)
    (visit.jobs.folder(job) / INPUT).unlink(missing_ok=True)  # of a file that has not come in whole
    # Several drafts may be compared over one file: they are told apart by their versions.
    name = f"{job.name.partition(OVER)[0]}{OVER}{name_of(visit.form.get('name', ''))}"
    coming = replace(job, state=State.ARRIVING, size=size, name=name)
    visit.jobs.keep(coming)
    page = visit.url(f"policy/drafts/{job.id}")
    return JSONResponse({"piece": f"{page}/piece", "page": page, "bytes": PIECE_BYTES})


async def _piece(visit: Visit) -> Response:
    job = await take(visit, visit.jobs, _job(visit))
    if job.state is State.WAITING:
        running = replace(job, state=State.RUNNING)
        visit.jobs.begin(running, partial(_compared, visit.jobs), partial(told_fault, visit.host, "a comparison"))
        return JSONResponse({"done": True})
    return JSONResponse({"done": False})


async def _cancel(visit: Visit) -> Response:
    job = _job(visit)
    visit.jobs.cancel(job)
    return RedirectResponse(visit.url(f"policy/drafts/{job.id}" if job.active else "policy"), 303)


async def _report(visit: Visit) -> Response:
    path = visit.jobs.folder(_job(visit)) / drafts.PAGE
    if not path.exists():
        return visit.show_problem(refused(404, "this comparison has no report; it may have been removed"))
    return FileResponse(path, media_type="text/html", filename="comparison.html")


async def _compared(jobs: Jobs, job: Job) -> Job:
    facts: dict[str, Any] = {}
    async for told in told_by(drafts.PROGRAM, jobs, job):
        if "problems" in told:
            return replace(job, state=State.FAILED, problems=tuple(told["problems"]))
        if "total" in told:
            job = replace(job, total=told["total"])
        elif "done" in told:
            job = replace(job, done=job.done + told["done"], bad=job.bad + told["bad"])
        else:
            facts = told
        jobs.keep(job)
    return replace(job, state=State.DONE, facts=facts)


def _job(visit: Visit) -> Job:
    job = visit.jobs.find(KIND, visit.person.name, visit.request.path_params["id"])
    if job is None:
        raise UnfitFormError("there is no such draft of yours; drafts are removed an hour after their last use", 404)
    return job


def _page(visit: Visit, checked: drafts.Checked | None = None, status: int = 200) -> Response:
    engine = visit.engine
    called = labels(engine.contract)
    return visit.show(
        "policy.html",
        status=status,
        title="Policy",
        policy=engine.policy,
        bands=bands(engine.policy),
        scale=scale(engine.policy),
        rules=[worded(rule, engine.contract) for rule in engine.policy.rules],
        reasons=engine.catalogue.reasons,
        called=called,
        words=WORDS,
        checked=checked,
        drafts=visit.jobs.of(KIND, visit.person.name) if may(visit.person, Role.POLICY) else [],
        can_draft=may(visit.person, Role.POLICY),
        source=visit.host.contents()[POLICY_FILE].decode(),
    )


PAGE = Page(
    "Policy",
    (
        Action("policy", _in_force),
        Action("policy/drafts", _again, role=Role.POLICY),
        Action("policy/drafts", _check, "POST", Role.POLICY),
        Action("policy/drafts/{id}", _draft, role=Role.POLICY),
        Action("policy/drafts/{id}/file", _file, "POST", Role.POLICY),
        Action("policy/drafts/{id}/piece", _piece, "POST", Role.POLICY, reads="body"),
        Action("policy/drafts/{id}/cancel", _cancel, "POST", Role.POLICY),
        Action("policy/drafts/{id}/report", _report, role=Role.POLICY),
    ),
)
