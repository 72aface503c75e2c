"""What is known of a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self

from pydantic_core import from_json, to_json

INPUT = "input"
"""What a job's file is called; what it is, its content says."""

PARTS = "parts"
"""The folder of what was made of it."""


class State(StrEnum):
    """How far a job is."""

    WAITING = "waiting"
    """For what a person has to send or to say."""
    ARRIVING = "arriving"
    READING = "reading"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE = frozenset({State.READING, State.RUNNING})
"""While somebody works on it."""

ENDED = frozenset({State.DONE, State.FAILED, State.CANCELLED})


@dataclass(frozen=True, slots=True)
class Job:
    """A job.

    Attributes:
        id: unguessable.
        kind: batch or policy.
        owner: by name; nobody else is told of it.
        made: Unix time, seconds.
        name: of the file, as its sender calls it.
        state: how far it is.
        total: rows of the file, once they are counted.
        done: of them.
        bad: of those, without an answer.
        size: bytes of the file.
        problems: why it can't go on, a line each.
        facts: what else its page shows, by kind.
    """

    id: str
    kind: str
    owner: str
    made: float
    name: str = ""
    state: State = State.WAITING
    total: int = 0
    done: int = 0
    bad: int = 0
    size: int = 0
    problems: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        """Whether somebody works on it."""
        return self.state in ACTIVE

    @property
    def ended(self) -> bool:
        """Whether nothing more will become of it."""
        return self.state in ENDED

    def encoded(self) -> bytes:
        """As it is kept."""
        return to_json(asdict(self))

    @classmethod
    def of(cls, content: bytes) -> Self:
        """From what is kept."""
        document = from_json(content)
        state, problems = State(document.pop("state")), tuple(document.pop("problems"))
        return cls(**document, state=state, problems=problems)
