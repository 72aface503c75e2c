"""What tracing, and what logs, cost."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks.run import CONNECTIONS, Run
from benchmarks.section import Ratio, Section, Table
from benchmarks.servers import BUNDLE, bundle
from benchmarks.spread import ratio
from tests.collector import collecting

SAMPLED = "0.01"


def measure(run: Run) -> Section:
    """Throughput with 1% of traces exported, as measured everywhere else, and with logs off besides."""
    with ExitStack() as stack:
        collector = stack.enter_context(collecting())
        traced = bundle(
            "bundle_traced",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_TRACES_SAMPLER="parentbased_traceidratio",
            OTEL_TRACES_SAMPLER_ARG=SAMPLED,
        )
        servers = {
            "logs, metrics, tracing of 1%": stack.enter_context(run.serving(traced)),
            "logs, metrics": run.server(BUNDLE),
            "metrics": stack.enter_context(run.serving(bundle("bundle_silent", CREDIT_RISK_LOG_LEVEL="ERROR"))),
        }
        rates = run.rates(servers)
        spans = len(collector.spans)
    traced_name, default, silent = servers
    rows = tuple((name, str(rate)) for name, rate in rates.items())
    return Section(
        "Tracing and logs",
        (Table(("with", f"requests/s, {CONNECTIONS} connections"), rows),),
        {
            "throughput with tracing of 1% ÷ without": Ratio(ratio(rates[traced_name], rates[default]), True),
            "throughput with logs ÷ without": Ratio(ratio(rates[default], rates[silent]), True),
        },
        {f"{name}/rate": rate for name, rate in rates.items()},
        (f"{spans:,} spans arrived at the collector. Metrics can't be turned off.",),
    )
