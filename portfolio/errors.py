"""Everything that can be wrong with scoring a portfolio. A message names the remedy where there is one.

PortfolioError
+-- UnfitInputError       a file's columns are not what the contract asks for
+-- ChangedModelError     the model or policy is not what it was when the work began
+-- UnreadableInputError  the files can't be read, or aren't what they say they are
|   +-- InputChangedError they are others than when the work began
+-- OutputError           the folder of answers can't be written
|   +-- OtherWorkError    it holds another input's, model's, policy's or code's
|   +-- BusyError         another process works in it
+-- TooManyBadError       more rows are quarantined than --max-bad allows
+-- LostWorkersError      a part has cost several workers their lives
+-- EngineError           an engine isn't installed, or can't be reached
+-- NotComparableError    what is named isn't two of a kind
+-- NoApplicationsError   no row of the input is an application
+-- CancelledError        whoever asked for the work doesn't want it any more
"""

from __future__ import annotations

from collections.abc import Sequence


class PortfolioError(Exception):
    """Any of them.

    Attributes:
        exit_code: what the command ends with.
    """

    exit_code = 1


class UnfitInputError(PortfolioError):
    """Columns that can't be scored.

    Attributes:
        errors: "column: problem; remedy", one for each.
    """

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = tuple(errors)


class ChangedModelError(PortfolioError):
    """The model's or the policy's files are others than when the work began."""


class UnreadableInputError(PortfolioError):
    """Files that can't be read, or aren't what they say they are."""


class InputChangedError(UnreadableInputError):
    """Files that are others than when the work began."""


class OutputError(PortfolioError):
    """A folder of answers that can't be written."""


class OtherWorkError(OutputError):
    """A folder of answers that are another input's, model's, policy's or code's."""


class BusyError(OutputError):
    """Another process works in the folder of answers."""


class TooManyBadError(PortfolioError):
    """More rows are quarantined than --max-bad allows."""

    exit_code = 3


class LostWorkersError(PortfolioError):
    """A part that has cost several workers their lives."""


class EngineError(PortfolioError):
    """An engine that isn't installed, or can't be reached."""


class NotComparableError(PortfolioError):
    """Neither two policies nor two models."""


class NoApplicationsError(PortfolioError):
    """No row of the input is an application."""


class CancelledError(PortfolioError):
    """Whoever asked for the work doesn't want it any more."""
