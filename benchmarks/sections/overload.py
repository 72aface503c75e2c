"""Three times what the bundle can do, records and keys on: who is refused, what the others wait, what is left after.

What is accepted waits for a place at most as long as all places take to be answered: the places there are, over the
answers a second. That is what the p99 of the accepted is held against.
"""

from __future__ import annotations

from collections import defaultdict

from benchmarks.openloop import NOT_SENT
from benchmarks.run import Run, say
from benchmarks.section import Ratio, Section, Table
from benchmarks.servers import EVERYTHING
from benchmarks.spread import Spread, ratio, spread
from serving.settings import Settings

TIMES = 3.0

CONNECTIONS = 2000
"""As many as its callers hold together: four times what the bundle takes at once, and less than the kernel queues."""

PLACES: int = Settings.model_fields["max_concurrency"].default
"""Scoring requests at once; nothing here sets another number."""

REFUSALS = (429, 503)
MB = 1e6


def measure(run: Run) -> Section:
    """Open loop at three times saturation, then closed loop again."""
    saturation = run.saturation()
    server = run.server(EVERYTHING)
    values: dict[str, list[float]] = {}
    discarded = 0

    def note(**figures: float) -> None:
        for name, value in figures.items():
            values.setdefault(name, []).append(value)

    for _ in range(max(1, run.rounds - 2)):
        before = server.usage()
        over = run.open_at_any_lateness(server, TIMES * saturation, 3 * run.seconds, most_connections=CONNECTIONS)
        after = run.load(server, seconds=1)
        turned_away = sum(over.statuses.get(status, 0) for status in (*REFUSALS, NOT_SENT))
        if not turned_away:
            discarded += 1
            continue
        answers_a_second = over.share(200) * over.achieved
        refused = sum(over.statuses.get(status, 0) for status in REFUSALS)
        note(
            places_ms=PLACES / answers_a_second * 1e3,
            over_p99_ms=over.latency["p99"] * 1e3,
            over_rate=over.achieved,
            accepted=over.share(200),
            status_429=over.share(429),
            status_503=over.share(503),
            not_sent=over.share(NOT_SENT),
            other=1 - over.share(200) - refused / over.sent - over.share(NOT_SENT),
            retry_after=over.with_retry_after / refused if refused else 1.0,
            before_mb=before.pss / MB,
            after_mb=server.usage().pss / MB,
            after_rate=after.rate,
            late_ms=over.late * 1e3,
        )
        say(f"overload: {over.statuses}")
    figures = defaultdict(lambda: Spread(()), {name: spread(each) for name, each in values.items()})
    rows = (
        ("asked for, requests/s", f"{TIMES * saturation:,.0f}"),
        ("due, requests/s", str(figures["over_rate"])),
        ("share answered 200", str(figures["accepted"])),
        ("share answered 429", str(figures["status_429"])),
        ("share answered 503", str(figures["status_503"])),
        (f"share that found all {CONNECTIONS:,} connections waiting", str(figures["not_sent"])),
        ("share of any other answer, or none", str(figures["other"])),
        ("share of 429 and 503 with Retry-After", str(figures["retry_after"])),
        ("p99 of the accepted, ms", str(figures["over_p99_ms"])),
        (f"{PLACES} places ÷ answers a second, ms", str(figures["places_ms"])),
        ("PSS of all processes before, MB", str(figures["before_mb"])),
        ("PSS of all processes after, MB", str(figures["after_mb"])),
        ("closed loop in the first second after, requests/s", str(figures["after_rate"])),
        ("generator's lateness at p99, ms", str(figures["late_ms"])),
    )
    return Section(
        "Overload",
        (Table(("at three times saturation", "value"), rows),),
        {
            "accepted p99 at three times saturation ÷ (places ÷ answers a second)": Ratio(
                ratio(figures["over_p99_ms"], figures["places_ms"]), higher_is_better=False
            ),
            "throughput after overload ÷ before": Ratio(
                spread([value / saturation for value in figures["after_rate"].rounds]), higher_is_better=True
            ),
            "memory after overload ÷ before": Ratio(
                ratio(figures["after_mb"], figures["before_mb"]), higher_is_better=False
            ),
        },
        dict(figures),
        (f"{discarded} rounds discarded, in which nothing was turned away: saturation had been measured too low.",),
    )
