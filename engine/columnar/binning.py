"""Values a column at a time by the training distribution's bins: how many `FieldBins.place` puts in each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from engine.columnar.columns import Column, Columns
from preprocessing.base import Value
from preprocessing.fields import PD
from scoring.distribution import FieldBins


class Binning:
    """A training distribution, ready to have columns counted by it."""

    def __init__(self, distribution: Iterable[FieldBins]) -> None:
        self._bins = [(bins, np.array(bins.edges)) for bins in distribution]
        self._of_names: dict[tuple[str, tuple[Value, ...]], NDArray[np.intp]] = {}

    def counted(self, columns: Columns, pd: NDArray[np.float64]) -> Mapping[str, NDArray[np.intp]]:
        """By field, how many values fall into each bin, and behind them how many are missing.

        Args:
            columns: of the scored fields at least.
            pd: counted as a field too.
        """
        every = {**columns, PD: Column((), None, pd)}
        return {bins.field: self._counts(bins, edges, every[bins.field]) for bins, edges in self._bins}

    def _counts(self, bins: FieldBins, edges: NDArray[np.float64], column: Column) -> NDArray[np.intp]:
        places = None if column.numbers is None else np.searchsorted(edges, column.numbers, side="left")
        if column.places is not None:
            named = self._of_name(bins, column.names).take(column.places, mode="wrap")  # any for a number
            places = named if places is None else np.where(column.places < 0, places, named)
        assert places is not None
        return np.bincount(places, minlength=len(bins.labels) + 1)

    def _of_name(self, bins: FieldBins, names: tuple[Value, ...]) -> NDArray[np.intp]:
        # A value has a name, and each name a bin.
        key = bins.field, names
        if (known := self._of_names.get(key)) is None:
            known = self._of_names[key] = np.array([bins.place(name) for name in names], dtype=np.intp)
        return known
