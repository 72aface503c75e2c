"""Health of the model: what the service has counted, what its records say of months past, and where to look."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from anyio import to_thread
from starlette.responses import FileResponse, RedirectResponse, Response

from desk.alerts import alerts
from desk.fields import labels
from desk.health import Figures, challenged, mix, shifts
from desk.jobs.children import told_by, told_fault
from desk.jobs.job import Job, State
from desk.jobs.jobs import Jobs, TooManyJobsError
from desk.pages.page import Action, Page
from desk.problems import refused
from desk.results import WORDS
from desk.visit import UnfitFormError, Visit
from preprocessing.fields import PD

KIND = "performance"
PROGRAM, REPORT = "desk.programs.performing", "performance.html"
NEEDS = ("CREDIT_RISK_RECORDS", "CREDIT_RISK_RECORDS_KEY_FILE")


async def _show(visit: Visit) -> Response:
    figures = Figures(await to_thread.run_sync(visit.host.samples))
    starts = [each.value for each in figures.of("credit_risk_start_time_seconds")]
    called = labels(visit.engine.contract) | {PD: "Probability of default"}
    jobs = visit.jobs.of(KIND, visit.person.name) if visit.host.kept else []
    return visit.show(
        "health.html",
        title="Health of the model",
        since=min(starts, default=None),
        mix=mix(figures),
        shifts=shifts(figures),
        challenged=challenged(figures),
        alerts=alerts(figures, called),
        called=called,
        words=WORDS,
        job=jobs[0] if jobs else None,
    )


async def _again(visit: Visit) -> Response:
    return RedirectResponse(visit.url("health"), 303)


async def _perform(visit: Visit) -> Response:
    """Go through all records; who has done so before does it anew."""
    if not visit.host.kept:
        raise UnfitFormError("decisions are not recorded here, so that nothing is known of months past", 404)
    for before in visit.jobs.of(KIND, visit.person.name):
        if before.active:
            return RedirectResponse(visit.url("health"), 303)
        visit.jobs.remove(before)
    try:
        job = visit.jobs.new(KIND, visit.person.name)
    except TooManyJobsError as exc:
        raise UnfitFormError(str(exc), 409) from None
    fault = partial(told_fault, visit.host, "performance by month")
    visit.jobs.begin(replace(job, state=State.RUNNING), partial(_performed, visit.jobs), fault)
    return RedirectResponse(visit.url("health"), 303)


async def _cancel(visit: Visit) -> Response:
    for job in visit.jobs.of(KIND, visit.person.name):
        visit.jobs.cancel(job)
    return RedirectResponse(visit.url("health"), 303)


async def _report(visit: Visit) -> Response:
    for job in visit.jobs.of(KIND, visit.person.name):
        if (path := visit.jobs.folder(job) / REPORT).exists():
            return FileResponse(path, media_type="text/html", filename=REPORT)
    return visit.show_problem(refused(404, "there is no such report; have it made on the page"))


async def _performed(jobs: Jobs, job: Job) -> Job:
    async for told in told_by(PROGRAM, jobs, job, needs=NEEDS):
        if "problems" in told:
            return replace(job, state=State.FAILED, problems=tuple(told["problems"]))
        if "total" in told:
            job = replace(job, total=told["total"])
        elif "done" in told:
            job = replace(job, done=job.done + told["done"])
        else:
            job = replace(job, facts=told)
        jobs.keep(job)
    return replace(job, state=State.DONE)


PAGE = Page(
    "Health",
    (
        Action("health", _show),
        Action("health/performance", _again),
        Action("health/performance", _perform, "POST"),
        Action("health/performance/cancel", _cancel, "POST"),
        Action("health/performance/report", _report),
    ),
)
