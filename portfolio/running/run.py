"""The work as a whole: what is left of it handed to an engine, and the manifest when nothing is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from portfolio.assessor import Assessor, Options
from portfolio.columnar.layout import lay_out
from portfolio.errors import TooManyBadError
from portfolio.reading.opening import Opened, open_source
from portfolio.running.engine import Engine
from portfolio.running.manifest import manifest_of
from portfolio.running.output import Output, unwritable
from portfolio.running.plan import Document, digest_of, encoded, plan_of
from portfolio.running.progress import Progress
from portfolio.running.scoring import Work
from records.durable import replace_durably

Watch = Callable[[int, int, int], Progress]
"""Makes what is told of the work: of so many rows, so many done before, and so many of these bad."""


class Job(NamedTuple):
    """What is to be done.

    Attributes:
        opened: the input.
        work: what all parts have in common.
        plan: which says so.
    """

    opened: Opened
    work: Work
    plan: Document


class Ran(NamedTuple):
    """Work that is done.

    Attributes:
        manifest: what came of it.
        kept: parts that were done before.
    """

    manifest: Document
    kept: int


def open_input(path: Path, assessor: Assessor, options: Options, part_rows: int) -> Opened:
    """Open an input for an assessor.

    Raises:
        UnreadableInputError: files can't be read, or don't belong together.
        UnfitInputError: columns can't be scored.
    """

    def wanted(schema: pa.Schema, text: bool) -> list[str]:
        asked = asked_of(options, text=text)
        assessor.check(schema, asked)
        layout = lay_out(assessor.contract, schema, text=text, besides=options.keys)
        return list(dict.fromkeys((*layout.columns.values(), *options.keys)))

    return open_source(path, assessor.contract.file, wanted, part_rows)


def asked_of(options: Options, *, text: bool) -> Options:
    """The options for files that are texts, or aren't."""
    return replace(options, text=text)


def job_of(opened: Opened, assessor: Assessor, options: Options, folder: Path, part_rows: int) -> Job:
    """What is to be done with an input."""
    options = asked_of(options, text=opened.source.kind == "csv")
    plan = plan_of(opened, assessor, options, part_rows)
    # Workers elsewhere have the folder by the same path.
    return Job(opened, Work(assessor, opened.source, Output(folder.resolve()), options, digest_of(plan)), plan)


def run(job: Job, engine: Engine, watch: Watch, max_bad: float | None = None) -> Ran:
    """Do all parts that aren't done.

    Args:
        job: the input, and what is asked.
        engine: does the parts.
        watch: is told how far it has come.
        max_bad: the greatest share of all rows that may have no answer, 0 to 1; None for any.

    Raises:
        PortfolioError: see the tree; what is done stays done.
    """
    opened, work, plan = job
    output, source = work.output, opened.source
    with output.held(plan):
        receipts = {receipt.part: receipt for receipt in output.done(plan, opened.parts)}
        left = [part for part in opened.parts if part.number not in receipts]
        kept = len(receipts)
        bad = sum(receipt.quarantined for receipt in receipts.values())
        _check_bad(bad, source.rows, max_bad)
        with watch(source.rows, sum(receipt.rows for receipt in receipts.values()), bad) as progress:
            if left:
                with closing(engine.run(work, left, progress)) as running:
                    for receipt in running:
                        receipts[receipt.part] = receipt
                        progress.finished(receipt.part, receipt.rows, receipt.quarantined)
                        bad += receipt.quarantined
                        _check_bad(bad, source.rows, max_bad)
        source.check_unchanged()
        output.sweep()
        manifest = manifest_of(plan, list(receipts.values()))
        try:
            replace_durably(output.manifest, encoded(manifest))
        except OSError as exc:
            raise unwritable(output.folder, exc) from None
    return Ran(manifest, kept)


def _check_bad(bad: int, rows: int, most: float | None) -> None:
    if most is not None and bad > most * rows:
        raise TooManyBadError(
            f"{bad} rows have no answer so far, more than {most:.4g} of all {rows} (--max-bad); see the folder's "
            "quarantine/ for row, field and kind, correct the input, or allow more"
        )
