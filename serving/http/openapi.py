"""The OpenAPI document: built from the models that validate and the problems that are raised, with answers as they are.

BentoML generates one too, but it lists error bodies that this service never sends. Examples of answers are made by
scoring the example application when the document is first asked for. It is OpenAPI 3.0.3, which every generator and
gateway reads; tests/serving/test_generated_clients.py makes clients of it.
"""

from __future__ import annotations

from typing import Any

from engine import Engine
from preprocessing.application import FieldError, InvalidApplicationError
from preprocessing.contract import Contract
from serving import SERVICE_NAME, SERVICE_VERSION
from serving.access.access import Denied
from serving.access.callers import Reason
from serving.access.gate import needs_caller
from serving.http.answers import (
    BadRow,
    BatchPrediction,
    Explanation,
    Health,
    Prediction,
    Problem,
    Version,
    explanation,
    prediction,
)
from serving.http.bodies import too_large
from serving.http.decision_paths import ANSWERS, decision_paths
from serving.http.denials import denial
from serving.http.idempotency import HEADER, MAX_KEY_CHARACTERS, REPLAYED
from serving.http.kept import ReportedOutcome
from serving.http.problems import (
    MEDIA_TYPE,
    BadIdempotencyKeyError,
    InternalError,
    KeyInUseError,
    KeyOfAnotherError,
    MalformedJSONError,
    NotReadyError,
    OverloadedError,
    ProblemError,
    RequestTimeoutError,
    SlowRequestError,
    TooManyRequestsError,
    UnauthorizedError,
    UnsupportedMediaTypeError,
)
from serving.http.refusals import invalid
from serving.http.schemas import REF, merged, schemas
from serving.routes import (
    HEALTH,
    HEALTHZ,
    LIVEZ,
    METRICS,
    PREDICT,
    PREDICT_BATCH,
    PREDICT_EXPLAIN,
    READYZ,
    ROUTES,
    SCORING,
    VERSION,
)
from serving.settings import Settings

_EXAMPLE_ID = "5f0c1d9e2b7a4c83"


def openapi_document(engine: Engine | None, settings: Settings) -> dict[str, Any]:
    """The document but for `servers`, which depends on who asks; without an engine it has no examples of answers."""
    contract = engine.contract if engine is not None else None
    example = dict(contract.example) if contract is not None else {}
    responses = _scoring_responses(engine, settings)
    one = {"$ref": REF.format(model="LoanApplication")}
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": settings.max_batch_rows}
    partial = {
        "name": "partial",
        "in": "query",
        "required": False,
        "schema": {"type": "boolean", "default": False},
        "description": "Score the good rows and put a bad row's errors in its place, instead of refusing the request.",
    }
    text = ("text/plain", {"type": "string"})
    document = {
        "openapi": "3.0.3",
        "info": {
            "title": SERVICE_NAME,
            "version": SERVICE_VERSION,
            "description": "Credit decisions with the probability of default behind them.",
        },
        "tags": [
            {"name": "decisions", "description": "Applications in, decisions out."},
            {"name": "records", "description": "Decisions on record, where the service keeps them."},
            {"name": "service", "description": "For operators, probes and Prometheus."},
        ],
        "paths": {
            PREDICT.path: {
                "post": _scoring("predict", "Decide one application", one, example, responses["Prediction"])
            },
            PREDICT_BATCH.path: {
                "post": _scoring(
                    "predict_batch", "Decide many applications", many, [example], responses["BatchPrediction"]
                )
                | {"parameters": [partial]}
            },
            PREDICT_EXPLAIN.path: {
                "post": _scoring("predict_explain", "Decide and explain one", one, example, responses["Explanation"])
            },
            **decision_paths(settings, _HEADERS, _problem_responses),
            HEALTH.path: {"get": _plain("health", "Whether the process answers at all", _json("Health"))},
            VERSION.path: {"get": _plain("version", "Versions and digests of what is served", _json("Version"))},
            LIVEZ.path: {"get": _plain("livez", "Liveness probe", text)},
            HEALTHZ.path: {"get": _plain("healthz", "Liveness probe, under its other name", text)},
            READYZ.path: {"get": _plain("readyz", "Readiness probe", text, NotReadyError())},
            METRICS.path: {"get": _plain("metrics", "Prometheus metrics", text)},
        },
        "components": {"schemas": _schemas(contract)},
    }
    if settings.records is not None:
        _answer_once(document, settings)
    return document if settings.access == "open" else _secured(document, settings)


def _answer_once(document: dict[str, Any], settings: Settings) -> None:
    """Add the idempotency key to the scoring routes, which take one where there is a store."""
    key = {
        "name": HEADER,
        "in": "header",
        "required": False,
        "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_CHARACTERS, "pattern": "^[ -~]*$"},
        "description": f"The same request under the same key is answered once, and given that answer again for "
        f"{settings.idempotency_hours} hours.",
    }
    replayed = {"description": "true where the answer was given before.", "schema": {"type": "string"}}
    for route in SCORING:
        operation = document["paths"][route.path]["post"]
        operation["parameters"] = [*operation.get("parameters", ()), key]
        responses = operation["responses"]
        responses["200"]["headers"] = responses["200"]["headers"] | {REPLAYED: replayed}
        responses |= _problem_responses(KeyInUseError())
        for problem in (BadIdempotencyKeyError(), KeyOfAnotherError()):
            _beside(responses[str(problem.status)]["content"][MEDIA_TYPE], problem)


