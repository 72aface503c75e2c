"""Everything that leans on BentoML's inside, in one place; `tests/serving/test_framework.py` says when it has changed.

- the server's choice of HTTP parser,
- the descriptor base classes (only one of them is public),
- the model reference, which by itself ends the server where the store has no such entry,
- the service class, whose `to_asgi` is the only place outside all of BentoML's middlewares,
- the tracer provider, which is nowhere else to be had,
- the application factory, whose dispatchers must be trained before the service is ready,
- the API methods' look-up, which costs as much as scoring,
- the dispatchers' optimizer, which would have a lone request wait for company long after a burst.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import uvicorn.config
from _bentoml_impl.server.app import ServiceAppFactory
from _bentoml_sdk.io_models import IODescriptor, IORootModel
from _bentoml_sdk.service.factory import Service
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.marshal.dispatcher import Optimizer
from bentoml.models import BentoModel
from starlette.applications import Starlette

from serving.edge import Edge
from serving.lifecycle import settle_heap

T = TypeVar("T")

__all__ = ["AppFactory", "CreditRiskService", "IODescriptor", "IORootModel", "StoreEntry", "tracer_provider"]

# httptools ends a request at an `Upgrade` header that it doesn't support and takes the body for the next request: the
# body is lost (Java's HttpClient asks for h2c by default), and behind a proxy a second request can be smuggled in. h11
# ignores such an Upgrade, as HTTP/1.1 asks.
uvicorn.config.HTTP_PROTOCOLS["auto"] = "uvicorn.protocols.http.h11_impl:H11Protocol"

WARM_UP_CALLS = 24
"""The dispatcher trains on its first 17 calls, some of which it delays on purpose."""


class StoreEntry(BentoModel):
    """The latest version of a store entry, pinned when a Bento is built; it may be missing while serving.

    BentoML would then ask its cloud for it and end. Here the service starts, and says why it isn't ready.
    """

    def resolve(self, *_: Any, **__: Any) -> Any:
        """The entry in the local store, or None where there is none or it is damaged."""
        try:
            return self.stored
        except Exception:  # noqa: BLE001  # whatever half a file makes BentoML raise; `serving.store` says what is wrong
            return None


def tracer_provider() -> Any:
    """BentoML's own tracer provider, which it never makes the global one."""
    return BentoMLContainer.tracer_provider.get()


class EagerOptimizer(Optimizer):
    """Learns how long batches take, which the latency objective needs, but has no request wait for company.

    BentoML's own makes a lone request wait almost as long as requests had to wait lately, and forgets 5 % of that
    every few seconds: minutes after a burst each lone request would still take tens of milliseconds more. Requests
    that arrive while a batch is being scored are merged in either case.
    """

    @property  # type: ignore[override]  # theirs is inferred from its first value, the integer 0
    def wait(self) -> float:
        """Seconds that a request is held back for."""
        return 0.0

    @wait.setter
    def wait(self, _: float) -> None:
        """Learnt, and not used."""


class AppFactory(ServiceAppFactory):
    """BentoML's application, its dispatchers eager, and trained before the first request."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for dispatcher in self.dispatchers.values():
            dispatcher.optimizer = EagerOptimizer(dispatcher.max_latency)

    async def create_instance(self, app: Starlette) -> None:
        """Make the service instance, then let each dispatcher learn on the instance's own warm-up items."""
        await super().create_instance(app)
        instance = self._service_instance
        _settle(instance, self.service.apis)
        items = instance.warm_up_items()

        async def call(batches: Sequence[list[Any]]) -> list[list[Any]]:
            return [await instance.warm_up(batch) for batch in batches]

        for dispatcher in self.dispatchers.values():
            # Called past batch_infer() and the API methods, so that metrics hold requests only.
            for i in range(WARM_UP_CALLS if items else 0):
                await dispatcher(call)([items[i % len(items)]])
        settle_heap()


def _settle(instance: Any, names: Iterable[str]) -> None:
    """Make what every request looks up once and for all.

    BentoML builds an API method's wrapper, and inspects its signature, twice for every request; an attribute of the
    instance stands before the descriptor that does so.
    """
    for name in names:
        method = getattr(instance, name).local
        method.local = method
        instance.__dict__[name] = method


class CreditRiskService(Service[T]):
    """A BentoML service behind this project's edge."""

    def to_asgi(self, is_main: bool = True) -> Edge:
        """The application that the server runs, the edge outermost."""
        self.inject_config()
        return Edge(AppFactory(self, is_main=is_main)())
