"""What was told of a decision, as a person reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from desk.results import WORDS

if TYPE_CHECKING:
    from records.events.acts import Act


_Say = Callable[[Mapping[str, Any]], str]


class Done(NamedTuple):
    """One thing that was done.

    Attributes:
        kind: of what was done.
        time: ISO 8601, UTC.
        by: who did it; empty where that isn't known.
        said: what was done, in a sentence.
        text: what they said of it.
    """

    kind: str
    time: str
    by: str
    said: str
    text: str


def done(act: Act) -> Done:
    """One act."""
    content = act.content
    said = _SAID.get(act.kind, _named(act.kind))
    sentence = f"{act.kind} (closed with what was erased)" if content is None else said(content)
    text = str((content or {}).get("text") or (content or {}).get("reason") or "")
    return Done(act.kind, str(act.document()["time"]), act.by or "", sentence, text)


def _named(kind: str) -> _Say:
    """What is said of a kind that a later version tells."""
    return lambda _: kind


def _proposed(content: Mapping[str, Any]) -> str:
    return f"proposed “{WORDS.get(content['decision'], content['decision'])}” ({content['code']})"


def _replayed(content: Mapping[str, Any]) -> str:
    what = ", ".join(content.get("what", ()))
    return f"made it again: {content['verdict']}{f' ({what})' if what else ''}"


def _became(content: Mapping[str, Any]) -> str:
    return f"{'defaulted' if content['defaulted'] else 'no default'}, {content['date']}"


_SAID: Mapping[str, _Say] = {
    "viewed": lambda content: "opened the letter" if content["what"] == "letter" else "looked at it",
    "replayed": _replayed,
    "proposed": _proposed,
    "confirmed": lambda _: "confirmed the override",
    "declined": lambda _: "declined the override",
    "reviewed": lambda _: "reviewed it: it stands",
    "notified": lambda content: f"letter sent on {content['date']}",
    "hold": lambda _: "held it back from being purged",
    "release": lambda _: "released it",
    "outcome": _became,
    "purged": lambda _: "its content was destroyed",
}
"""By kind."""
