"""Bare Starlette: the body parsed as JSON, and the same few bytes for every answer."""

from __future__ import annotations

import json

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def predict(request: Request) -> Response:
    """Decide nothing."""
    json.loads(await request.body())
    return Response(b'{"ok":1}', media_type="application/json")


async def ready(_: Request) -> Response:
    """There is nothing to load."""
    return Response()


app = Starlette(routes=[Route("/predict", predict, methods=["POST"]), Route("/ready", ready)])
