"""FastAPI with request ids, JSON logs, Prometheus metrics, validation, decisions and reasons.

One line of log for the request and one for the decision, and the bundle's metrics but for drift and batches.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable
from time import perf_counter
from uuid import uuid4

from fastapi import FastAPI, Request, Response
from prometheus_client import Counter, Histogram, make_asgi_app
from pythonjsonlogger.json import JsonFormatter

from benchmarks.peers.assessing import CONTRACT, application_of, load_engine
from serving.http.answers import Prediction, prediction

DURATION_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
PD_BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 0.9)

requests = Histogram(
    "http_request_duration_seconds", "Time of a request.", ["route", "status"], buckets=DURATION_BUCKETS
)
applications = Counter("applications", "Applications answered.", ["kind"])
decisions = Counter("decisions", "Decisions by outcome.", ["outcome"])
pds = Histogram("probability_of_default", "Probability of default of answered applications.", buckets=PD_BUCKETS)

handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
logging.basicConfig(level=logging.INFO, handlers=[handler])
log = logging.getLogger("credit_risk")

LoanApplication = CONTRACT.model
engine = load_engine()
app = FastAPI()
app.mount("/metrics", make_asgi_app())


@app.middleware("http")
async def observe(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Give the request an id, time it, count it and log it."""
    started = perf_counter()
    request.state.id = request.headers.get("x-request-id") or uuid4().hex
    response = await call_next(request)
    seconds = perf_counter() - started
    response.headers["X-Request-ID"] = request.state.id
    requests.labels(request.url.path, response.status_code).observe(seconds)
    log.info(
        "request",
        extra={
            "request_id": request.state.id,
            "method": request.method,
            "route": request.url.path,
            "status": response.status_code,
            "duration_ms": round(seconds * 1e3, 3),
        },
    )
    return response


@app.post("/predict")
async def predict(application: LoanApplication, request: Request) -> Prediction:
    """Decide one application."""
    (assessment,) = engine.assess([application_of(application)])
    decision = assessment.decision
    applications.labels("single").inc()
    decisions.labels(decision.outcome.value).inc()
    pds.observe(assessment.pd)
    log.info(
        "decision",
        extra={
            "request_id": request.state.id,
            "decision": decision.outcome.value,
            "probability_of_default": assessment.pd,
            "credit_score": decision.credit_score,
            "reasons": [reason.code for reason in assessment.reasons],
            "model_version": assessment.identity.model_version,
            "policy_version": assessment.identity.policy_version,
        },
    )
    return Prediction(**prediction(assessment))


@app.get("/ready")
async def ready() -> dict[str, str]:
    """The engine was loaded before the first request."""
    return {"status": "ok"}
