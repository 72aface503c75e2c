"""`/predict/explain` against shap's path-dependent TreeExplainer behind FastAPI."""

from __future__ import annotations

from benchmarks.run import CONNECTIONS, Run
from benchmarks.section import Ratio, Section, Table
from benchmarks.servers import EVERYTHING, FASTAPI_SHAP
from benchmarks.spread import ratio

PATH = "/predict/explain"


def measure(run: Run) -> Section:
    """Explanations a second."""
    servers = {kind.name: run.server(kind) for kind in (EVERYTHING, FASTAPI_SHAP)}
    rates = run.rates(servers, PATH)
    over = Ratio(ratio(rates[EVERYTHING.name], rates[FASTAPI_SHAP.name]), higher_is_better=True)
    rows = tuple((name, str(rate)) for name, rate in rates.items())
    note = "The bundle keeps and counts them, and they hold counterfactuals; the peer keeps, logs and counts nothing."
    return Section(
        "Explanations",
        (Table(("server", f"requests/s, {CONNECTIONS} connections"), rows),),
        {"explain throughput ÷ fastapi_shap": over},
        {f"{name}/explain": rate for name, rate in rates.items()},
        (note,),
    )
