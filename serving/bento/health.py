"""The image's health check, `python serving/bento/health.py [/readyz]`: asks the container's own server.

A file of its own that imports nothing of the service, since it is run every few seconds.
"""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection

SECONDS = 2.0


def connection(environment: Mapping[str, str]) -> HTTPConnection:
    """A connection to the server that a container with these variables runs.

    Where client certificates are asked for, it shows the server's own.
    """
    port = int(environment.get("BENTOML_PORT") or 3000)
    certificate = environment.get("BENTOML_SSL_CERTFILE")
    if not certificate:
        return HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nobody else listens there
    if (environment.get("BENTOML_SSL_CERT_REQS") or "0") != "0":
        key, password = environment.get("BENTOML_SSL_KEYFILE"), environment.get("BENTOML_SSL_KEYFILE_PASSWORD")
        context.load_cert_chain(certificate, key or None, password)
    return HTTPSConnection("127.0.0.1", port, timeout=SECONDS, context=context)


def main(path: str = "/readyz") -> str | None:
    """None where GET `path` is 200, else what it was instead."""
    try:
        asked = connection(os.environ)
        asked.request("GET", path)
        status = asked.getresponse().status
    except (OSError, HTTPException) as exc:  # TLS's errors are OSErrors
        return f"{path}: {type(exc).__name__}: {exc}"
    return None if status == 200 else f"{path}: {status}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
