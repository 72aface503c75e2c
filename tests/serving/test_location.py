"""The URL that a saved document gives, of what proxies say; tests/serving/test_proxies.py has real ones."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from serving.http.location import base_url


@pytest.mark.parametrize(
    ("headers", "scheme", "url"),
    [
        ({"host": "credit_risk-api:3000"}, "http", "http://credit_risk-api:3000"),
        ({"host": "api.example."}, "http", "http://api.example."),
        ({"host": "api.example", "x-forwarded-proto": "wss"}, "wss", "http://api.example"),
        ({"host": "api.example", "x-forwarded-proto": "javascript"}, "https", "https://api.example"),
        ({"host": "api.example", "x-forwarded-host": 'a"b'}, "http", "http://api.example"),
        ({"host": "api.example", "x-forwarded-prefix": "//evil.example"}, "http", "http://api.example"),
        ({"host": "a@b"}, "http", "."),
    ],
)
def test_what_counts(headers: dict[str, str], scheme: str, url: str) -> None:
    """Any name that a service goes by; no scheme but HTTP's, as uvicorn would have it; nothing that is no host."""
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert url == base_url(Request({"type": "http", "scheme": scheme, "headers": encoded}), "")
