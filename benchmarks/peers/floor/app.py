"""Bare Starlette: one application a call, unbatched, no logs, no metrics, no request ids."""

from __future__ import annotations

from pydantic_core import from_json, to_json
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.peers.assessing import CONTRACT, load_engine
from preprocessing.application import InvalidApplicationError
from serving.http.answers import prediction

engine = load_engine()


async def predict(request: Request) -> Response:
    """Decide one application."""
    try:
        application = CONTRACT.parse(from_json(await request.body()))
    except (ValueError, InvalidApplicationError):
        return Response(status_code=422)
    (assessment,) = engine.assess([application])
    return Response(to_json(prediction(assessment)), media_type="application/json")


async def ready(_: Request) -> Response:
    """The engine was loaded before the first request."""
    return Response()


app = Starlette(routes=[Route("/predict", predict, methods=["POST"]), Route("/ready", ready)])
