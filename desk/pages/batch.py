"""Batch: a file of applications, matched with the contract, decided and put on record, its results to download."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from functools import partial

from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response

from desk.fields import labels
from desk.jobs import batch
from desk.jobs.children import told_fault
from desk.jobs.job import Job, State
from desk.jobs.jobs import TooManyJobsError
from desk.jobs.results import ERRORS, RESULTS, harmless
from desk.jobs.uploads import PIECE_BYTES, name_of, size_of, take
from desk.pages.page import Action, Page
from desk.problems import refused
from desk.results import WORDS
from desk.roles import Role
from desk.visit import UnfitFormError, Visit

KIND = "batch"


async def _start(visit: Visit) -> Response:
    contract = visit.engine.contract
    return visit.show(
        "batch.html",
        title="Batch",
        jobs=visit.jobs.of(KIND, visit.person.name),
        fields=contract.fields,
        called=labels(contract),
        most=visit.host.most_upload,
    )


async def _template(visit: Visit) -> Response:
    """A file that fits: the contract's own example."""
    contract, text = visit.engine.contract, io.StringIO()
    stated = contract.example
    names = [field.name for field in contract.fields]
    cells = ["" if stated.get(name) is None else str(stated[name]) for name in names]
    csv.writer(text, delimiter=contract.file.delimiter).writerows([names, map(harmless, cells)])
    headers = {"Content-Disposition": 'attachment; filename="applications.csv"'}
    return Response(text.getvalue(), headers=headers, media_type="text/csv")


async def _announce(visit: Visit) -> Response:
    """A file is about to come."""
    size = size_of(visit.form.get("size", ""), visit.host.most_upload)
    try:
        job = visit.jobs.new(KIND, visit.person.name, name_of(visit.form.get("name", "")))
    except TooManyJobsError as exc:
        raise UnfitFormError(str(exc), 409) from None
    visit.jobs.keep(replace(job, state=State.ARRIVING, size=size))
    page = visit.url(f"batch/{job.id}")
    return JSONResponse({"piece": f"{page}/piece", "page": page, "bytes": PIECE_BYTES})


async def _piece(visit: Visit) -> Response:
    job = await take(visit, visit.jobs, _job(visit))
    if job.state is not State.WAITING:
        return JSONResponse({"done": False})
    work = partial(batch.read, visit.host, visit.jobs)
    visit.jobs.begin(replace(job, state=State.READING), work, partial(told_fault, visit.host, "reading a file"))
    return JSONResponse({"done": True})


async def _look(visit: Visit) -> Response:
    job = _job(visit)
    return visit.show(
        "file.html",
        title=f"{job.name} · Batch",
        job=job,
        called=labels(visit.engine.contract),
        words=WORDS,
        shown=batch.MOST_SHOWN,
    )


async def _decide(visit: Visit) -> Response:
    job = _job(visit)
    if job.state is not State.WAITING:
        return RedirectResponse(visit.url(f"batch/{job.id}"), 303)  # sent twice, it is decided once
    work = partial(batch.decide, visit.host, dict(visit.request.scope), visit.jobs)
    visit.jobs.begin(replace(job, state=State.RUNNING), work, partial(told_fault, visit.host, "a batch"))
    return RedirectResponse(visit.url(f"batch/{job.id}"), 303)


async def _cancel(visit: Visit) -> Response:
    job = _job(visit)
    visit.jobs.cancel(job)
    return RedirectResponse(visit.url(f"batch/{job.id}" if job.active else "batch"), 303)


async def _results(visit: Visit) -> Response:
    return _download(visit, RESULTS, "decisions.csv")


async def _errors(visit: Visit) -> Response:
    return _download(visit, ERRORS, "problems.csv")


async def _again(visit: Visit) -> Response:
    return RedirectResponse(visit.url(f"batch/{_job(visit).id}"), 303)


def _download(visit: Visit, file: str, name: str) -> Response:
    path = visit.jobs.folder(_job(visit)) / file
    if not path.exists():
        return visit.show_problem(refused(404, "there are no results yet; decide the file first"))
    return FileResponse(path, media_type="text/csv", filename=name)


def _job(visit: Visit) -> Job:
    job = visit.jobs.find(KIND, visit.person.name, visit.request.path_params["id"])
    if job is None:
        raise UnfitFormError("there is no such batch of yours; each is removed an hour after its end", 404)
    return job


PAGE = Page(
    "Batch",
    (
        Action("batch", _start, role=Role.OFFICER),
        Action("batch/template", _template, role=Role.OFFICER),
        Action("batch", _announce, "POST", Role.OFFICER),
        Action("batch/{id}", _look, role=Role.OFFICER),
        Action("batch/{id}/piece", _piece, "POST", Role.OFFICER, reads="body"),
        Action("batch/{id}/decide", _decide, "POST", Role.OFFICER),
        Action("batch/{id}/decide", _again, role=Role.OFFICER),
        Action("batch/{id}/cancel", _cancel, "POST", Role.OFFICER),
        Action("batch/{id}/results", _results, role=Role.OFFICER),
        Action("batch/{id}/errors", _errors, role=Role.OFFICER),
    ),
)
