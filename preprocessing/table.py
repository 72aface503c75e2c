"""A contract's fields as a table for whoever sends applications."""

from __future__ import annotations

from collections.abc import Iterator

from preprocessing.contract import Contract
from preprocessing.fields import MAX_REFERENCE_LENGTH, AnyField, Date, Integer, Number, Ratio, Reference

BEGIN, END = "<!-- fields of {} -->\n", "<!-- end of the fields -->\n"
"""Around the table in a page, with the loan book's folder in the first."""

_HEADER = ("field", "type", "allowed", "use", "what")
_USES = {"score": "scored", "rules": "rules", "reports": "reports"}


def markdown(contract: Contract) -> str:
    """A row for each field, in order."""
    rows = [_HEADER, ("---",) * len(_HEADER), *map(_row, contract.fields)]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in rows)


def _row(field: AnyField) -> tuple[str, ...]:
    unit, left_out = f", {field.unit}" if field.unit else "", ", or null" if field.optional else ""
    kind = f"{field.json_type}{unit}{left_out}"
    return f"`{field.name}`", kind, "; ".join(_allowed(field)), _use(field), field.description


def _use(field: AnyField) -> str:
    return "given back" if isinstance(field, Reference) else _USES[field.use]


def _allowed(field: AnyField) -> Iterator[str]:
    if isinstance(field, Number | Integer):
        yield f"{_plain(field.minimum)} to {_plain(field.maximum)}"
        for state, code in field.codes.items():
            yield f"{_plain(code)} ({state})"
        if (plausible := field.plausible) is not None:
            yield f"{plausible.remedy}: {_plain(plausible.minimum)} to {_plain(plausible.maximum)}"
    elif isinstance(field, Ratio):
        yield f"0 to {_plain(field.maximum)}"
        yield f"checked against {field.numerator} / {field.denominator}, which is what is read"
    elif isinstance(field, Date):
        yield "YYYY-MM-DD"
    elif isinstance(field, Reference):
        yield f"1 to {MAX_REFERENCE_LENGTH} characters, none of them a control character"
    else:
        yield ", ".join(field.choices)


def _plain(value: float) -> str:
    return f"{value:,.15g}"
