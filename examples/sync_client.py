"""Call the scoring routes with BentoML's client: `URL=http://127.0.0.1:3000 python examples/sync_client.py`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from uuid import uuid4

import bentoml
from bentoml.exceptions import BentoMLException

URL = os.environ.get("URL", "http://127.0.0.1:3000")
APPLICATION = json.loads((Path(__file__).parent / "application.json").read_text(encoding="utf-8"))


def main() -> int:
    """Print a decision, a batch of two, an explanation, and what is said of a wrong value."""
    # A client finds the routes in /schema.json and calls them by their method's name; the application is its one
    # positional argument.
    with bentoml.SyncHTTPClient(URL, server_ready_timeout=10) as client:
        # The same id stands in the answer's headers and in the service's log.
        client.client.headers["X-Request-ID"] = f"example-{uuid4().hex}"

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
            # The message ends with the problem document: which field is wrong, and what it takes.
            print(exc.error_code.value, exc, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
