"""The keys that records are sealed with.

Each record has a data key of its own, which seals it and nothing else (AES-256-GCM), and which is kept beside it,
itself sealed by one of the ring's keys. Destroying the data key destroys the record's content, wherever copies of it
lie; turning to a new key of the ring touches data keys only.

A reference is kept as a tag: a keyed hash, by which a record can be found and which tells nothing without the ring.
"""

from __future__ import annotations

import base64
import fcntl
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import Field, StringConstraints, model_validator

from preprocessing.documents import InvalidDocumentError, Strict, read_document
from records.durable import make_folder_durably, replace_durably
from records.errors import KeyRingError, SealBrokenError

KEY_BYTES = 32
TAG_BYTES = 16
DIGEST_BYTES = 16
_NONCE_BYTES = 12
_NUMBER_BYTES = 2
_DRAWN_BYTES = KEY_BYTES + _NONCE_BYTES
"""Of the system's randomness, for each record."""

_ONCE = bytes(_NONCE_BYTES)
"""The nonce under a key that seals one message only."""

Secret = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$")]


class KeyFile(Strict):
    """The file: 256-bit keys in Base64, by number; the highest seals, all of them open.

    Attributes:
        keys: by number.
        references: makes tags of references. It stays when keys are added, or nothing would be found again.
    """

    format: Literal[1] = 1
    keys: Annotated[dict[Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,3}$")], Secret], Field(min_length=1)]
    references: Secret

    @model_validator(mode="after")
    def _apart(self) -> Self:
        secrets = [*self.keys.values(), self.references]
        if len(set(secrets)) < len(secrets):
            raise ValueError("two keys are the same; make each by `python -m records key`")
        return self


class Sealed(NamedTuple):
    """What was sealed, and its data key, sealed itself; without the key nobody can open it."""

    content: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of a file, ready to use.

    Attributes:
        current: number of the key that seals.
    """

    current: int
    _ciphers: dict[int, AESGCM] = field(repr=False)
    _references: bytes = field(repr=False)

    def seal(self, content: bytes, record: bytes) -> Sealed:
        """Seal a record's content under a new data key. `record`, its id, must be given again to open it."""
        return self.seal_each([content], [record])[0]

    def seal_each(self, contents: Sequence[bytes], records: Sequence[bytes]) -> list[Sealed]:
        """The same of many, each under a data key of its own."""
        wrap, number = self._ciphers[self.current].encrypt, self.current.to_bytes(_NUMBER_BYTES)
        drawn = os.urandom(len(contents) * _DRAWN_BYTES)  # asking the system is a quarter of what sealing one costs
        sealed = []
        for content, record, start in zip(contents, records, range(0, len(drawn), _DRAWN_BYTES), strict=True):
            data_key, nonce = drawn[start : start + KEY_BYTES], drawn[start + KEY_BYTES : start + _DRAWN_BYTES]
            closed = AESGCM(data_key).encrypt(_ONCE, content, record)
            sealed.append(Sealed(closed, number + nonce + wrap(nonce, data_key, record)))
        return sealed

    def open(self, sealed: Sealed, record: bytes) -> bytes:
        """What was sealed.

        Raises:
            KeyRingError: the key that sealed it is not in the ring.
            SealBrokenError: content or key are damaged, or another record's.
        """
        try:
            return AESGCM(self._data_key(sealed.key, record)).decrypt(_ONCE, sealed.content, record)
        except InvalidTag:
            raise SealBrokenError("sealed content that doesn't open: damaged, or another record's") from None

    def renewed(self, key: bytes, record: bytes) -> bytes:
        """A data key, sealed anew by the current key.

        Raises:
            KeyRingError, SealBrokenError: as `open`.
        """
        nonce = os.urandom(_NONCE_BYTES)
        wrapped = self._ciphers[self.current].encrypt(nonce, self._data_key(key, record), record)
        return self.current.to_bytes(_NUMBER_BYTES) + nonce + wrapped

    def is_current(self, key: bytes) -> bool:
        """Whether a data key is sealed by the current key."""
        return int.from_bytes(key[:_NUMBER_BYTES]) == self.current

    def seal_told(self, content: bytes, key: bytes, record: bytes, bound: bytes) -> bytes:
        """Seal what is told of a record later, so that whoever destroys the record's data key destroys this too.

        Args:
            content: what is told.
            key: the record's data key, sealed.
            record: its id.
            bound: must be given again to open it.

        Raises:
            KeyRingError, SealBrokenError: as `open`.
        """
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._beside(key, record).encrypt(nonce, content, bound)

    def open_told(self, sealed: bytes, key: bytes, record: bytes, bound: bytes) -> bytes:
        """What was told.

        Raises:
            KeyRingError, SealBrokenError: as `open`.
        """
        nonce, content = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._beside(key, record).decrypt(nonce, content, bound)
        except (InvalidTag, ValueError):
            raise SealBrokenError("what was told of a record doesn't open: damaged, or another record's") from None

    def tag(self, reference: str) -> bytes:
        """What a record of this reference is found by."""
        return hmac.digest(self._references, reference.encode(), sha256)[:TAG_BYTES]

    def digest(self, purpose: str, *parts: bytes) -> bytes:
        """What stands for these parts in their order, for one purpose: no other purpose's, and no tag."""
        # A reference has no control character. Without their lengths, two lists of parts could be the same bytes.
        framed = b"".join(len(part).to_bytes(8) + part for part in parts)
        return hmac.digest(self._references, b"\0" + purpose.encode() + b"\0" + framed, sha256)[:DIGEST_BYTES]

    def _beside(self, key: bytes, record: bytes) -> AESGCM:
        # A data key itself seals once only, and always with the same nonce.
        return AESGCM(hmac.digest(self._data_key(key, record), b"told", sha256))

    def _data_key(self, key: bytes, record: bytes) -> bytes:
        number = int.from_bytes(key[:_NUMBER_BYTES])
        if number not in self._ciphers:
            raise KeyRingError(f"key {number} is not in the key file; put it back, or these records stay closed")
        nonce, wrapped = key[_NUMBER_BYTES:][:_NONCE_BYTES], key[_NUMBER_BYTES + _NONCE_BYTES :]
        try:
            return self._ciphers[number].decrypt(nonce, wrapped, record)
        except (InvalidTag, ValueError):
            raise SealBrokenError("a data key that doesn't open: damaged, or another record's") from None


def read_keyring(path: Path) -> KeyRing:
    """The keys of a file.

    Raises:
        KeyRingError: the file isn't there, can be read by others, or is no key file.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o007:
                raise KeyRingError(f"{path}: anyone may read it; chmod o= {path}")
            document = read_document(KeyFile, file.read())
    except OSError as exc:
        raise KeyRingError(f"{path}: {exc.strerror}; make one by `python -m records key {path}`") from exc
    except InvalidDocumentError as exc:
        raise KeyRingError(f"{path}: {'; '.join(exc.problems)}") from exc
    secrets = {int(number): base64.b64decode(secret) for number, secret in document.keys.items()}
    return KeyRing(
        max(secrets),
        {number: AESGCM(secret) for number, secret in secrets.items()},
        base64.b64decode(document.references),
    )


def add_key(path: Path) -> int:
    """Add a key to a file, or make the file with its first one; in one step, so that no key is ever lost.

    Returns:
        The new key's number.

    Raises:
        KeyRingError: there is a file that can't be used.
    """
    make_folder_durably(path.parent)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            read_keyring(path)
            known = read_document(KeyFile, path.read_bytes())
            number = max(map(int, known.keys)) + 1
            new = known.model_copy(update={"keys": known.keys | {str(number): _secret()}})
        else:
            number = 1
            new = KeyFile(keys={"1": _secret()}, references=_secret())
        replace_durably(path, new.model_dump_json(indent=2).encode() + b"\n")
    return number


def _secret() -> str:
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()
