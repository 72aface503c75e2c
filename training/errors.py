"""What can be wrong with what training was given.

TrainingError
+-- DataError     the CSV can't be read, or can't be trained on
+-- OutputError   the folder can't be written
"""

from __future__ import annotations


class TrainingError(Exception):
    """Training can't go on; the message is one line with the remedy."""


class DataError(TrainingError):
    """The training data can't be read, or can't be trained on."""


class OutputError(TrainingError):
    """The artifact can't be written where it was asked for."""
