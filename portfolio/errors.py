"""Everything that can be wrong with scoring a portfolio. A message names the remedy where there is one.

PortfolioError
+-- UnfitInputError      a file's columns are not what the contract asks for
+-- ChangedModelError    the model or policy is not what it was when the work began
+-- NotComparableError   what is named isn't two of a kind
+-- NothingToCompareError no row of the input is an application
+-- CancelledError       whoever asked for the work doesn't want it any more
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


class NotComparableError(PortfolioError):
    """Neither two policies nor two models."""


class NothingToCompareError(PortfolioError):
    """No row of the input is an application."""


class CancelledError(PortfolioError):
    """Whoever asked for the work doesn't want it any more."""
