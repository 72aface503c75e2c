"""BentoML's input and output descriptors around what reads requests and makes responses.

A batchable method gets the rows of many requests in one list. These say how a request becomes rows, and how a request's
own results become its response. They pass coroutines on, and are none themselves: each would cost every request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ClassVar

from _bentoml_sdk.io_models import IODescriptor, IORootModel
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from serving.http.answers import BatchPrediction, Explanation, Prediction

if TYPE_CHECKING:
    from serving.http.batches import Queued, Result
    from serving.http.bodies import Bodies
    from serving.http.responses import Responses

Read = Callable[[Request], "Awaitable[list[Queued]]"]
Write = Callable[["list[Result]"], Awaitable[Response]]


class Descriptors:
    """The descriptors of all scoring routes.

    Which routes there are, and the schemas of what they take and answer, is known without anything to read and write.

    Attributes:
        application: of a body that is one application.
        applications: of a body that is a list of them.
        prediction: of /predict's answer.
        batch: of /predict/batch's.
        explanation: of /predict/explain's.
    """

    def __init__(self) -> None:
        self.application = Application
        self.applications = Applications
        self.prediction = _output(Prediction)
        self.batch = _output(BatchPrediction)
        self.explanation = _output(Explanation)

    def connect(self, bodies: Bodies, responses: Responses) -> None:
        """Have requests read and answers written by these."""
        self.application.read, self.applications.read = bodies.one, bodies.many
        self.prediction.write = responses.prediction
        self.batch.write, self.explanation.write = responses.batch, responses.explanation


class Application(IORootModel[dict[str, Any]]):
    """One application."""

    __root_input__: ClassVar[bool] = True
    read: ClassVar[Read]

    @classmethod
    def from_http_request(cls, request: Request, serde: Any) -> Awaitable[list[Queued]]:  # noqa: ARG003  # BentoML's
        """The rows of a request."""
        return cls.read(request)


class Applications(IORootModel[list[dict[str, Any]]]):
    """A list of them."""

    __root_input__: ClassVar[bool] = True
    read: ClassVar[Read]

    @classmethod
    def from_http_request(cls, request: Request, serde: Any) -> Awaitable[list[Queued]]:  # noqa: ARG003  # BentoML's
        """The rows of a request."""
        return cls.read(request)


def _output(model: type[BaseModel]) -> Any:
    class Output(IODescriptor, model):  # type: ignore[misc,valid-type]  # one class for each model
        write: ClassVar[Write]

        @classmethod
        def to_http_response(cls, obj: list[Result], serde: Any) -> Awaitable[Response]:  # noqa: ARG003  # BentoML's
            return cls.write(obj)

    Output.__name__ = Output.__qualname__ = model.__name__
    return Output
