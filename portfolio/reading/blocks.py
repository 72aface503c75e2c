"""Tables of a given number of rows, out of tables of any."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa


def in_blocks(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows, so many at a time; the last fewer.

    What a part's file looks like must not depend on how its rows came in.
    """
    held: list[pa.Table] = []
    count = 0
    for table in tables:
        held.append(table)
        count += table.num_rows
        if count < rows:
            continue
        whole = pa.concat_tables(held)
        done = count - count % rows
        for start in range(0, done, rows):
            yield whole.slice(start, rows).combine_chunks()
        held, count = [whole.slice(done)], count - done
    if count:
        yield pa.concat_tables(held).combine_chunks()
