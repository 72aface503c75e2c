"""What a page is made of: texts as they stand, tables, figures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

_CODE = re.compile(r"`([^`]*)`")


def paragraph(text: str) -> str:
    """A text; what stands between backticks is code."""
    marked = _CODE.sub(r"<code>\1</code>", escape(text))
    return f"<p>{marked}</p>"


def figure(plot: str | None) -> Iterator[str]:
    """A plot; nothing where there is none."""
    if plot is not None:
        yield f"<figure>{plot}</figure>"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int = 1) -> str:
    """A table whose first columns are texts, and the others numbers."""
    return "\n".join(
        (
            "<table>",
            f"<thead><tr>{_cells('th', header, texts)}</tr></thead>",
            "<tbody>",
            *(f"<tr>{_cells('td', row, texts)}</tr>" for row in rows),
            "</tbody>",
            "</table>",
        )
    )


def _cells(tag: str, row: Sequence[str], texts: int) -> str:
    return "".join(
        f"<{tag}>{escape(cell)}</{tag}>" if i < texts else f'<{tag} style="text-align:right">{escape(cell)}</{tag}>'
        for i, cell in enumerate(row)
    )