def _beside(content: dict[str, Any], problem: ProblemError) -> None:
    """Put one more problem beside that which has the same status."""
    example = content.pop("example")
    kind = example["type"].rpartition(":")[2]
    content["examples"] = {kind: {"value": example}, problem.kind: {"value": problem.document(_EXAMPLE_ID)}}


def _secured(document: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The document with what each route asks of its callers."""
    for path, operations in document["paths"].items():
        route = ROUTES[path]
        for operation in operations.values():
            if not needs_caller(route, settings.open_routes or ()):
                operation["security"] = []
                continue
            problems: list[ProblemError] = [UnauthorizedError()]
            if route.scope is not None:
                operation["description"] = f"Needs the scope `{route.scope}`."
                problems.append(denial(Denied(Reason.SCOPE, route.scope)))
            operation["responses"] |= _problem_responses(*problems)
    scheme = {"type": "http", "scheme": "bearer", "description": _CREDENTIAL[settings.access]}
    document["components"]["securitySchemes"] = {"bearer": scheme}
    return document | {"security": [{"bearer": []}]}


_CREDENTIAL = {
    "keys": "An API key; the service's operator makes them.",
    "issuer": "An access token of the service's OpenID Connect issuer.",
}


def _schemas(contract: Contract | None) -> dict[str, Any]:
    answers = (Prediction, BadRow, BatchPrediction, Explanation, Problem, Health, Version)
    found = schemas([*((model, "serialization") for model in (*answers, *ANSWERS)), (ReportedOutcome, "validation")])
    if contract is not None:
        found |= schemas([(contract.model, "validation")])
    # What an application holds is known with the model; until one is served, that it is an object.
    found.setdefault("LoanApplication", {"type": "object"})
    found["BatchResult"] = merged(
        "BatchResult",
        "As of /predict; for a bad row of a partial batch, `errors` and nothing else.",
        found["Prediction"],
        found.pop("BadRow"),
    )
    found["BatchPrediction"]["properties"]["results"]["items"] = {"$ref": REF.format(model="BatchResult")}
    return found


def _example_answers(engine: Engine | None) -> dict[str, Any]:
    if engine is None:
        return {}
    (explained,) = engine.explain([engine.contract.parse(dict(engine.contract.example))])
    row = prediction(explained)
    return {
        "Prediction": row,
        "BatchPrediction": {"batch_size": 1, "results": [row]},
        "Explanation": explanation(explained),
    }


def _example_errors(engine: Engine | None) -> tuple[FieldError, ...]:
    """What is said of the example where one field of it is of the wrong type."""
    if engine is None:
        return ()
    contract = engine.contract
    field = contract.amount or contract.fields[0].name
    try:
        contract.parse({**contract.example, field: []})
    except InvalidApplicationError as exc:
        return exc.errors
    raise AssertionError("no field takes a list")


def _scoring(name: str, summary: str, body: dict[str, Any], example: Any, responses: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": name,
        "tags": ["decisions"],
        "summary": summary,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body, "example": example}}},
        "responses": responses,
    }


def _scoring_responses(engine: Engine | None, settings: Settings) -> dict[str, dict[str, Any]]:
    """Responses of the scoring routes, by the name of the answer's model."""
    answers = _example_answers(engine)
    contents = {
        model: {"schema": {"$ref": REF.format(model=model)}} | ({"example": answers[model]} if answers else {})
        for model in ("Prediction", "BatchPrediction", "Explanation")
    }
    return {
        model: {"200": {"description": "The decision", "content": {"application/json": content}, "headers": _HEADERS}}
        | _problem_responses(*_scoring_problems(engine, settings, in_list=model == "BatchPrediction"))
        for model, content in contents.items()
    }


def _scoring_problems(engine: Engine | None, settings: Settings, *, in_list: bool) -> list[ProblemError]:
    errors = [error.at(0) if in_list else error for error in _example_errors(engine)]
    return [
        MalformedJSONError("EOF while parsing an object at line 1 column 1; send one valid UTF-8 JSON document"),
        SlowRequestError(),
        too_large(settings.max_body_bytes),
        UnsupportedMediaTypeError(),
        invalid(errors),
        TooManyRequestsError(),
        InternalError(),
        OverloadedError(),
        RequestTimeoutError(),
    ]


def _json(model: str) -> tuple[str, dict[str, Any]]:
    return "application/json", {"$ref": REF.format(model=model)}


def _plain(name: str, summary: str, content: tuple[str, dict[str, Any]], *problems: ProblemError) -> dict[str, Any]:
    media_type, schema = content
    return {
        "operationId": name,
        "tags": ["service"],
        "summary": summary,
        "responses": {
            "200": {"description": "OK", "content": {media_type: {"schema": schema}}, "headers": _HEADERS},
            **_problem_responses(*problems, InternalError()),
        },
    }


_HEADERS = {
    "X-Request-ID": {"description": "The caller's id, or a new one.", "schema": {"type": "string"}},
}
_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait before the next try.", "schema": {"type": "integer"}},
}
_CHALLENGE = {
    "WWW-Authenticate": {"description": "How to authenticate (RFC 6750).", "schema": {"type": "string"}},
}


def _problem_responses(*problems: ProblemError) -> dict[str, Any]:
    return {
        str(problem.status): {
            "description": problem.title,
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": REF.format(model="Problem")},
                    "example": problem.document(_EXAMPLE_ID),
                }
            },
            "headers": _HEADERS
            | (_RETRY_AFTER if "Retry-After" in problem.headers else {})
            | (_CHALLENGE if "WWW-Authenticate" in problem.headers else {}),
        }
        for problem in problems
    }
