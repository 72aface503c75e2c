"""Where applications fall in the training distribution, and what is decided of them, counted over tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np

from engine.columnar.binning import Binning
from engine.columnar.deciding import OUTCOMES
from portfolio.assessor import DEFAULT, Assessor, Options
from portfolio.errors import CancelledError, NoApplicationsError
from portfolio.monitoring.findings import Findings, Shift
from portfolio.reading.reading import Block
from preprocessing.fields import PD


class Counts:
    """Takes applications in, a table at a time.

    Args:
        assessor: the model and policy.
        options: whether the input is text.
    """

    def __init__(self, assessor: Assessor, options: Options = DEFAULT) -> None:
        self._assessor = assessor
        self._options = options
        self._bins = assessor.distribution.bins
        self._binning = Binning(self._bins)
        # Of each field, in each of its bins; behind them, those without a value.
        self._placed = [np.zeros(len(bins.labels) + 1, dtype=np.int64) for bins in self._bins]
        self._outcomes = np.zeros(len(OUTCOMES), dtype=np.int64)
        self._outside: Counter[str] = Counter()
        self._invalid: Counter[tuple[str | None, str]] = Counter()
        self._pd = 0.0
        self._rows = self._bad = 0

    def add(self, block: Block) -> int:
        """Take a block in; how many of its rows have no answer is returned.

        Raises:
            UnfitInputError: the contract's columns aren't there, or can't be read.
        """
        read = self._assessor.read(block.table, self._options)
        said = self._assessor.assess(read.columns, len(read.rows))
        for placed, counts in zip(self._placed, self._binning.counted(read.columns, said.pd).values(), strict=True):
            np.add(placed, counts, out=placed)
        self._outcomes += np.bincount(said.decided.outcome, minlength=len(OUTCOMES))
        self._outside.update({field: int(outside.all.sum()) for field, outside in said.outside.items()})
        self._invalid.update((str(error.loc[-1]) if error.loc else None, error.type) for _, error in read.errors)
        self._invalid.update((misfit.field, misfit.kind) for misfit in block.misfits)
        self._pd += float(said.pd.sum())
        bad = block.size - len(read.rows)
        self._rows += block.size
        self._bad += bad
        return bad

    def findings(self) -> Findings:
        """What they say.

        Raises:
            NoApplicationsError: there was no application.
        """
        answered = self._rows - self._bad
        if not answered:
            raise NoApplicationsError(
                f"none of its {self._rows:,} rows is within the contract; `python -m portfolio score` writes what is "
                "wrong with each"
                if self._rows
                else "the input has no rows; there is nothing to monitor"
            )
        return Findings(
            identity=self._assessor.identity,
            trained_on=self._assessor.distribution.rows,
            trained_defaults=self._assessor.engine.scorer.manifest.training_data.get("defaults"),
            rows=self._rows,
            quarantined=self._bad,
            invalid=dict(self._invalid.most_common()),
            mean_pd=self._pd / answered,
            decisions={outcome.value: n for outcome, n in zip(OUTCOMES, self._outcomes.tolist(), strict=True)},
            shifts=tuple(
                Shift.of(bins, placed, self._outside[bins.field] if bins.field != PD else None)
                for bins, placed in zip(self._bins, self._placed, strict=True)
            ),
        )


def monitor(
    assessor: Assessor,
    blocks: Iterable[Block],
    *,
    options: Options = DEFAULT,
    told: Callable[[int, int], object] = lambda rows, bad: None,  # noqa: ARG005  # nobody listens
    cancelled: Callable[[], bool] = lambda: False,
) -> Findings:
    """Hold a portfolio against the training distribution. No more than a block is in memory at a time.

    Args:
        assessor: the model and policy.
        blocks: of the input, in order.
        options: whether the input is text.
        told: after each block, how many more rows are done, and how many of them have no answer.
        cancelled: asked before each block.

    Raises:
        UnfitInputError: columns are missing or can't be read.
        NoApplicationsError: no row is an application.
        CancelledError: as asked.
    """
    counts = Counts(assessor, options)
    for block in blocks:
        if cancelled():
            raise CancelledError("cancelled")
        told(block.size, counts.add(block))
    return counts.findings()
