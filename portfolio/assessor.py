"""A verified model and policy that answer tables of applications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from decision import PolicyFiles, read_policy
from decision.files import DEFAULT_BOOK, POLICY_FILE, beside_or_default
from engine import Engine, Identity, check_fit, open_model
from engine.columnar.assessing import Assessed, ColumnarEngine
from engine.columnar.columns import Columns
from portfolio.answers import QUARANTINE, ROW, Answers, Lists, answer_fields
from portfolio.columnar.casting import Cells
from portfolio.columnar.layout import Layout, lay_out
from portfolio.columnar.reading import Read, Reader
from portfolio.errors import ChangedModelError, UnfitInputError
from preprocessing.application import FieldError
from preprocessing.contract import Contract
from scoring.artifact import read_artifact
from scoring.distribution import TrainingDistribution

REFERENCE = "reference"
"""What the caller's own id is called in an answer, whatever the field."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked of a table.

    Attributes:
        reasons: whether each row that isn't approved gets its reasons' codes.
        explain: whether each row gets its attributions.
        keys: columns of the input that the answers carry along.
        text: whether the file tells no numbers from texts, as CSV; see `columnar.casting`.
        values: whether the quarantine holds what the wrong cells hold.
    """

    reasons: bool = True
    explain: bool = False
    keys: tuple[str, ...] = ()
    text: bool = False
    values: bool = False


DEFAULT = Options()


@dataclass(frozen=True, slots=True)
class Scored:
    """A table's answers, and what is wrong with the rows that have none. Both state rows by their number in the input.

    Attributes:
        answers: one row an application.
        quarantined: one row a wrong field.
    """

    answers: pa.Table
    quarantined: pa.Table

    @property
    def bad_rows(self) -> int:
        """Applications without an answer."""
        return int(pc.count_distinct(self.quarantined.column(ROW)).as_py())


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a model and a policy are from.

    Attributes:
        model: its folder.
        policy: its file.
        digests: SHA-256 of each file of model and policy, by its name.
        distribution: the training data in bins.
    """

    model: Path
    policy: Path
    digests: Mapping[str, str]
    distribution: TrainingDistribution


