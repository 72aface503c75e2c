"""From applications to probabilities of default (PD), one row's answer never touching another's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from preprocessing.application import Application, InvalidApplicationError
from scoring.artifact import DISTRIBUTION, ENSEMBLE, GOLDEN, Artifact, IncoherentArtifactError
from scoring.attribution import LeafIndex
from scoring.directions import reversals
from scoring.exits import Exits
from scoring.logistic import logistic
from scoring.ranges import KnownRanges
from scoring.turns import Turns

TurnsOf = Callable[[NDArray[np.intp]], Turns]
"""From some of the rows to their turns."""


class Scores(NamedTuple):
    """What the model says of some applications.

    Attributes:
        matrix: features, shape (n, k), float32.
        encoded: the same as the model takes them, shape (n, k); see `Scorer.encode`.
        tables: a row of each of the ensemble's tables, shape (n, tables); None where features are too many for tables.
        turns: of some of the rows, at all splits, shape (rows, trees), for attributions.
        margin: the ensemble's own log-odds, shape (n,), equal to `decision_function(matrix)` bit for bit.
        log_odds: of default, calibrated, shape (n,).
        pd: probability of default, shape (n,).
    """

    matrix: NDArray[np.float32]
    encoded: NDArray[Any]
    tables: NDArray[np.int64] | None
    turns: TurnsOf
    margin: NDArray[np.float64]
    log_odds: NDArray[np.float64]
    pd: NDArray[np.float64]


class Scorer:
    """A verified model, ready to score.

    Attributes:
        manifest: what the model is.
        schema: its features.
        leaves: its leaves, for attributions.
        exits: from rows of its tables to margins; None where features are too many for tables.
        calibration: of its margins.
        ranges: of what it was trained on.
    """

    def __init__(self, artifact: Artifact) -> None:
        self.manifest = artifact.manifest
        self.schema = artifact.schema
        self.calibration = artifact.calibration
        try:
            self._golden = [artifact.contract.parse(golden.application) for golden in artifact.golden.applications]
        except InvalidApplicationError as exc:
            error = exc.errors[0]
            raise IncoherentArtifactError(
                f"{GOLDEN}: {'.'.join(map(str, error.loc))}: {error.msg}; train again"
            ) from exc
        self.leaves = LeafIndex(artifact.trees, self.schema)
        self.exits = Exits.of(self.leaves.ensemble)
        self._check_directions()
        try:
            self.ranges = KnownRanges(artifact.contract, artifact.distribution)
        except ValueError as exc:
            raise IncoherentArtifactError(f"{DISTRIBUTION}: {exc}; train again") from exc
        self._golden_pd = np.array([golden.probability_of_default for golden in artifact.golden.applications])

    def _check_directions(self) -> None:
        columns = self.schema.contract.features
        for column, tree, by in reversals(self.leaves.ensemble, [feature.direction for feature in columns]):
            feature = columns[column]
            raise IncoherentArtifactError(
                f"{ENSEMBLE} breaks its contract: the risk {feature.direction} with {feature.name}, but tree {tree} "
                f"turns that round by {by:.3g} log-odds; train again"
            )

    @property
    def golden(self) -> Sequence[Application]:
        """The artifact's golden applications, for warming up."""
        return self._golden

    def score(self, applications: Sequence[Application]) -> Scores:
        """Score applications, each by itself, in order."""
        return self.score_matrix(self.schema.matrix(applications))

    def encode(self, matrix: NDArray[np.float32]) -> NDArray[Any]:
        """Features, shape (n, k), as the model takes them: the interval that each lies in, int64, if it has tables.

        Each by itself, so that of several applications' encoded features another one can be put together.
        """
        return matrix if self.exits is None else self.exits.tables.intervals(matrix)

    def score_matrix(self, matrix: NDArray[np.float32]) -> Scores:
        """Score feature vectors, shape (n, k)."""
        encoded = self.encode(matrix)
        tables, turns, margin = self._walked(encoded)
        log_odds = self.calibration.apply(margin)
        return Scores(matrix, encoded, tables, turns, margin, log_odds, logistic(log_odds))

    def pds(self, encoded: NDArray[Any]) -> NDArray[np.float64]:
        """The PDs alone, shape (n,), of encoded features, shape (n, k)."""
        _, _, margin = self._walked(encoded)
        return logistic(self.calibration.apply(margin))

    def _walked(self, encoded: NDArray[Any]) -> tuple[NDArray[np.int64] | None, TurnsOf, NDArray[np.float64]]:
        """`Scores.tables`, `Scores.turns` and `Scores.margin` of encoded features."""
        if (exits := self.exits) is None:
            turns = self.leaves.ensemble.turns(encoded)
            return None, lambda chosen: turns[chosen], self.leaves.ensemble.log_odds(turns)
        rows = exits.tables.rows_of(encoded)
        return rows, lambda chosen: exits.tables.turns(rows[chosen]), exits.log_odds(rows)

    def golden_deviation(self) -> float:
        """The largest absolute difference between a golden application's stored PD and this process's."""
        return float(np.abs(self.score(self._golden).pd - self._golden_pd).max())
