"""Everything that can be wrong with records. A message is one line, and names the remedy where there is one.

RecordsError
+-- KeyRingError              the key file can't be used, or lacks a key
+-- SealBrokenError           what was sealed is damaged, or was sealed for another record
+-- UnreadableRecordError     bytes that are no record of their basis
+-- NotArchivedError          what was decided by is not in the archive
+-- RecordsUnavailableError   whether the records are kept is not known, so nothing may be answered
+-- StoreError                a store that can't be used
+-- StoreUnavailableError   it can't be reached, or can't write, now
+-- StoreVersionError       its schema is not the one that this version writes
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


class StoreError(RecordsError):
    """A store that can't be used."""


class StoreUnavailableError(StoreError):
    """It can't be reached, or can't write, now."""


class StoreVersionError(StoreError):
    """Its schema is not the one that this version of the service writes."""
