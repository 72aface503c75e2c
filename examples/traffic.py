"""Traffic for a running service: a portfolio's mix, by every route, with some mistakes in it. Ends by itself.

    python -m examples.traffic --url http://127.0.0.1:3000 --seconds 60

In the second half applicants have other incomes and ask for more, so that there is drift to be seen.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx

from tests.applications import portfolio

MOST_REQUESTS = 100_000
BATCH = 20


def requests(seed: int) -> Iterator[tuple[str, Any]]:
    """Routes and bodies: mostly single applications, some batches and explanations, one mistake in fifty."""
    rng = random.Random(seed)  # noqa: S311  # no secret is made of it
    mix = portfolio(2000, seed)
    while True:
        application = rng.choice(mix)
        kind = rng.random()
        if kind < 0.02:
            yield "/predict", application | {"loan_grade": "Z"}
        elif kind < 0.1:
            yield "/predict/explain", application
        elif kind < 0.2:
            yield "/predict/batch", rng.choices(mix, k=BATCH)
        else:
            yield "/predict", application


def shifted(body: Any) -> Any:
    """The same from people who earn a third as much and, where that leaves it valid, have a worse grade."""
    if isinstance(body, list):
        return [shifted(application) for application in body]
    grades = {"A": "C", "B": "D", "C": "E"}
    changed = {
        "person_income": max(4_000, body["person_income"] // 3),
        "loan_grade": grades.get(body["loan_grade"], body["loan_grade"]),
        "loan_percent_income": None,
    }
    return body | changed


def run(url: str, seconds: float, rate: float, seed: int = 1) -> Counter[str]:
    """Send requests one after another, at most `rate` a second, for `seconds`; what came of them, by status."""
    statuses: Counter[str] = Counter()
    start = time.monotonic()
    with httpx.Client(base_url=url, timeout=10) as client:
        for number, (route, body) in zip(range(MOST_REQUESTS), requests(seed), strict=False):
            time.sleep(max(0.0, start + number / rate - time.monotonic()))
            elapsed = time.monotonic() - start
            if elapsed >= seconds:
                break
            sent = shifted(body) if elapsed > seconds / 2 else body
            statuses[str(client.post(route, json=sent).status_code)] += 1
    return statuses


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.traffic",
        description="Send a bounded mix of requests to a running service.",
        epilog="exit code: 0 sent, 1 the service does not answer, 2 wrong arguments",
    )
    parser.add_argument("--url", default="http://127.0.0.1:3000")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=20, help="most requests a second")
    arguments = parser.parse_args()
    try:
        statuses = run(arguments.url, arguments.seconds, arguments.rate)
    except httpx.TransportError as exc:
        print(f"{arguments.url} does not answer: {exc}", file=sys.stderr)
        return 1
    print(", ".join(f"{count} times {status}" for status, count in sorted(statuses.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
