"""BentoML's input and output descriptors around what reads requests and makes responses.

A batchable method gets the rows of many requests in one list. These say how a request becomes rows, and how a request's
own results become its response. They pass coroutines on, and are none themselves: each would cost every request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from _bentoml_sdk.io_models import IODescriptor, IORootModel
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from serving.http.answers import BatchPrediction, Explanation, Prediction
from serving.http.batches import Queued, Result
from serving.http.bodies import Bodies
from serving.http.responses import Responses

Read = Callable[[Request], Awaitable[list[Queued]]]
Write = Callable[[list[Result]], Awaitable[Response]]


class Descriptors:
    """The descriptors of all scoring routes.

    Attributes:
        application: of a body that is one application.
        applications: of a body that is a list of them.
        prediction: of /predict's answer.
        batch: of /predict/batch's.
        explanation: of /predict/explain's.
    """

    def __init__(self, bodies: Bodies, responses: Responses) -> None:
        self.application = _one(bodies.one)
        self.applications = _many(bodies.many)
        self.prediction = _output(Prediction, responses.prediction)
        self.batch = _output(BatchPrediction, responses.batch)
        self.explanation = _output(Explanation, responses.explanation)


def _one(read: Read) -> type[IODescriptor]:
    class Application(IORootModel[dict[str, Any]]):
        __root_input__: ClassVar[bool] = True

        @classmethod
        def from_http_request(cls, request: Request, serde: Any) -> Awaitable[list[Queued]]:  # noqa: ARG003  # BentoML's
            return read(request)

    return Application


def _many(read: Read) -> type[IODescriptor]:
    class Applications(IORootModel[list[dict[str, Any]]]):
        __root_input__: ClassVar[bool] = True

        @classmethod
        def from_http_request(cls, request: Request, serde: Any) -> Awaitable[list[Queued]]:  # noqa: ARG003  # BentoML's
            return read(request)

    return Applications


def _output(model: type[BaseModel], write: Write) -> type[IODescriptor]:
    class Output(IODescriptor, model):  # type: ignore[misc,valid-type]  # one class for each model
        @classmethod
        def to_http_response(cls, obj: list[Result], serde: Any) -> Awaitable[Response]:  # noqa: ARG003  # BentoML's
            return write(obj)

    Output.__name__ = Output.__qualname__ = model.__name__
    return Output
