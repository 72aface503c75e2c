"""One part scored: its rows in, its files out. It knows no engine, and holds a block of rows at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from portfolio.answers import ROW
from portfolio.assessor import Assessor, Options
from portfolio.reading.reading import Block, blocks_of
from portfolio.reading.source import Source
from portfolio.reading.spans import Part
from portfolio.running.output import Output, unwritable
from portfolio.running.receipt import Receipt, Written, Wrong
from records.durable import replace_durably, replacing_durably

BLOCK = 10_000
"""Rows that are scored at a time, and a row group of what is written."""

Tell = Callable[[int, int], None]
"""Is told how many rows of a part are done, and how many of them have no answer."""


@dataclass(frozen=True)
class Work:
    """What all parts have in common. It can be pickled: another process opens the model again.

    Attributes:
        assessor: answers.
        source: the files.
        output: the folder of answers.
        options: what is asked.
        plan: digest of the plan.
    """

    assessor: Assessor
    source: Source
    output: Output
    options: Options
    plan: str


def nobody(_: int, __: int) -> None:
    """Where nobody asks how far a part has come."""


def score_part(work: Work, part: Part, tell: Tell = nobody) -> Receipt:
    """Score a part's rows, and write its files; the receipt last, when all else is on the disk.

    Raises:
        PortfolioError: the input can't be read or has changed, or the folder can't be written.
    """
    try:
        receipt = _written(work, part, tell)
        replace_durably(work.output.receipt(part.number), receipt.model_dump_json(indent=1).encode() + b"\n")
    except OSError as exc:
        raise unwritable(work.output.folder, exc) from None
    return receipt


def _written(work: Work, part: Part, tell: Tell) -> Receipt:
    answers, quarantine = work.output.answers(part.number), work.output.quarantine(part.number)
    decisions: Counter[str] = Counter()
    wrong: Counter[tuple[str | None, str]] = Counter()
    rows = bad = 0
    answered, quarantined = work.assessor.schemas(work.source.schema, work.options)
    with ExitStack() as stack:
        writing = stack.enter_context(_writer(answers, answered))
        refusing: pq.ParquetWriter | None = None
        for block in blocks_of(work.source, part, BLOCK):
            answers_of_block, refused = _score(work, block, quarantined)
            writing.write_table(answers_of_block, row_group_size=BLOCK)
            decisions.update(_counts(answers_of_block.column("decision")))
            if refused.num_rows:
                refusing = refusing or stack.enter_context(_writer(quarantine, quarantined))
                refusing.write_table(refused, row_group_size=BLOCK)
                wrong.update(zip(refused.column("field").to_pylist(), refused.column("kind").to_pylist(), strict=True))
            rows += block.size
            bad += block.size - answers_of_block.num_rows
            tell(rows, bad)
    if refusing is None:
        quarantine.unlink(missing_ok=True)
    return Receipt(
        plan=work.plan,
        part=part.number,
        rows=rows,
        answered=rows - bad,
        quarantined=bad,
        decisions=dict(sorted(decisions.items())),
        wrong=tuple(
            Wrong(field=field, kind=kind, count=count)
            for (field, kind), count in sorted(wrong.items(), key=lambda item: (item[0][0] or "", item[0][1]))
        ),
        answers=Written.of(answers),
        quarantine=Written.of(quarantine) if refusing is not None else None,
    )


def _score(work: Work, block: Block, quarantined: pa.Schema) -> tuple[pa.Table, pa.Table]:
    first = block.rows[0].as_py() if len(block.rows) else 0
    whole = not len(block.rows) or block.rows[-1].as_py() - first + 1 == len(block.rows)
    scored = work.assessor.score(block.table, first if whole else 0, work.options)
    answers, refused = scored.answers, scored.quarantined
    if not whole:  # rows are missing among these, which the numbers must leave room for
        answers, refused = _renumbered(answers, block.rows), _renumbered(refused, block.rows)
    if block.misfits:
        refused = pa.concat_tables([refused, _misfits(block, quarantined)]).unify_dictionaries()
        refused = refused.combine_chunks().sort_by(ROW)
    return answers, refused


def _renumbered(table: pa.Table, rows: pa.Array) -> pa.Table:
    place = table.schema.get_field_index(ROW)
    return table.set_column(place, table.schema.field(place), rows.take(table.column(ROW).combine_chunks()))


def _misfits(block: Block, schema: pa.Schema) -> pa.Table:
    held = {
        ROW: pa.array([misfit.row for misfit in block.misfits], pa.int64()),
        "field": pa.array([misfit.field for misfit in block.misfits], pa.string()).dictionary_encode(),
        "kind": pa.array([misfit.kind for misfit in block.misfits], pa.string()).dictionary_encode(),
    }
    nothing = pa.nulls(len(block.misfits), pa.string())
    return pa.table([held.get(field.name, nothing) for field in schema], schema=schema)


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    return {item["values"]: item["counts"] for item in pc.value_counts(column.cast(pa.string())).to_pylist()}


@contextmanager
def _writer(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    with replacing_durably(path) as file, _parquet(file, schema) as writer:
        yield writer


def _parquet(file: BinaryIO, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(file, schema, compression="zstd")
