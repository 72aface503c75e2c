"""Python's choice of ciphers, where nobody has made one."""

from __future__ import annotations

import ssl
from functools import wraps
from typing import Any

import uvicorn.config

from serving.bento.tls import BENTOML_CIPHERS


def default_ciphers() -> None:
    """Have uvicorn take Python's choice of ciphers for BentoML's. Doing it again changes nothing."""
    create = uvicorn.config.create_ssl_context
    if getattr(create, "default_ciphers", False):
        return

    @wraps(create)
    def with_default_ciphers(*, ciphers: str | None, **options: Any) -> ssl.SSLContext:
        return create(ciphers=None if ciphers == BENTOML_CIPHERS else ciphers, **options)

    with_default_ciphers.default_ciphers = True  # type: ignore[attr-defined]  # a mark
    uvicorn.config.create_ssl_context = with_default_ciphers  # type: ignore[assignment]  # all by name, as it calls it
