"""What tracing costs, records and keys on."""

from __future__ import annotations

from benchmarks.run import CONNECTIONS, Run
from benchmarks.section import Ratio, Section, Table
from benchmarks.servers import EVERYTHING, everything
from benchmarks.spread import ratio
from tests.collector import collecting

SAMPLED = "0.01"
TRACED, NOT_TRACED = "tracing of 1%", "no tracing"


def measure(run: Run) -> Section:
    """Throughput with 1% of traces exported, and as measured everywhere else."""
    with collecting() as collector:
        traced = everything(
            "traced",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_TRACES_SAMPLER="parentbased_traceidratio",
            OTEL_TRACES_SAMPLER_ARG=SAMPLED,
        )
        with run.serving(traced) as server:
            rates = run.rates({TRACED: server, NOT_TRACED: run.server(EVERYTHING)})
        spans = len(collector.spans)
    rows = tuple((name, str(rate)) for name, rate in rates.items())
    over = Ratio(ratio(rates[TRACED], rates[NOT_TRACED]), higher_is_better=True)
    return Section(
        "Tracing",
        (Table(("with", f"requests/s, {CONNECTIONS} connections"), rows),),
        {"throughput with tracing of 1% ÷ without": over},
        {f"{name}/rate": rate for name, rate in rates.items()},
        (f"{spans:,} spans arrived at the collector.",),
    )
