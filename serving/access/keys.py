"""API keys: what one looks like, what the file keeps of it, and how one that is sent is found again.

A key is 256 bits of the system's randomness, so that its SHA-256 can neither be guessed nor reversed, and needs no slow
hash. Whatever is sent costs the same: one digest and one look-up by it. How long a look-up takes can tell something of
digests only, which nobody can choose keys by.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serving.access.callers import MAX_NAME, Caller, Reason
from serving.routes import AccessScope

PREFIX = "crk_"
"""By which scanners and people recognise a key that has got somewhere."""

_BYTES = 32
KEY_LENGTH = len(PREFIX) + 43
"""The secret in base64url, without padding."""

NAME = r"[a-z0-9][a-z0-9._-]*"
MAX_FILE_BYTES = 1_048_576


class KeysError(Exception):
    """A keys file that can't be used, or a change of one that can't be made; the message says what to do."""


class KeyEntry(BaseModel):
    """What the file keeps of one key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=f"^{NAME}$", max_length=MAX_NAME)]
    scopes: Annotated[tuple[AccessScope, ...], Field(min_length=1)]
    created: date
    expires: Annotated[date, Field(description="The last day, in UTC, on which it is valid.")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

    @property
    def id(self) -> str:
        """What tells it apart from others of its name."""
        return self.sha256[:12]

    @property
    def end(self) -> float:
        """When it stops being valid, Unix time."""
        return datetime.combine(self.expires + timedelta(days=1), datetime.min.time(), UTC).timestamp()


class KeysDocument(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    keys: tuple[KeyEntry, ...] = ()


def new_key() -> str:
    """A key that nobody has."""
    return PREFIX + secrets.token_urlsafe(_BYTES)


def digest(key: bytes) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key).digest()


def parse_keys(content: bytes) -> KeysDocument:
    """A keys file's content.

    Raises:
        KeysError: it is none, or a key is in it twice.
    """
    if len(content) > MAX_FILE_BYTES:
        raise KeysError(f"holds more than {MAX_FILE_BYTES} bytes; revoke the keys that have expired")
    try:
        document = KeysDocument.model_validate_json(content)
    except ValidationError as exc:
        error = exc.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, error["loc"])) or "the file"
        raise KeysError(f"{place}: {error['msg']}; write it with `python -m serving keys`") from None
    digests = [entry.sha256 for entry in document.keys]
    if len(set(digests)) < len(digests):
        raise KeysError("holds a key twice; write it with `python -m serving keys`")
    return document


@dataclass(frozen=True, slots=True)
class _Valid:
    digest: bytes
    caller: Caller
    end: float


class KeyRing:
    """The keys of one reading of the file."""

    def __init__(self, entries: Sequence[KeyEntry] = ()) -> None:
        valid = [_Valid(bytes.fromhex(e.sha256), Caller(e.name, frozenset(e.scopes)), e.end) for e in entries]
        self._by_digest: Mapping[bytes, _Valid] = {each.digest: each for each in valid}

    @property
    def names(self) -> list[str]:
        """Of the callers, each once."""
        return list(dict.fromkeys(each.caller.name for each in self._by_digest.values()))

    def find(self, sent: bytes | Reason, now: float) -> Caller | Reason:
        """Whose key was sent, or what is wrong with it.

        Args:
            sent: the credential, or why there is none.
            now: Unix time.
        """
        usable = isinstance(sent, bytes) and len(sent) == KEY_LENGTH
        # What can't be a key costs as much as what could be one.
        sought = digest(sent if usable else bytes(KEY_LENGTH))  # type: ignore[arg-type]  # bytes, where it is usable
        found = self._by_digest.get(sought)
        if found is None or not usable or not hmac.compare_digest(found.digest, sought):
            return sent if isinstance(sent, Reason) else Reason.UNKNOWN
        return found.caller if now < found.end else Reason.EXPIRED
