"""Whether a server can listen at an address; `make serve` asks first.

BentoML tells of a port that is taken only after it has loaded everything, with a stack and without a remedy.
"""

from __future__ import annotations

import argparse
import socket

HIGHEST = 65_535


def refusal(host: str, port: str) -> str | None:
    """Why nothing can listen there and what to do, or None."""
    if not (port.isdecimal() and int(port) <= HIGHEST):  # the system would take a higher one for another
        return f"{port} is no port; name one with PORT=…, up to {HIGHEST}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listener:
            # As BentoML listens: connections that have just ended keep nobody out.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as exc:
        return f"{host}:{port} can't be listened on ({exc.strerror}); name another with PORT=… or HOST=…"
    return None


def main() -> None:
    """Exit with the refusal, if there is one."""
    parser = argparse.ArgumentParser(prog="setup/port.py", description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port")
    given = parser.parse_args()
    refused = refusal(given.host, given.port)
    if refused:
        parser.exit(1, f"setup: {refused}\n")


if __name__ == "__main__":
    main()
