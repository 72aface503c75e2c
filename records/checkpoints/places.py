"""Where checkpoints are kept: one after the other, a line each, in a file or at a URL.

Whoever can change the store must not be able to change what is there.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from records.durable import sync_folder
from records.errors import CheckpointError

SECONDS = 30.0
"""After which a server that doesn't answer is given up."""

MOST_BYTES = 1 << 30
_PART = 1 << 20
_PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Before it is tried again."""

_AGAIN = frozenset({408, 409, 412, 425, 429})
"""Statuses below 500 that may be others the next time: 409 and 412 tell that somebody else has written."""

Make = Callable[[bytes], bytes]


class Place(Protocol):
    """Keeps checkpoints. As a text it is its name, without secrets."""

    def contents(self) -> bytes:
        """All of them; nothing where there are none yet.

        Raises:
            CheckpointError: they can't be had.
        """

    def extend(self, make: Make) -> None:
        """Put one more behind them, durably and once.

        Args:
            make: the line, given all that are there; asked again where others have come in between.

        Raises:
            CheckpointError: whether it is there isn't known.
        """


def place(where: str, authorization: str | None = None, seconds: float = SECONDS) -> Place:
    """The place of this name: an http or https URL, or else a file's path.

    Args:
        where: the name.
        authorization: sent to a URL, in the header of this name.
        seconds: after which a server that doesn't answer is given up.

    Raises:
        CheckpointError: it names none.
    """
    scheme = where.partition("://")[0].lower() if "://" in where else ""
    if not scheme:
        return FilePlace(Path(where))
    if scheme not in {"http", "https"} or not urlsplit(where).hostname or "@" in urlsplit(where).netloc:
        raise CheckpointError("names neither a file nor an http or https URL; a password goes into --authorization")
    return UrlPlace(where, authorization, seconds)


def read_authorization(path: Path | None) -> str | None:
    """What a file says that is sent in the header; None where none is named.

    Raises:
        CheckpointError: it can't be read, or is no header.
    """
    if path is None:
        return None
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError as exc:
        raise CheckpointError(f"{path}: {exc.strerror}; name a file that holds `Bearer …` or `Basic …`") from exc
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable():
        raise CheckpointError(f"{path}: is no header's value; write `Bearer …` or `Basic …` on one line")
    return text


class FilePlace:
    """A file, which is only ever appended to: `chattr +a` may see to it.

    Args:
        path: made where it isn't there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def contents(self) -> bytes:
        """All of them."""
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as exc:
            raise self._error(exc) from exc

    def extend(self, make: Make) -> None:
        """Append one, under a lock."""
        try:
            with self._path.open("a+b") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise CheckpointError(f"{self._path}: another checkpoint is being made; wait for it") from None
                file.seek(0)
                content = file.read()
                whole = content.rfind(b"\n") + 1
                if whole < len(content):  # the power failed while it was written: nobody was told that it is there
                    file.truncate(whole)
                file.write(make(content[:whole]))
                file.flush()
                os.fsync(file.fileno())
            sync_folder(self._path.parent)
        except OSError as exc:
            raise self._error(exc) from exc

    def _error(self, exc: OSError) -> CheckpointError:
        return CheckpointError(f"{self._path}: {exc.strerror}; name a file that can be read and appended to")


class _Found(NamedTuple):
    content: bytes
    version: str | None


class _NoRedirects(HTTPRedirectHandler):
    """What is sent to one place is not for another."""

    def redirect_request(self, *_: Any) -> None:
        """None: the redirect is the answer, and an error."""


class UrlPlace:
    """What GET gives and PUT replaces, where PUT keeps to `If-Match` and `If-None-Match` (RFC 9110, 13.1).

    A PUT replaces only what was read before it, so that neither two runs nor a second try lose or double a line.
    """

    def __init__(self, url: str, authorization: str | None, seconds: float) -> None:
        self._url = url
        self._headers = {} if authorization is None else {"Authorization": authorization}
        self._seconds = seconds
        parts = urlsplit(url)
        self._name = f"{parts.scheme}://{parts.netloc}{parts.path}"  # without the query, which may hold a signature

    def __str__(self) -> str:
        return self._name

    def contents(self) -> bytes:
        """All of them."""
        found: _Found = self._tried(self._get)
        return found.content

    def extend(self, make: Make) -> None:
        """Put one more behind them."""
        seen, line = None, b""

        def put() -> None:
            nonlocal seen, line
            found = self._get()
            if line and found.content.endswith(line):
                return  # an earlier try has arrived, whose answer had not
            if found.content != seen:
                seen, line = found.content, make(found.content)
            condition = {"If-None-Match": "*"} if found.version is None else {"If-Match": found.version}
            self._ask("PUT", found.content + line, condition | {"Content-Type": "application/jsonl"})

        self._tried(put)

    def _tried(self, work: Callable[[], Any]) -> Any:
        for pause in _PAUSES:
            try:
                return work()
            except _AgainError:
                time.sleep(pause)
        return work()

    def _get(self) -> _Found:
        try:
            content, headers = self._ask("GET")
        except _NothingThereError:
            return _Found(b"", None)
        version = headers["ETag"]
        if version is None or version.startswith("W/"):
            raise CheckpointError(
                f"{self._name}: gives no strong ETag, without which two runs could overwrite each other; name a server "
                "that does"
            )
        if content and not content.endswith(b"\n"):
            raise CheckpointError(f"{self._name}: holds something else than checkpoints; name another place")
        return _Found(content, version)

    def _ask(
        self, method: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[bytes, Message]:
        request = Request(self._url, body, self._headers | (headers or {}), method=method)  # noqa: S310  # looked at in `place`
        end = time.monotonic() + self._seconds
        content = bytearray()
        try:
            with build_opener(_NoRedirects).open(request, timeout=self._seconds) as response:
                while part := response.read1(_PART):
                    content += part
                    if len(content) > MOST_BYTES:
                        raise CheckpointError(f"{self._name}: sends more than {MOST_BYTES} bytes; name another place")
                    if time.monotonic() > end:
                        raise TimeoutError("too slow")  # told as the others below
                return bytes(content), response.headers
        except HTTPError as exc:
            exc.close()
            if method == "GET" and exc.code in {404, 410}:
                raise _NothingThereError from None
            kind = _AgainError if exc.code >= 500 or exc.code in _AGAIN else CheckpointError
            raise kind(f"{self._name}: {method} was answered with {exc.code}") from None
        except (URLError, HTTPException, OSError) as exc:
            reason = exc.reason if isinstance(exc, URLError) else exc
            raise _AgainError(f"{self._name}: {method}: {type(exc).__name__}: {reason}") from None


class _AgainError(CheckpointError):
    """May go well the next time."""


class _NothingThereError(Exception):
    """Nothing is kept there yet."""
