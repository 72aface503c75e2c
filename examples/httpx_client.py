"""Call the scoring routes with httpx alone: `URL=http://127.0.0.1:3000 python examples/httpx_client.py`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import httpx
from retries import RetryingTransport, refuse_foreign

URL = os.environ.get("URL", "http://127.0.0.1:3000")
APPLICATION = json.loads((Path(__file__).parent / "application.json").read_text(encoding="utf-8"))


class RefusedError(Exception):
    """An answer that is no decision; the message is its status and its problem document."""


def connect() -> httpx.Client:
    """A client of the service at URL, which sends again what may be."""
    hooks = {"response": [refuse_foreign]}
    return httpx.Client(base_url=URL, timeout=30, transport=RetryingTransport(), event_hooks=hooks)


def answer(response: httpx.Response) -> Any:
    """The document of an answer.

    Raises:
        RefusedError: if it is an error.
    """
    if response.is_error:
        raise RefusedError(f"{response.status_code} {response.text}")
    return response.json()


def main() -> int:
    """Print a decision, a batch with a bad row in it, an explanation, and what is said of a wrong value."""
    with connect() as client:
        decided = answer(client.post("/predict", json=APPLICATION))
        print(decided["decision"], decided["probability_of_default"])

        rows = [APPLICATION, {**APPLICATION, "loan_grade": "Z"}, {**APPLICATION, "loan_percent_income": None}]
        for row in answer(client.post("/predict/batch?partial=true", json=rows))["results"]:
            if "errors" in row:
                print("; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in row["errors"]))
            else:
                print(row["decision"], row["probability_of_default"])

        explained = answer(client.post("/predict/explain", json=APPLICATION))["explanations"]
        for driver in explained["risk_drivers"]:
            print(f"{driver['feature']} {driver['impact']:+.3f} {explained['unit']}")

        try:
            answer(client.post("/predict", json={**APPLICATION, "loan_grade": "Z"}))
        except RefusedError as exc:
            print(exc, file=sys.stderr)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RefusedError as exc:
        sys.exit(str(exc))
    except httpx.HTTPError as exc:
        sys.exit(f"{URL}: {exc}")
