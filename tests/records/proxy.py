"""A proxy before a server, that loses what it is told to lose."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Proxy:
    """One on a free port of 127.0.0.1.

    Attributes:
        port: its own.
        spares: how many more answers of the server pass before that.
        cuts: how many more answers of the server are lost, each with its connection; the request has arrived.
        lost: how many were.
    """

    to: int
    port: int = 0
    spares: int = 0
    cuts: int = 0
    lost: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)

    def accept(self, listener: socket.socket) -> None:
        """Serve connections until the listener is shut down."""
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(client,), daemon=True))
                self._threads[-1].start()

    def join(self) -> None:
        """Wait until all connections have ended."""
        for thread in self._threads:
            thread.join()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(("127.0.0.1", self.to)) as server:
            while True:
                ready, _, _ = select.select([client, server], [], [])
                for one in ready:
                    data = one.recv(65536)
                    if not data or (one is server and self._cut()):
                        return
                    (server if one is client else client).sendall(data)

    def _cut(self) -> bool:
        with self._lock:
            if self.spares:
                self.spares -= 1
                return False
            cut = self.cuts > 0
            self.cuts -= cut
            self.lost += cut
        return cut


@contextmanager
def proxy(to: int) -> Iterator[Proxy]:
    """A running one before the port `to`."""
    running = Proxy(to)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        running.port = listener.getsockname()[1]
        thread = threading.Thread(target=running.accept, args=(listener,), daemon=True)
        thread.start()
        try:
            yield running
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # which ends `accept`; closing alone doesn't
            thread.join()
    running.join()
