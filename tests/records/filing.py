"""A server that keeps what is PUT, if what is there is what the sender has read; and that fails as it is told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Filed:
    """What is kept, and how the next requests fare.

    Attributes:
        url: of the one resource.
        content: of it; None where there is none.
        faults: of the next requests, one each: a status, `lost` (done, and no answer), `slow` (no answer), `late` (a
            body without end) or nothing.
        asked: methods and statuses, so far.
        authorization: what was sent last in this header.
        etag: whether one is given.
    """

    url: str = ""
    content: bytes | None = None
    faults: list[int | str | None] = field(default_factory=list)
    asked: list[tuple[str, int]] = field(default_factory=list)
    authorization: str | None = None
    etag: bool = True
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def version(self) -> str | None:
        return None if self.content is None else f'"{sha256(self.content).hexdigest()}"'


class _Handler(BaseHTTPRequestHandler):
    @property
    def filed(self) -> Filed:
        assert isinstance(self.server, _Server)
        return self.server.filed

    def do_GET(self) -> None:
        fault = self._begin()
        if isinstance(fault, int):
            self._answer(fault)
        elif fault == "late":
            self._drip()
        elif self.filed.content is None:
            self._answer(404)
        else:
            self._answer(200, self.filed.content)

    def do_PUT(self) -> None:
        fault = self._begin()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if isinstance(fault, int):
            self._answer(fault)
        elif not self._meant():
            self._answer(412)
        elif fault == "lost":
            self.filed.content = body
            self.filed.asked.append(("PUT", 0))
            self.close_connection = True
        else:
            self.filed.content = body
            self._answer(201)

    def _meant(self) -> bool:
        """Whether what is there is what the sender counts on."""
        absent = self.filed.content is None
        return (self.headers.get("If-Match") in {None, self.filed.version}) and (
            absent or self.headers.get("If-None-Match") is None
        )

    def _begin(self) -> int | str | None:
        self.filed.authorization = self.headers.get("Authorization")
        fault = self.filed.faults.pop(0) if self.filed.faults else None
        if fault == "slow":
            self.filed.released.wait(60)
        return fault

    def _answer(self, status: int, content: bytes = b"") -> None:
        filed = self.filed
        filed.asked.append((self.command, status))
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if filed.etag and filed.version and status < 300:
            self.send_header("ETag", filed.version)
        if 300 <= status < 400:
            self.send_header("Location", f"{filed.url}/elsewhere")
        self.end_headers()
        with suppress(OSError):  # whoever asked has given up
            self.wfile.write(content)

    def _drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        with suppress(OSError):  # the same
            while not self.filed.released.is_set():
                self.wfile.write(b".")
                time.sleep(0.05)

    def log_message(self, *_: object) -> None:
        """Silent."""


class _Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.filed = Filed(f"http://127.0.0.1:{self.server_port}/checkpoints")


@contextmanager
def filing() -> Iterator[Filed]:
    """A running one."""
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.filed
        finally:
            server.filed.released.set()
            server.shutdown()
            thread.join()
