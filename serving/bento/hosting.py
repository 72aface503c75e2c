"""The service class, whose `to_asgi` is the only place outside all of BentoML's middlewares.

Whoever only asks what there is to serve makes no application, and imports nothing of what an application takes.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, TypeVar

from _bentoml_sdk.service.factory import Service

from serving.bento.lifecycle import loading

if TYPE_CHECKING:
    from serving.bento.framework import Hosted
    from serving.http.edge import Edge

T = TypeVar("T", bound="Hosted")


def hosted(service: type[T]) -> type[T]:
    """Nothing: the type checker holds a class against `Hosted`, which BentoML's decorator would hide from it."""
    return service


class HostedService(Service[T]):
    """A BentoML service behind this project's edge."""

    def to_asgi(self, is_main: bool = True) -> Edge:
        """The application that the server runs, the edge outermost.

        Raises:
            SystemExit: BentoML has changed inside, so that the scoring routes can't be made; the log says so.
        """
        with loading():
            from serving.bento.framework import application  # noqa: PLC0415  # see above

            app = application(self, is_main=is_main)
            gc.freeze()  # before anything is loaded, so that settling looks only at what that leaves
            return app
