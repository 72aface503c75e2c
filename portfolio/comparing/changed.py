"""Applications that are decided otherwise, to a file of Parquet: what was decided, by what, and the file's own columns.

The file holds applications in the clear. It is its owner's alone, and there whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from decision import Policy
from engine.columnar.deciding import OUTCOMES
from portfolio.comparing.rules import Matches, matches
from portfolio.comparing.verdicts import Both
from portfolio.errors import PortfolioError, UnfitInputError
from portfolio.reading.reading import Block
from records.durable import replacing_durably

_NAMED = pa.dictionary(pa.int32(), pa.string())
_OWN = pa.schema(
    [
        ("row", pa.int64()),
        ("decision_a", _NAMED),
        ("decision_b", _NAMED),
        ("probability_of_default_a", pa.float64()),
        ("probability_of_default_b", pa.float64()),
        ("rules_a", pa.list_(pa.string())),
        ("rules_b", pa.list_(pa.string())),
    ]
)


class Changed:
    """Writes them.

    Args:
        writer: of the file.
        policies: of A and B.
    """

    def __init__(self, writer: parquet.ParquetWriter, policies: tuple[Policy, Policy]) -> None:
        self._writer = writer
        self._rules = [tuple(rule.id for rule in policy.rules) for policy in policies]

    def add(self, block: Block, both: Both) -> None:
        """Write those of a block, of whose rows this is said."""
        moved = np.flatnonzero(both.a.decided.outcome != both.b.decided.outcome)
        if not len(moved):
            return
        rows = pa.array(both.rows[moved])
        own = [
            block.rows.take(rows),
            *(_named(each.decided.outcome[moved]) for each in (both.a, both.b)),
            *(pa.array(each.pd[moved]) for each in (both.a, both.b)),
            *(_ids(matches(each.decided)[moved], ids) for each, ids in zip((both.a, both.b), self._rules, strict=True)),
        ]
        columns = block.table.take(rows).columns
        self._writer.write_table(pa.table([*own, *columns], schema=self._writer.schema))


def check_columns(schema: pa.Schema) -> None:
    """Check that a file has no column that is called as one of these.

    Raises:
        UnfitInputError: it has.
    """
    if taken := sorted({*_OWN.names} & {*schema.names}):
        raise UnfitInputError(
            [f"{name}: a column of the changed applications is called so; rename the input's" for name in taken]
        )


@contextmanager
def changed_to(path: Path, schema: pa.Schema, policies: tuple[Policy, Policy]) -> Iterator[Changed]:
    """The file of those of an input with this schema.

    Raises:
        UnfitInputError: see `check_columns`.
        PortfolioError: the file can't be written.
    """
    check_columns(schema)
    try:
        with (
            replacing_durably(path) as file,
            parquet.ParquetWriter(file, pa.schema([*_OWN, *schema]), compression="zstd") as writer,
        ):
            yield Changed(writer, policies)
    except OSError as exc:
        raise PortfolioError(f"{path}: can't be written ({exc.strerror}); name a file in a folder that can") from None


def _named(places: np.ndarray) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(places, pa.int32()), pa.array(map(str, OUTCOMES), pa.string()))


def _ids(held: Matches, ids: Sequence[str]) -> pa.ListArray:
    offsets = np.cumsum([0, *held.sum(axis=1).tolist()], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(ids, pa.string()).take(np.nonzero(held)[1]))
