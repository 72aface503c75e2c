"""Call the scoring routes at once with BentoML's asynchronous client; see sync_client.py for the details."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from functools import cached_property
from pathlib import Path

import bentoml
import httpx
from bentoml.exceptions import BentoMLException
from retries import AsyncRetryingTransport, refuse_foreign_async

URL = os.environ.get("URL", "http://127.0.0.1:3000")
APPLICATION = json.loads((Path(__file__).parent / "application.json").read_text(encoding="utf-8"))


class Client(bentoml.AsyncHTTPClient):
    """BentoML's client, which repeats nothing by itself, on a transport that does."""

    @cached_property
    def client(self) -> httpx.AsyncClient:
        """What it sends with."""
        return httpx.AsyncClient(
            base_url=self.url,
            headers=self.default_headers,
            timeout=self.timeout,
            transport=AsyncRetryingTransport(),
            event_hooks={"response": [refuse_foreign_async]},
        )


async def main() -> int:
    """Print ten decisions that were asked for at once, a batch, an explanation, and what is said of a wrong value."""
    async with Client(URL, server_ready_timeout=10) as client:
        # Requests in flight together are scored together; each gets the answer it would have got alone.
        amounts = range(3000, 33000, 3000)
        applications = [{**APPLICATION, "loan_amnt": amount, "loan_percent_income": None} for amount in amounts]
        decided = await asyncio.gather(*(client.predict(application) for application in applications))
        for amount, answer in zip(amounts, decided, strict=True):
            print(amount, answer["decision"], answer["probability_of_default"])

        batch = await client.predict_batch(applications)
        print(batch["batch_size"], "in one batch")

        explained = await client.predict_explain(dict(APPLICATION))
        for factor in explained["explanations"]["protective_factors"]:
            print(f"{factor['feature']} {factor['impact']:+.3f} {explained['explanations']['unit']}")

        try:
            await client.predict({**APPLICATION, "loan_grade": "Z"})
        except BentoMLException as exc:
            print(exc.error_code.value, exc, file=sys.stderr)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except BentoMLException as exc:
        sys.exit(f"{exc.error_code.value} {exc}")
    except httpx.HTTPError as exc:
        sys.exit(f"{URL}: {exc}")
