"""Every route there is: edge, access, metrics, the API's document and the tests know of routes from here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

POST = ("POST",)
GET = ("GET", "HEAD")


DeskRole = Literal["viewer", "officer", "reviewer", "policy"]
"""What people do at the desk."""


class AccessScope(StrEnum):
    """What a caller may be let do."""

    DECIDE = "decide"
    BATCH = "batch"
    EXPLAIN = "explain"
    RECORDS = "records"
    OUTCOMES = "outcomes"
    DESK = "desk"
    DESK_OFFICER = "desk-officer"
    DESK_REVIEWER = "desk-reviewer"
    DESK_POLICY = "desk-policy"
    METRICS = "metrics"


OF_DESK = frozenset({AccessScope.DESK, AccessScope.DESK_OFFICER, AccessScope.DESK_REVIEWER, AccessScope.DESK_POLICY})
"""What opens the desk: the first to look, the others for what a role may do there."""

GUARDED = frozenset({AccessScope.RECORDS, AccessScope.OUTCOMES}) | OF_DESK
"""What gives back stored personal data, or changes anything: never open to whoever isn't on this machine."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route.

    Attributes:
        path: its template.
        methods: besides OPTIONS, which all take.
        kind: what metrics and logs call the answers of a scoring route; None of any other.
        polled: by machines every few seconds, so that a request that went well is logged at DEBUG.
        scope: what its callers need, where access is not open; None where being a known caller is enough.
        probe: open whatever the setting.
        opened_by: what CREDIT_RISK_OPEN_ROUTES has to name for it to be open to all; None where nothing opens it.
    """

    path: str
    methods: tuple[str, ...] = GET
    kind: str | None = None
    polled: bool = False
    scope: AccessScope | None = None
    probe: bool = False
    opened_by: str | None = None

    def __post_init__(self) -> None:
        """Hold the declaration against what no setting may open.

        Raises:
            ValueError: a guarded route could be opened, or one that takes more than GET needs no scope.
        """
        if self.scope is None and not set(GET) >= set(self.methods):
            raise ValueError(f"{self.path} takes {', '.join(self.methods)} and needs no scope; declare which")
        if self.scope in GUARDED and (self.probe or self.opened_by is not None):
            raise ValueError(
                f"{self.path} needs {self.scope}, which is never open; declare it neither probe nor opened"
            )


PREDICT = Route("/predict", POST, kind="single", scope=AccessScope.DECIDE)
PREDICT_BATCH = Route("/predict/batch", POST, kind="batch", scope=AccessScope.BATCH)
PREDICT_EXPLAIN = Route("/predict/explain", POST, kind="explain", scope=AccessScope.EXPLAIN)

# Decisions on record, and what became of them.
DECISIONS = Route("/decisions", scope=AccessScope.RECORDS)
DECISION = Route("/decisions/{id}", scope=AccessScope.RECORDS)
DECISION_REPLAY = Route("/decisions/{id}/replay", POST, scope=AccessScope.RECORDS)
OUTCOMES = Route("/outcomes", POST, scope=AccessScope.OUTCOMES)

# The page and all that it loads.
_PAGE = "/docs"
INDEX = Route("/", opened_by=_PAGE)
DOCS = Route(_PAGE, opened_by=_PAGE)
DOCS_JSON = Route("/docs.json", opened_by=_PAGE)

HEALTH = Route("/health", polled=True, probe=True)
VERSION = Route("/version", opened_by="/version")

# BentoML's own.
METRICS = Route("/metrics", polled=True, scope=AccessScope.METRICS, opened_by="/metrics")
LIVEZ = Route("/livez", polled=True, probe=True)
READYZ = Route("/readyz", polled=True, probe=True)
HEALTHZ = Route("/healthz", polled=True, probe=True)
SCHEMA_JSON = Route("/schema.json", opened_by="/schema.json")
STATIC = tuple(
    Route(f"/static_content/{name}", opened_by=_PAGE)
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-light-32x32.png")
)

# The page for people; what lies below it is the desk's own, and its access too: `serving.access.people`.
DESK = Route("/desk", (*GET, "POST"), scope=AccessScope.DESK)

SCORING = (PREDICT, PREDICT_BATCH, PREDICT_EXPLAIN)

ROUTES = {
    route.path: route
    for route in (
        *(*SCORING, DECISIONS, DECISION, DECISION_REPLAY, OUTCOMES),
        *(INDEX, HEALTH, VERSION, DOCS, DOCS_JSON),
        *(METRICS, LIVEZ, READYZ, HEALTHZ, SCHEMA_JSON, *STATIC),
    )
}
"""By path. Anything else ends at the edge, before it can become a label of a metric."""

_TEMPLATES = tuple((tuple(path.split("/")), route) for path, route in ROUTES.items() if "{" in path)

OPENABLE = tuple(sorted({route.opened_by for route in ROUTES.values() if route.opened_by is not None}))
"""What CREDIT_RISK_OPEN_ROUTES may name."""


def route_at(path: str) -> Route | None:
    """The route that a path leads to; None where there is none."""
    if (found := ROUTES.get(path)) is not None:
        return found
    if path == DESK.path or path.startswith(f"{DESK.path}/"):
        return DESK
    return _templated(path.split("/"))


def _templated(parts: Sequence[str]) -> Route | None:
    for template, route in _TEMPLATES:
        if len(parts) == len(template) and all(
            part == wanted or (part and wanted.startswith("{")) for part, wanted in zip(parts, template, strict=True)
        ):
            return route
    return None