class Assessor:
    """A verified model and policy. Pickled, it is the files that it was opened from: who unpickles it opens them again.

    Attributes:
        contract: of the loan book.
        engine: the one that answers requests.
        files: the policy, with its reasons.
        origin: the files that both are from; None where they were made in this process.
    """

    def __init__(self, engine: Engine, files: PolicyFiles, origin: Origin | None = None) -> None:
        self.engine = engine
        self.files = files
        self.contract: Contract = engine.contract
        self.origin = origin
        self._reader = Reader(self.contract)
        self._columnar = ColumnarEngine(engine)

    @classmethod
    def open(cls, model: Path, policy: Path | None = None) -> Assessor:
        """Open a model's folder and a policy's file, or the project's own policy.

        Raises:
            ArtifactError: the model must not be used.
            InvalidPolicyError: the policy can't be used, or not with this model.
        """
        policy = policy or DEFAULT_BOOK / POLICY_FILE
        artifact = read_artifact(model)
        files = read_policy(policy, artifact.contract, beside_or_default(policy))
        check_fit(artifact, files)
        digests = {**artifact.digests, **files.digests}
        origin = Origin(model.resolve(), policy.resolve(), digests, artifact.distribution)
        return cls(Engine(*open_model(artifact), files), files, origin)

    def __reduce__(self) -> tuple[Any, ...]:
        assert self.origin is not None, "what wasn't opened from files can't be opened again"
        return _reopened, (self.origin.model, self.origin.policy, self.origin.digests)

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 of each file of model and policy, by its name."""
        assert self.origin is not None
        return self.origin.digests

    @property
    def distribution(self) -> TrainingDistribution:
        """The training data in bins."""
        assert self.origin is not None
        return self.origin.distribution

    @property
    def identity(self) -> Identity:
        """Which model and policy answer."""
        return self.engine.identity

    def check(self, schema: pa.Schema, options: Options = DEFAULT) -> None:
        """Refuse what can't be scored, before any of it is.

        Raises:
            UnfitInputError: naming every column and the remedy.
        """
        self._layout(schema, options)

    def schemas(self, schema: pa.Schema, options: Options = DEFAULT) -> tuple[pa.Schema, pa.Schema]:
        """Those of answers and of quarantine for a table with this schema.

        Raises:
            UnfitInputError: as `check`.
        """
        layout = self._layout(schema, options)
        carried = [pa.field(ROW, pa.int64()), *(schema.field(key) for key in options.keys)]
        if self._reference(layout) is not None:
            carried.append(pa.field(REFERENCE, pa.string()))
        fields = answer_fields(self.engine.attributor.fields, reasons=options.reasons, explain=options.explain)
        quarantine = QUARANTINE.append(pa.field("value", pa.string())) if options.values else QUARANTINE
        return pa.schema([*carried, *fields]), quarantine

    def score(self, table: pa.Table, first_row: int = 0, options: Options = DEFAULT) -> Scored:
        """Answer a table's rows, each by itself, in order.

        Args:
            table: of a file; its rows are numbered from `first_row` on.
            first_row: number of its first row in the input.
            options: what is asked.

        Raises:
            UnfitInputError: as `check`.
        """
        layout = self._layout(table.schema, options)
        answers, quarantine = self.schemas(table.schema, options)
        cells = layout.cells(table)
        read = self._reader.read(cells, table.num_rows)
        said = self._answers(read, options)
        rows = pa.array(read.rows)
        columns = {ROW: pa.array(said.rows + first_row)}
        columns |= {key: table.column(key).take(rows) for key in options.keys}
        if (reference := self._reference(layout)) is not None:
            columns[REFERENCE] = cells[reference].values.take(rows)
        columns |= said.columns(self.identity, self.engine.attributor.base_value, self.engine.attributor.fields)
        return Scored(
            pa.table([columns[name] for name in answers.names], schema=answers),
            _quarantine(read.errors, cells, first_row, quarantine),
        )

    def read(self, table: pa.Table, options: Options = DEFAULT) -> Read:
        """Read a table's rows, for those who ask other things of them than answers.

        Raises:
            UnfitInputError: as `check`.
        """
        return self._reader.read(self._layout(table.schema, options).cells(table), table.num_rows)

    def assess(self, columns: Columns, rows: int) -> Assessed:
        """What is said of so many rows that were read, without reasons and attributions."""
        return self._columnar.assess(columns, rows, reasons=False, explain=False)

    def _layout(self, schema: pa.Schema, options: Options) -> Layout:
        layout = lay_out(self.contract, schema, text=options.text, besides=options.keys)
        fields = answer_fields(self.engine.attributor.fields, reasons=options.reasons, explain=options.explain)
        own = {ROW, *(field.name for field in fields), *([REFERENCE] if self._reference(layout) else [])}
        taken = [key for key in options.keys if key in own or options.keys.count(key) > 1]
        if taken:
            raise UnfitInputError([f"{key}: an answer's own column is called so; choose another key" for key in taken])
        return layout

    def _reference(self, layout: Layout) -> str | None:
        """The field of the caller's own id, where the table has it."""
        return self.contract.reference if self.contract.reference in layout.columns else None

    def _answers(self, read: Read, options: Options) -> Answers:
        n = len(read.rows)
        said = self._columnar.assess(read.columns, n, reasons=options.reasons, explain=options.explain)
        return Answers(
            rows=read.rows.astype(np.int64),
            outcome=said.decided.outcome,
            prediction=said.decided.prediction,
            pd=said.pd,
            score=said.decided.score,
            outside=Lists.where({name: outside.all for name, outside in said.outside.items()}, n),
            reasons=Lists.chosen(said.reasons.codes, said.reasons.of_row) if said.reasons is not None else None,
            attributions=said.attributions,
        )


def _reopened(model: Path, policy: Path, digests: Mapping[str, str]) -> Assessor:
    assessor = Assessor.open(model, policy)
    if assessor.origin is None or assessor.origin.digests != digests:
        raise ChangedModelError(f"{model} or {policy} has changed since the work began; begin anew")
    return assessor


def _quarantine(
    errors: Sequence[tuple[int, FieldError]], cells: Mapping[str, Cells], first_row: int, schema: pa.Schema
) -> pa.Table:
    fields = [str(error.loc[-1]) for _, error in errors]
    columns: dict[str, list[Any]] = {
        ROW: [row + first_row for row, _ in errors],
        "field": fields,
        "kind": [error.type for _, error in errors],
    }
    if "value" in schema.names:
        found = [cells[name].taken(pa.array([row])) if name in cells else [None]
                 for (row, _), name in zip(errors, fields, strict=True)]  # fmt: skip
        columns["value"] = [None if value is None else str(value) for (value,) in found]
    arrays = [
        pa.array(columns[field.name], pa.string()).dictionary_encode()
        if pa.types.is_dictionary(field.type)
        else pa.array(columns[field.name], field.type)
        for field in schema
    ]
    return pa.table(arrays, schema=schema)
