"""What the desk asks of the service that it is mounted on; `serving.http.inside` is that service."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from starlette.types import Scope

from engine import Engine

T = TypeVar("T")


class Person(Protocol):
    """Whoever sits at the desk.

    Attributes:
        name: by which their acts go on record.
        roles: what they may do, by the names of `desk.roles.Role`.
        local: nobody has signed in; it is whoever uses the service's own machine.
        known_as: other names of theirs, by which they are the same person.
    """

    @property
    def name(self) -> str: ...  # noqa: D102  # above
    @property
    def roles(self) -> frozenset[str]: ...  # noqa: D102  # above
    @property
    def local(self) -> bool: ...  # noqa: D102  # above
    @property
    def known_as(self) -> frozenset[str]: ...  # noqa: D102  # above


class Told(Protocol):
    """An answer of the API, or the problem document that stands for one.

    Attributes:
        status: HTTP status.
        content: JSON.
        headers: by their names in lower case.
    """

    @property
    def status(self) -> int: ...  # noqa: D102  # above
    @property
    def content(self) -> bytes: ...  # noqa: D102  # above
    @property
    def headers(self) -> Mapping[str, str]: ...  # noqa: D102  # above


class Sample(Protocol):
    """One series of the service's metrics.

    Attributes:
        name: of the sample.
        labels: of the series.
        value: since the start, or at present.
    """

    @property
    def name(self) -> str: ...  # noqa: D102  # above
    @property
    def labels(self) -> Mapping[str, str]: ...  # noqa: D102  # above
    @property
    def value(self) -> float: ...  # noqa: D102  # above


class Host(Protocol):
    """The service. A request's own ASGI scope says on whose behalf it is asked."""

    @property
    def engine(self) -> Engine | None:
        """What decides; None until it is loaded."""

    @property
    def kept(self) -> bool:
        """Whether decisions are recorded."""

    @property
    def most_rows(self) -> int:
        """Of a request with many applications."""

    @property
    def most_bytes(self) -> int:
        """Of any request's body."""

    @property
    def most_upload(self) -> int:
        """Bytes of a file that somebody sends."""

    def contents(self) -> Mapping[str, bytes]:
        """The very bytes of the model's and the policy's files, by name."""

    def samples(self) -> Sequence[Sample]:
        """The service's own metrics, of all its workers."""

    def version(self) -> dict[str, Any]:
        """What /version answers."""

    def person(self, request: Scope) -> Person:
        """Who sent a request that has come through."""

    def problem(self, request: Scope) -> Told | None:
        """Why a request gets no further; None where it may go on."""

    def not_ready(self) -> Told:
        """What is said until something is served."""

    def unreadable(self, error: Exception) -> Told:
        """What is said where the records can't be used; logs why."""

    def failed(self, what: str) -> Told:
        """What is said where the desk itself is at fault; logs the exception that is being handled."""

    async def file(self, request: Scope, document: bytes, key: str | None = None) -> Told:
        """Decide an application and put it on record, once for each key."""

    async def file_many(self, request: Scope, document: bytes, key: str | None = None) -> Told:
        """The same of a list of applications, the answers in its order; also when `request` has been answered."""

    async def try_out(self, request: Scope, document: bytes) -> Told:
        """What would be decided; nothing is kept of it."""

    def check(self, document: bytes) -> Told | None:
        """What is wrong with an application; None where nothing is."""

    async def look_up(self, work: Callable[[Any], T]) -> T:
        """What `work` finds in the records, given what is opened of them; off the event loop.

        Raises:
            RecordsError: as `work` does, or the records can't be used.
        """
