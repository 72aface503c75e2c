"""The routes that tell about the service: health, version, and the API page over the real OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from engine import Engine
from preprocessing.contract import Contract
from serving import SERVICE_NAME, SERVICE_VERSION
from serving.http.location import base_url
from serving.http.openapi import openapi_document
from serving.http.page import PAGE, PAGE_POLICY
from serving.http.problems import NotReadyError
from serving.routes import DOCS, DOCS_JSON, HEALTH, INDEX, VERSION
from serving.settings import Settings


class Information:
    """What the information routes tell; the service fills it in when it has loaded."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.engine: Engine | None = None
        self.digests: dict[str, str] = {}
        self.contents: Mapping[str, bytes] = {}
        self.signed_by: dict[str, str | None] = {"model": None, "policy": None}
        self.bento: str | None = None
        self.challenger: Callable[[], dict[str, Any] | None] = lambda: None

    def contract(self) -> Contract:
        """The served one.

        Raises:
            NotReadyError: none is served yet.
        """
        if self.engine is None:
            raise NotReadyError
        return self.engine.contract

    def version(self) -> dict[str, Any]:
        """The answer of /version; nulls where no model could be verified."""
        identity = self.engine.identity if self.engine is not None else None
        return {
            "service": SERVICE_NAME,
            "service_version": SERVICE_VERSION,
            "model_name": identity.model_name if identity else None,
            "model_version": identity.model_version if identity else None,
            "policy_version": identity.policy_version if identity else None,
            "bento": self.bento,
            "access": self.settings.access,
            "records": self.settings.records_kind,
            "challenger": self.challenger(),
            "digests": self.digests,
            "signed_by": self.signed_by,
        }

    def app(self, others: Sequence[Route] = ()) -> Starlette:
        """The routes, and others, to be mounted into the service."""

        @lru_cache(maxsize=2)
        def document(engine: Engine | None) -> dict[str, Any]:
            return openapi_document(engine, self.settings)

        async def health(_: Request) -> Response:
            return JSONResponse({"status": "ok"})

        async def version(_: Request) -> Response:
            return JSONResponse(self.version())

        async def docs(_: Request) -> Response:
            return HTMLResponse(PAGE, headers={"Content-Security-Policy": PAGE_POLICY})

        async def docs_json(request: Request) -> Response:
            # A saved file must say where its clients find the service: a relative URL means nothing there.
            servers = [{"url": base_url(request, self.settings.root_path or "")}]
            return JSONResponse(document(self.engine) | {"servers": servers})

        async def index(_: Request) -> Response:
            return RedirectResponse("./docs")

        return Starlette(
            routes=[
                Route(HEALTH.path, health),
                Route(VERSION.path, version),
                Route(DOCS.path, docs),
                Route(DOCS_JSON.path, docs_json),
                Route(INDEX.path, index),
                *others,
            ]
        )
