"""Call the scoring routes with BentoML's client: `URL=http://127.0.0.1:3000 python examples/sync_client.py`."""

from __future__ import annotations

import json
import os
import sys
from functools import cached_property
from pathlib import Path

import bentoml
import httpx
from bentoml.exceptions import BentoMLException
from retries import RetryingTransport, refuse_foreign

URL = os.environ.get("URL", "http://127.0.0.1:3000")
APPLICATION = json.loads((Path(__file__).parent / "application.json").read_text(encoding="utf-8"))


class Client(bentoml.SyncHTTPClient):
    """BentoML's client, which repeats nothing by itself, on a transport that does."""

    @cached_property
    def client(self) -> httpx.Client:
        """What it sends with."""
        return httpx.Client(
            base_url=self.url,
            headers=self.default_headers,
            timeout=self.timeout,
            transport=RetryingTransport(),
            event_hooks={"response": [refuse_foreign]},
        )


def main() -> int:
    """Print a decision, a batch of two, an explanation, and what is said of a wrong value."""
    # A client finds the routes in /schema.json and calls them by their method's name; the application is its one
    # positional argument.
    with Client(URL, server_ready_timeout=10) as client:
        decided = client.predict(dict(APPLICATION))
        print(decided["decision"], decided["probability_of_default"])

        batch = client.predict_batch([APPLICATION, {**APPLICATION, "loan_amnt": 30000, "loan_percent_income": 0.48}])
        for row in batch["results"]:
            print(row["decision"], row["probability_of_default"])

        explained = client.predict_explain(dict(APPLICATION))
        for driver in explained["explanations"]["risk_drivers"]:
            print(f"{driver['feature']} {driver['impact']:+.3f} {explained['explanations']['unit']}")

        try:
            client.predict({**APPLICATION, "loan_grade": "Z"})
        except BentoMLException as exc:
            # The message is the problem document: which field is wrong, and what it takes.
            print(exc.error_code.value, exc, file=sys.stderr)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BentoMLException as exc:
        sys.exit(f"{exc.error_code.value} {exc}")
    except httpx.HTTPError as exc:
        sys.exit(f"{URL}: {exc}")
