"""What every response must be, whatever it is about."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx

ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def answer(response: httpx.Response) -> Any:
    """The document of a 200 answer, after checking its headers."""
    assert response.status_code == 200, response.text
    _headers(response)
    assert response.headers["Content-Type"] == "application/json"
    return response.json()


def problem(response: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """The problem document of an error, after checking its form and headers."""
    assert response.status_code == status, response.text
    _headers(response)
    assert response.headers["Content-Type"] == "application/problem+json"
    document = response.json()
    assert document.keys() - {"errors"} == {"type", "title", "status", "detail", "request_id"}
    assert document["type"] == f"urn:problem:credit-risk-api:{kind}"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert document["request_id"] == response.headers["X-Request-ID"]
    assert ("Retry-After" in response.headers) == (status in (409, 429, 503))
    assert all(error.keys() == {"loc", "msg", "type"} for error in document.get("errors", []))
    return document


def wrong_fields(response: httpx.Response) -> list[list[str | int]]:
    """Where a 422 answer says that the application is wrong."""
    return [error["loc"] for error in problem(response, 422, "invalid-request").get("errors", [])]


def raw_numbers(response: httpx.Response) -> Any:
    """The document of a 200 answer with every number as the text that was sent."""
    answer(response)
    return json.loads(response.content, parse_float=str, parse_int=str)


def _headers(response: httpx.Response) -> None:
    assert ID.fullmatch(response.headers["X-Request-ID"])
    sent = response.request.headers.get("X-Request-ID", "")
    if ID.fullmatch(sent):
        assert response.headers["X-Request-ID"] == sent
    else:
        assert response.headers["X-Request-ID"] != sent
    assert response.headers["Cache-Control"] == "no-store"
