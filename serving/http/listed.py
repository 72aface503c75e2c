"""Long lists of applications: read, answered and written a column at a time, to the very bytes of row by row.

Columns have a price that a few rows don't pay back, so that short lists go row by row (see `serving.http.bodies`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple, TypeVar

from engine import Engine
from engine.columnar.assessing import Answers, ColumnarEngine
from engine.columnar.binning import Binning
from engine.columnar.deciding import OUTCOMES
from engine.columnar.documents import Applications, DocumentReader
from preprocessing.application import Application, InvalidApplicationError
from preprocessing.contract import Contract
from records.basis import Basis
from records.replaying.answers import Said, reasons_said, rules_said
from scoring.distribution import FieldBins
from serving.http.row_by_row import RowByRow
from serving.yielding import ROWS_BETWEEN_YIELDS, give_way

LONG = 40
"""Rows from which on columns are quicker."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listed:
    """A list that was read.

    Attributes:
        applications: those that are sound.
        bad: what is wrong with the others, by row.
        size: all rows.
    """

    applications: Applications
    bad: Mapping[int, InvalidApplicationError]
    size: int


class AnsweredList(NamedTuple):
    """A list's answers.

    Attributes:
        listed: whose they are.
        answers: of the sound rows, in order.
        binned: how many of them fall into each of the training distribution's bins, by field.
        contract: of the loan book.
    """

    listed: Listed
    answers: Answers
    binned: Mapping[str, Sequence[int]]
    contract: Contract

    @property
    def references(self) -> Sequence[str | None] | None:
        """The callers' own ids of the sound rows; None where the contract has none."""
        return self.listed.applications.references(self.contract)

    def outcomes(self) -> dict[str, int]:
        """How many decisions have which outcome."""
        return {
            outcome.value: number
            for outcome, number in zip(OUTCOMES, self.answers.decided.by_outcome(), strict=True)
            if number
        }

    def outside(self) -> dict[str, int]:
        """How many values of which field lie outside the training data's range."""
        found = Counter(self.answers.outside.of_row)
        of_field: Counter[str] = Counter()
        for place, number in found.items():
            of_field.update(dict.fromkeys(self.answers.outside.distinct[place], number))
        return of_field

    @property
    def rows(self) -> list[int]:
        """Of the sound ones."""
        rows: list[int] = self.listed.applications.rows.tolist()
        return rows

    def said(self, basis: Basis) -> Iterator[Said]:
        """As `answered` says it of each sound row."""
        answers, decided = self.answers, self.answers.decided
        words = [outcome.value for outcome in OUTCOMES]
        return zip(
            self.references or repeat(None),
            self.listed.applications.each(self.contract, basis.fields),
            answers.pd.tolist(),
            [words[place] for place in decided.outcome.tolist()],
            [words[place] for place in decided.band.tolist()],
            decided.score.tolist(),
            answers.rules.each(rules_said),
            answers.reasons.each(reasons_said),
            answers.outside.each(tuple),
            repeat(None),  # attributions
            repeat(()),  # counterfactuals
            strict=False,
        )


class ListReader:
    """Reads long lists."""

    def __init__(self) -> None:
        self._reader: tuple[Contract, DocumentReader] | None = None

    async def read(self, rows: RowByRow, documents: Sequence[object]) -> Listed:
        """Every row, or what is wrong with those up to which there is room to say it.

        Args:
            rows: reads those that columns leave uncertain.
            documents: all of the list.

        Raises:
            ProblemError: rows are bad, and the batch is not partial.
        """
        if self._reader is None or self._reader[0] is not rows.contract:
            self._reader = rows.contract, DocumentReader(rows.contract)
        reader = self._reader[1]
        await give_way()
        reading, values = reader.read(documents)
        read: dict[int, Application] = {}
        for i, row in enumerate(reading.uncertain()):
            if (application := rows.read(row, documents[row])) is not None:
                read[row] = application
            if i % ROWS_BETWEEN_YIELDS == ROWS_BETWEEN_YIELDS - 1:
                await give_way()
        rows.end()
        return Listed(reader.applications(reading, values, read), rows.bad, len(documents))


class ListEngine:
    """An engine, ready to answer long lists."""

    def __init__(self, engine: Engine, distribution: Iterable[FieldBins]) -> None:
        self._contract = engine.contract
        self._columnar = ColumnarEngine(engine)
        self._binning = Binning(distribution)

    @staticmethod
    def pays(engine: Engine) -> bool:
        """Whether that is quicker than row by row: not with a model of too many fields or features."""
        return engine.impacts.sums is not None

    def answer(self, listed: Listed) -> Awaitable[AnsweredList]:
        """A list's answers; between the steps other requests get their turn on the event loop."""
        return _in_turns(self._answer(listed))

    def _answer(self, listed: Listed) -> Generator[None, None, AnsweredList]:
        columns, rows, _ = listed.applications
        answers = yield from self._columnar.answers(columns, len(rows))
        binned = {field: counts.tolist() for field, counts in self._binning.counted(columns, answers.pd).items()}
        return AnsweredList(listed, answers, binned, self._contract)


async def _in_turns(steps: Generator[None, None, T]) -> T:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: T = end.value
            return found
        await give_way()
