"""CPython's choice of ciphers, where nobody has made one."""

from __future__ import annotations

import ssl
from functools import wraps
from typing import Any

import uvicorn.config

from serving.bento.tls import BENTOML_CIPHERS

CIPHERS = "@SECLEVEL=2:ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:DHE+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM"
"""As CPython builds it in (Modules/_ssl.c); a system's own Python may take OpenSSL's instead, as Debian's does, and
with it CBC with SHA-1."""


def default_ciphers() -> None:
    """Have uvicorn take these for BentoML's. Doing it again changes nothing."""
    create = uvicorn.config.create_ssl_context
    if getattr(create, "default_ciphers", False):
        return

    @wraps(create)
    def with_default_ciphers(*, ciphers: str | None, **options: Any) -> ssl.SSLContext:
        return create(ciphers=CIPHERS if ciphers == BENTOML_CIPHERS else ciphers, **options)

    with_default_ciphers.default_ciphers = True  # type: ignore[attr-defined]  # a mark
    uvicorn.config.create_ssl_context = with_default_ciphers  # type: ignore[assignment]  # all by name, as it calls it
