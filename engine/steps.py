"""Work that asks questions on its way, many of it at once: what all of it asks is answered together."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TypeVar

Key = TypeVar("Key")
Question = TypeVar("Question")
Answer = TypeVar("Answer")
Result = TypeVar("Result")


def together(
    works: Mapping[Key, Generator[Question, Answer, Result]],
    answer: Callable[[Sequence[tuple[Key, Question]]], Sequence[Answer]],
) -> dict[Key, Result]:
    """The results of works that are all gone on with at once.

    Args:
        works: each begins with a question, or ends.
        answer: what each of some works has asked, in order.
    """
    results: dict[Key, Result] = {}
    answers: Mapping[Key, Answer | None] = dict.fromkeys(works)
    while answers:
        asked: list[tuple[Key, Question]] = []
        for key, given in answers.items():
            try:
                asked.append((key, works[key].send(given)))  # type: ignore[arg-type]  # the first is nothing
            except StopIteration as end:
                results[key] = end.value
        answers = dict(zip((key for key, _ in asked), answer(asked), strict=True)) if asked else {}
    return results
