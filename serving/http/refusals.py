"""How much is said of bad input: an answer must not outgrow its request by more than a bounded measure.

A list of 500 empty objects takes a kilobyte; naming each field that each of them lacks would take 300.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic_core import to_json

from preprocessing.application import FieldError, InvalidApplicationError
from serving.http.problems import InvalidRequestError, error_document

MAX_ANSWER_BYTES = 65_536
"""What an answer to bad input may hold, whatever was sent."""

MAX_GROWTH = 4
"""How much larger than its request a partial batch's answer may be made by its bad rows, where that is more."""

_REST_BYTES = 4096
"""For what an answer holds besides the errors."""

_COUNTED_BYTES = 100
"""The most that one row takes whose errors are only counted."""


def invalid(errors: Sequence[FieldError], unread: int = 0) -> InvalidRequestError:
    """What is said of a request with these errors in it.

    Args:
        errors: all that are known.
        unread: rows behind them that were not looked at.
    """
    named = f"{len(errors)} invalid field(s); `errors` names each"
    if not unread:
        return InvalidRequestError(named, errors=errors)
    rest = FieldError((), f"{unread} more row(s) were not checked; mend these first, and send all again", "more_rows")
    return InvalidRequestError(
        f"{len(errors)} or more invalid fields; `errors` names the first", errors=[*errors, rest]
    )


class Room:
    """What is left of an answer for the errors of bad rows.

    Args:
        request_bytes: size of the request's body.
        rows: in the request.
        partial: whether good rows are answered in spite of bad ones, so that each bad row keeps its place.
    """

    def __init__(self, request_bytes: int, rows: int, *, partial: bool) -> None:
        most = max(MAX_ANSWER_BYTES, MAX_GROWTH * request_bytes) if partial else MAX_ANSWER_BYTES
        self._left = most - _REST_BYTES
        self._rows = rows
        self._kept = _COUNTED_BYTES if partial else 0

    def take(self, row: int, errors: Sequence[FieldError]) -> bool:
        """Take room for a row's errors, if there is enough without that of the rows behind it."""
        wanted = sum(len(to_json(error_document(error))) + 1 for error in errors) + len('{"errors":[]},')
        if wanted > self._left - self._kept * (self._rows - row - 1):
            return False
        self._left -= wanted
        return True

    def counted(self, row: int, exc: InvalidApplicationError) -> InvalidApplicationError:
        """A bad row's errors within what was kept for it: their number.

        Raises:
            InvalidRequestError: there is not even room for that.
        """
        errors = (FieldError((row,), f"{len(exc.errors)} invalid field(s); send it alone", "many_errors"),)
        if not self.take(row, errors):
            raise InvalidRequestError(
                f"row {row} and others before it are invalid, more than an answer has room for; send fewer rows"
            )
        return InvalidApplicationError(errors)
