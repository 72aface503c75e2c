"""A column of a file as cells: numbers or texts as a JSON document would have them, or nothing.

Nothing is rounded on the way. Decimals are read from their text, for Arrow's own cast differs in the last bit from what
the text says; a float32 is refused, for it no longer is the number that was meant.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from preprocessing.fields import AnyField, Date, Reference

MISSING = ("", "na", "nan", "null")
"""What stands in a text cell without a value, in any case; as in training data."""

_NUMERAL = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\s*$"
"""What is read as a number: decimal digits, with nothing between them."""


class Cells(NamedTuple):
    """A field's column.

    Attributes:
        values: integers, float64 or texts, null where there is nothing to read.
        unread: of a column of texts where numbers are asked, those that say none; null elsewhere.
    """

    values: pa.Array
    unread: pa.Array | None = None

    def taken(self, rows: pa.Array) -> list[Any]:
        """The cells of some rows as Python has them, None where there is none."""
        values: list[Any] = self.values.take(rows).to_pylist()
        if self.unread is None:
            return values
        unread = self.unread.take(rows).to_pylist()
        return [value if text is None else text for value, text in zip(values, unread, strict=True)]


def misfit(field: AnyField, kind: pa.DataType, *, text: bool) -> str | None:
    """What is wrong with a column of this type for a field, with the remedy; None where it is fit.

    Args:
        field: whose column it is.
        kind: its type.
        text: whether the file tells no numbers from texts, as CSV.
    """
    kind = _plain(kind)
    if pa.types.is_null(kind):
        return None
    if field.json_type != "string":
        if pa.types.is_float32(kind) or pa.types.is_float16(kind):
            return f"is of type {kind}, which rounds 10.6 to 10.600000381; write it as float64, from where it was exact"
        fit = pa.types.is_float64(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)
        asked = "numbers"
    elif isinstance(field, Date):
        fit, asked = pa.types.is_date(kind) or _is_text(kind), "days (date32), or texts as YYYY-MM-DD"
    elif isinstance(field, Reference):
        fit, asked = pa.types.is_integer(kind) or _is_text(kind), "texts or whole numbers"
    else:
        whole = pa.types.is_integer(kind) or pa.types.is_float64(kind)
        fit, asked = whole or _is_text(kind), "texts"
    if fit or (text and _is_text(kind)):
        return None
    return f"is of type {kind} where {asked} are asked; cast it"


def cast(column: pa.ChunkedArray, field: AnyField, *, text: bool) -> Cells:
    """A column that is no misfit, as cells; see `misfit` for the arguments."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_run_end_encoded(array.type):
        array = pc.run_end_decode(array)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if _is_text(array.type):
        array = _sound(array)
    kind = array.type
    if pa.types.is_null(kind):
        return Cells(array.cast(pa.string()))
    if pa.types.is_float64(kind):
        array = pc.if_else(pc.is_nan(array), pa.scalar(None, pa.float64()), array)
    if field.json_type != "string":
        return _numbers(array, text=text)
    return Cells(_texts(array, text=text))


def _numbers(array: pa.Array, *, text: bool) -> Cells:
    kind = array.type
    if pa.types.is_decimal(kind):
        return Cells(_read(array.cast(pa.string())))
    if not _is_text(kind):
        return Cells(array)
    array = _stated(array.cast(pa.string())) if text else array.cast(pa.string())
    numeral = pc.match_substring_regex(array, _NUMERAL)
    values = _read(pc.if_else(numeral, array, pa.scalar(None, pa.string())))
    # What no float holds is no number here either, as in a document that states a text.
    read = pc.is_finite(values)
    values = pc.if_else(read, values, pa.scalar(None, pa.float64()))
    unread = pc.if_else(pc.fill_null(read, False), pa.scalar(None, pa.string()), array)
    return Cells(values, unread if unread.null_count < len(unread) else None)


def _read(texts: pa.Array) -> pa.Array:
    """The float64 nearest to what each text says, as Python reads it."""
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(texts, r"^\s*\+", "")).cast(pa.float64())


def _texts(array: pa.Array, *, text: bool) -> pa.Array:
    kind = array.type
    if pa.types.is_float64(kind):
        # A column of whole numbers with gaps becomes one of floats in many tools.
        return pa.array([None if value is None else _spelt(value) for value in array.to_pylist()], pa.string())
    array = array.cast(pa.string())
    return _stated(array) if text else array


def _spelt(value: float) -> str:
    return str(int(value)) if value.is_integer() else str(value)


def _stated(array: pa.Array) -> pa.Array:
    missing = pc.is_in(pc.ascii_lower(pc.utf8_trim_whitespace(array)), value_set=pa.array(MISSING))
    return pc.if_else(missing, pa.scalar(None, pa.string()), array)


def _sound(array: pa.Array) -> pa.Array:
    """Texts, those that are no UTF-8 with a control character in front: nothing in a contract takes one."""
    try:
        array.validate(full=True)
    except pa.ArrowException:
        contents = array.cast(pa.large_binary()).to_pylist()
        return pa.array([None if content is None else _text(content) for content in contents], pa.string())
    return array


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return "\0" + content.decode(errors="replace")


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _plain(kind: pa.DataType) -> pa.DataType:
    """What a column of this type holds, however it is encoded."""
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _plain(kind.value_type)
    return kind
