"""What can be wrong with what training was given.

TrainingError
+-- BookError     a file of the loan book's folder can't be used
+-- DataError     the data can't be read, or can't be trained on
+-- OutputError   the folder can't be written
+-- SigningError  the key can't sign
"""

from __future__ import annotations

from decision import InvalidPolicyError
from preprocessing.contract import InvalidContractError
from scoring.artifact import ArtifactError
from signing.folders import FolderError


class TrainingError(Exception):
    """Training can't go on; the message is one line with the remedy."""


class BookError(TrainingError):
    """A file of the loan book's folder can't be used; the message may have a line for each fault."""


class DataError(TrainingError):
    """The training data can't be read, or can't be trained on."""


class OutputError(TrainingError):
    """The artifact can't be written where it was asked for."""


class SigningError(TrainingError):
    """The key that is to sign can't."""


REFUSALS = (TrainingError, ArtifactError, InvalidContractError, InvalidPolicyError, FolderError)
"""What a command tells on one line; anything else is a fault of the code."""
