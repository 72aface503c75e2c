"""Everything that can be wrong with records. A message is one line, and names the remedy where there is one.

RecordsError
+-- KeyRingError              the key file can't be used, or lacks a key
+-- SealBrokenError           what was sealed is damaged, or was sealed for another record
+-- UnreadableRecordError     bytes that are no record of their basis
+-- NotArchivedError          what was decided by is not in the archive
+-- RecordsUnavailableError   whether the records are kept is not known, so nothing may be answered
+-- CheckpointError           a checkpoint, its key or its place can't be used
+-- KeyInWorkError            a request with the same key is being answered
+-- OtherRequestError         another request was answered under the same key
+-- AnsweredAlreadyError      keys that others have been answered meanwhile; nothing was kept
+-- AnswersSpooledError       answers that only this machine knows of yet, so that they must not be given
+-- ContradictionError        (events/telling.py) what is told contradicts what is known
+-- OutcomesError             (events/outcomes.py) lines of reported outcomes are wrong
+-- MissingPyarrowError       (upkeep/export.py) what writes Parquet isn't installed
+-- StoreError                a store that can't be used
    +-- StoreUnavailableError it can't be reached, or can't write, now
    +-- StoreVersionError     its schema is not the one that this version writes
"""

from __future__ import annotations


class RecordsError(Exception):
    """Any of them."""


class KeyRingError(RecordsError):
    """A key file that can't be used, or a key that isn't in it."""


class SealBrokenError(RecordsError):
    """What was sealed is damaged, or was sealed for another record."""


class UnreadableRecordError(RecordsError):
    """Bytes that are no record of their basis."""


class NotArchivedError(RecordsError):
    """What was decided by is not in the archive."""


class RecordsUnavailableError(RecordsError):
    """Whether the records are kept is not known, so nothing may be answered."""


class CheckpointError(RecordsError):
    """A checkpoint, its key or its place can't be used."""


class KeyInWorkError(RecordsError):
    """A request with the same key is being answered."""


class OtherRequestError(RecordsError):
    """Another request was answered under the same key."""


class AnsweredAlreadyError(RecordsError):
    """Keys that others have been answered meanwhile; nothing was kept.

    Attributes:
        keys: those.
    """

    def __init__(self, keys: frozenset[bytes]) -> None:
        super().__init__("answered meanwhile")
        self.keys = keys


class AnswersSpooledError(RecordsError):
    """Answers that only this machine knows of yet, so that they must not be given; all that came with them is kept."""


class StoreError(RecordsError):
    """A store that can't be used."""


class StoreUnavailableError(StoreError):
    """It can't be reached, or can't write, now."""


class StoreVersionError(StoreError):
    """Its schema is not the one that this version of the service writes."""
