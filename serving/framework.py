"""Everything that leans on BentoML's inside, in one place; `tests/serving/test_framework.py` says when it has changed.

- the descriptor base classes (only one of them is public),
- the model reference, which by itself ends the server where the store has no such entry,
- the service class, whose `to_asgi` is the only place outside all of BentoML's middlewares,
- the application factory, whose dispatchers must be trained before the service is ready.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from _bentoml_impl.server.app import ServiceAppFactory
from _bentoml_sdk.io_models import IODescriptor, IORootModel
from _bentoml_sdk.service.factory import Service
from bentoml.models import BentoModel
from starlette.applications import Starlette

from serving.edge import Edge

T = TypeVar("T")

WARM_UP_CALLS = 24
"""The dispatcher trains on its first 17 calls, some of which it delays on purpose."""

__all__ = ["AppFactory", "CreditRiskService", "IODescriptor", "IORootModel", "StoreEntry"]


class StoreEntry(BentoModel):
    """The latest version of a store entry, pinned when a Bento is built; it may be missing while serving.

    BentoML would then ask its cloud for it and end. Here the service starts, and says why it isn't ready.
    """

    def resolve(self, *_: Any, **__: Any) -> Any:
        """The entry in the local store, or None."""
        return self.stored


class AppFactory(ServiceAppFactory):
    """BentoML's application, its dispatchers trained before the first request."""

    async def create_instance(self, app: Starlette) -> None:
        """Make the service instance, then let each dispatcher learn on the instance's own warm-up items."""
        await super().create_instance(app)
        instance = self._service_instance
        items = instance.warm_up_items()
        for name, dispatcher in self.dispatchers.items():
            method = getattr(instance, name).local

            async def call(batches: Sequence[list[Any]], method: Any = method) -> list[list[Any]]:
                return [await method(batch) for batch in batches]

            # Called past batch_infer(), so that the batch-size histogram holds requests only.
            for i in range(WARM_UP_CALLS if items else 0):
                await dispatcher(call)([items[i % len(items)]])


class CreditRiskService(Service[T]):
    """A BentoML service behind this project's edge."""

    def to_asgi(self, is_main: bool = True) -> Edge:
        """The application that the server runs, the edge outermost."""
        self.inject_config()
        return Edge(AppFactory(self, is_main=is_main)())
