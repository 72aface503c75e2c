"""Every route there is: edge, metrics, the API's document and the tests know of routes from here."""

from __future__ import annotations

from dataclasses import dataclass

POST = ("POST",)
GET = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Route:
    """One route.

    Attributes:
        path: its template.
        methods: besides OPTIONS, which all take.
        kind: what metrics and logs call the answers of a scoring route; None of any other.
        polled: by machines every few seconds, so that a request that went well is logged at DEBUG.
    """

    path: str
    methods: tuple[str, ...] = GET
    kind: str | None = None
    polled: bool = False


PREDICT = Route("/predict", POST, kind="single")
PREDICT_BATCH = Route("/predict/batch", POST, kind="batch")
PREDICT_EXPLAIN = Route("/predict/explain", POST, kind="explain")

INDEX = Route("/")
HEALTH = Route("/health", polled=True)
VERSION = Route("/version")
DOCS = Route("/docs")
DOCS_JSON = Route("/docs.json")

# BentoML's own.
METRICS = Route("/metrics", polled=True)
LIVEZ = Route("/livez", polled=True)
READYZ = Route("/readyz", polled=True)
HEALTHZ = Route("/healthz", polled=True)
SCHEMA_JSON = Route("/schema.json")
STATIC = tuple(
    Route(f"/static_content/{name}") for name in ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-light-32x32.png")
)

SCORING = (PREDICT, PREDICT_BATCH, PREDICT_EXPLAIN)

ROUTES = {
    route.path: route
    for route in (
        *(*SCORING, INDEX, HEALTH, VERSION, DOCS, DOCS_JSON),
        *(METRICS, LIVEZ, READYZ, HEALTHZ, SCHEMA_JSON, *STATIC),
    )
}
"""By path. Anything else ends at the edge, before it can become a label of a metric."""
