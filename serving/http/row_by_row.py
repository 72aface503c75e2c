"""The rows of a list read one by one, and what is wrong with the bad ones, as far as an answer has room for it."""

from __future__ import annotations

from collections.abc import Callable

from preprocessing.application import Application, FieldError, InvalidApplicationError
from preprocessing.contract import Contract
from serving.http.refusals import Room, invalid

Count = Callable[[InvalidApplicationError, Contract], None]
"""Is told of each bad row, with its contract."""


class RowByRow:
    """One list's rows, to be read in order.

    Attributes:
        contract: what each has to be.
        bad: what is wrong with those of a partial batch, by row.

    Args:
        request_bytes: size of the request's body.
        size: rows of the list.
        partial: whether good rows are answered in spite of bad ones.
    """

    def __init__(self, contract: Contract, count: Count, request_bytes: int, size: int, *, partial: bool) -> None:
        self.contract = contract
        self.bad: dict[int, InvalidApplicationError] = {}
        self._count = count
        self._size = size
        self._partial = partial
        self._room = Room(request_bytes, size, partial=partial)
        self._errors: list[FieldError] = []

    def read(self, row: int, document: object) -> Application | None:
        """One row's application; None where it is bad.

        Raises:
            ProblemError: there is no room for what is wrong with it.
        """
        try:
            return self.contract.parse(document)
        except InvalidApplicationError as exc:
            problem = exc
        self._count(problem, self.contract)
        error = InvalidApplicationError(tuple(each.at(row) for each in problem.errors))
        fits = self._room.take(row, error.errors)
        if self._partial:
            self.bad[row] = error if fits else self._room.counted(row, error)
        elif fits:
            self._errors += error.errors
        else:
            raise invalid(self._errors, unread=self._size - row)
        return None

    def end(self) -> None:
        """All have been read.

        Raises:
            ProblemError: some were bad, and the batch is not partial.
        """
        if self._errors:
            raise invalid(self._errors)
