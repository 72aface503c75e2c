"""The files that people write, as JSON: read strictly, with every fault named by its place and the remedy."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

MAX_PROBLEMS = 100
"""Faults of one document that are told; the rest are counted, for nobody reads thousands."""

WHOLE = "as a whole"
"""The place of what is wrong between parts."""

_REMEDIES = {
    "extra_forbidden": "; remove it",
    "missing": "; add it",
    "too_long": "; drop some",
    "union_tag_invalid": "; use one of them",
}

Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """What all of them are made of: no coercion, no unknown keys, no NaN, and nothing changes once it is read."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class InvalidDocumentError(ValueError):
    """A document that can't be used.

    Attributes:
        problems: "place: problem; remedy", one for each fault.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def read_document(model: type[Model], content: bytes, context: dict[str, Any] | None = None) -> Model:
    """Read one JSON document, in which no object may state a key twice.

    Args:
        model: what it must be. Of a message with several lines, each is a problem of its own.
        content: UTF-8.
        context: for the model's validators.

    Raises:
        InvalidDocumentError: with everything that is wrong, as far as it can be told.
    """
    twice: set[str] = set()

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        counts = Counter(key for key, _ in pairs)
        twice.update(printable(key) for key, count in counts.items() if count > 1)
        return dict(pairs)

    problems: tuple[str, ...] = ()
    try:
        json.loads(content, object_pairs_hook=note)
        # Strict validation takes dates, tuples and enums from JSON text only, not from a decoded document.
        read = model.model_validate_json(content, context=context)
    except ValidationError as exc:
        problems = _problems(exc)
    except (ValueError, RecursionError) as exc:
        problems = (f"not valid JSON: {exc}",)
    if twice:
        named = ", ".join(sorted(twice)[:MAX_PROBLEMS])
        problems += (f"not valid JSON: a key is stated twice in one object: {named}; keep one",)
    if (more := len(problems) - MAX_PROBLEMS) > 0:
        problems = (*problems[:MAX_PROBLEMS], f"{WHOLE}: {more} more faults; correct these first")
    if problems:
        raise InvalidDocumentError(problems)
    return read


def printable(text: str, most: int = 64) -> str:
    """The beginning of any text as ASCII without control characters, for messages, logs and labels."""
    return text[:most].encode("unicode_escape").decode("ascii")


def _problems(exc: ValidationError) -> tuple[str, ...]:
    errors = exc.errors(include_url=False)
    # Beside a wrong item, pydantic also reports its list as too short without it.
    inner = {error["loc"][:length] for error in errors for length in range(len(error["loc"]))}
    return tuple(
        f"{'.'.join(printable(str(part)) for part in error['loc']) or WHOLE}: {line}" + _REMEDIES.get(error["type"], "")
        for error in errors
        if not (error["type"] == "too_short" and error["loc"] in inner)
        for line in error["msg"].removeprefix("Value error, ").splitlines()
    )
