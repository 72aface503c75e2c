"""An OpenID Connect issuer for the tests: keys, tokens, discovery document and key set, over loopback HTTP."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "credit-risk"
_PUBLIC = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}


def private_key(algorithm: str, bits: int = 2048) -> Any:
    """A new key for an algorithm."""
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return ec.generate_private_key(ec.SECP256R1()) if algorithm == "ES256" else ed25519.Ed25519PrivateKey.generate()


class Signer:
    """One of an issuer's keys."""

    def __init__(self, kid: str | None, algorithm: str, bits: int = 2048) -> None:
        self.kid = kid
        self.algorithm = algorithm
        self.private = private_key(algorithm, bits)

    @property
    def public(self) -> dict[str, Any]:
        """Its entry in the key set."""
        entry = _PUBLIC[self.algorithm].to_jwk(self.private.public_key(), as_dict=True)
        named = {"kid": self.kid} if self.kid is not None else {}
        return entry | named | {"alg": self.algorithm, "use": "sig"}

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """A token; headers that are None are left out."""
        headers = {name: value for name, value in ({"kid": self.kid} | header).items() if value is not None}
        return jwt.encode(claims, self.private, self.algorithm, headers)


def claims(issuer: str, **changed: Any) -> dict[str, Any]:
    """What a good token says; a claim that is None is left out."""
    now = int(time.time())
    good = {"iss": issuer, "aud": AUDIENCE, "sub": "loan-desk", "iat": now, "nbf": now, "exp": now + 300}
    return {name: value for name, value in (good | {"scope": "decide batch"} | changed).items() if value is not None}


def key_set(*signers: Signer) -> bytes:
    """A JSON Web Key Set."""
    return json.dumps({"keys": [signer.public for signer in signers]}).encode()


class Issuer:
    """Answers until it is stopped, and again from when it is started anew on the same port.

    Attributes:
        signers: whose keys are in the key set.
        asked: the paths that were asked for.
    """

    def __init__(self, *signers: Signer) -> None:
        self.signers = list(signers)
        self.asked: list[str] = []
        self.discovery: dict[str, Any] = {}
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """The issuer, as its tokens name it."""
        return f"http://127.0.0.1:{self._port}/realm"

    def start(self) -> None:
        """Answer from now on."""
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                document = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"} | issuer.discovery
                body = key_set(*issuer.signers) if self.path.endswith("/keys") else json.dumps(document).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        """Refuse connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@contextmanager
def issuing(*signers: Signer) -> Iterator[Issuer]:
    """An issuer that answers."""
    issuer = Issuer(*signers)
    issuer.start()
    try:
        yield issuer
    finally:
        issuer.stop()
