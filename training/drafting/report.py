"""`draft_report.md`: what was noticed about a file, apart from any row, and what is for a person to decide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from preprocessing.documents import printable
from training.drafting.alike import Alike
from training.drafting.fields import Document, Drafted

_MOST_NAMED = 6


@dataclass(frozen=True, slots=True)
class Rows:
    """What became of a file's rows.

    Attributes:
        read: all of them.
        unlabelled: without a label.
        surplus: with more cells than there are columns.
        short: with fewer.
        equal: that repeat an earlier one, label and all.
        defaults: with a label that says defaulted.
    """

    read: int
    unlabelled: int
    surplus: int
    short: int
    equal: int
    defaults: int

    @property
    def usable(self) -> int:
        """Rows that the draft was made from."""
        return self.read - self.unlabelled - self.surplus


def report(  # noqa: PLR0913, PLR0917  # all that was noticed
    file: str, sha256: str, rows: Rows, contract: Document, drafted: Sequence[Drafted], near: Alike | None
) -> str:
    """The report in Markdown."""
    left_out = [f"- `{printable(d.column.name)}`: {d.left_out}" for d in drafted if d.field is None]
    asked = [f"- {question}" for question in contract["decide"]]
    asked += [
        f"- `{field['name']}`: {question}" for field in contract["fields"] for question in field.get("decide", ())
    ]
    label = contract["label"]
    return f"""# What the draft noticed in {printable(file)}

sha256 `{sha256}`. The ranges are rounded outward and examples are rounded medians: no row of the file is in the draft.

- {rows.read} rows: {rows.unlabelled} without a label and {rows.surplus} with more cells than there are columns are left
  out; {rows.short} have fewer cells, and the rest of them counts as missing.
- {rows.defaults} of {rows.usable} defaulted ({rows.defaults / rows.usable:.2%}):
  `{label["column"]}` is {_values(label["defaulted"])}. It is {_values(label["repaid"])} where the loan was repaid.
- {rows.equal} rows repeat an earlier one, label and all. Training drops them where the contract names the fields that
  tell one applicant from another (`applicant`), and keeps them where it names none.
{_alike(near)}

## To be decided

Training refuses the contract until each is settled and its `decide` entry removed.

{_lines(asked)}

## Columns

AUC is how well the column tells defaults by itself.

| column | field | type | use | missing | distinct | holds | AUC |
|---|---|---|---|---|---|---|---|
{_lines(_row(d) for d in drafted if d.field is not None)}

## Left out

{_lines(left_out) or "Nothing."}
"""


def _alike(near: Alike | None) -> str:
    if near is None:
        return "- No more rows look alike than chance explains."
    return f"""- {near.rows} rows agree with another in all of {_values(near.columns)}
  ({near.by_chance:.0f} would by chance), and {near.labels:.1%} of their labels are those of their like
  ({near.default_rate:.1%} of them defaulted). One applicant's rows leak across a random split: if that is what they
  are, name such fields in `applicant`."""


def _row(drafted: Drafted) -> str:
    column, field = drafted.column, drafted.field or {}
    cells = (
        printable(column.name),
        f"`{field['name']}`",
        field["type"],
        field.get("use", "score") if field["type"] not in ("date", "reference") else "never scored",
        f"{column.missing:.1%}",
        str(column.distinct),
        _holds(field),
        f"{column.auc:.3f}",
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _holds(field: Document) -> str:
    if "minimum" in field:
        codes = ", ".join(f"{code:g}" for code in field.get("codes", {}).values())
        return f"{field['minimum']:g} to {field['maximum']:g}" + (f"; codes {codes}" if codes else "")
    categories = [printable(c, 30) for c in field.get("categories", [field[k] for k in ("yes", "no") if k in field])]
    more = f" and {len(categories) - _MOST_NAMED} more" if len(categories) > _MOST_NAMED else ""
    return ", ".join(categories[:_MOST_NAMED]) + more


def _values(values: Iterable[Any]) -> str:
    return ", ".join(printable(str(value), 30) for value in values)


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines)
