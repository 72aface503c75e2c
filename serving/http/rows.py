"""The rows of a long list's answer and their lines in the log, put together from parts that many of them share.

`serving.http.answers.prediction` says what an answer holds; these are the bytes that pydantic writes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import repeat
from operator import add
from typing import Any

from pydantic_core import to_json

from decision import Reason
from engine.columnar.assessing import Answers
from engine.columnar.deciding import OUTCOMES
from serving.http.answers import reasons_given

Texts = Sequence[str | None]

MOST_REMEMBERED = 10_000
"""Lists of reasons whose text is kept: a book has some hundreds that are told at all often."""


class Rows:
    """What some applications are told, as text.

    Args:
        answers: what is told.
        references: the callers' own ids; None where the contract has none.
    """

    def __init__(self, answers: Answers, references: Texts | None) -> None:
        self._answers = answers
        self._references = references
        # As pydantic writes floats, which is not Python's way in all of them.
        self._pds = _text(answers.pd.tolist())[1:-1].split(",")
        self._outcomes: list[int] = answers.decided.outcome.tolist()
        self._scores: list[int] = answers.decided.score.tolist()

    def objects(self, ids: Texts) -> list[str]:
        """A `Prediction` each, JSON.

        Args:
            ids: of the decisions; None for each where nothing is kept.
        """
        answers, identity = self._answers, self._answers.identity
        heads = [
            f'{{"decision":{_text(outcome.value)},"prediction":{prediction},"probability_of_default":'
            for outcome in OUTCOMES
            for prediction in (0, 1)
        ]
        reasons = [_objects(each) for each in answers.reasons.distinct]
        model = (
            f'"model_name":{_text(identity.model_name)},"model_version":{_text(identity.model_version)},'
            f'"policy_version":{_text(identity.policy_version)}'
        )
        tail = [f',"outside_training_range":{_text(each)},{model}' for each in answers.outside.distinct]
        rest = map(add, _named("reference", self._references), _named("decision_id", ids))
        return [
            f'{heads[2 * outcome + one]}{pd},"credit_score":{score},"reasons":{reasons[given]}{tail[out]}{more}}}'
            for outcome, one, pd, score, given, out, more in zip(
                self._outcomes,
                answers.decided.prediction.tolist(),
                self._pds,
                self._scores,
                answers.reasons.of_row,
                answers.outside.of_row,
                rest,
                strict=False,  # which may be without an end
            )
        ]

    def lines(self, kind: str, ids: Texts) -> list[str]:
        """What the log has of each decision: the inside of a JSON object.

        Args:
            kind: of the route.
            ids: as in `objects`.
        """
        answers, identity = self._answers, self._answers.identity
        heads = [f'"kind":{_text(kind)},"decision":{_text(outcome.value)}' for outcome in OUTCOMES]
        reasons = [_codes(each) for each in answers.reasons.distinct]
        model = f'"model_version":{_text(identity.model_version)},"policy_version":{_text(identity.policy_version)}'
        rest = map(add, _named("decision_id", ids), _named("reference_sha256", self._references, digest))
        return [
            f'{heads[outcome]},"probability_of_default":{pd},"credit_score":{score},"reasons":{reasons[given]},{model}{more}'
            for outcome, pd, score, given, more in zip(
                self._outcomes,
                self._pds,
                self._scores,
                answers.reasons.of_row,
                rest,
                strict=False,  # which may be without an end
            )
        ]


def digest(reference: str) -> str:
    """The caller's reference as it may stand in a log: enough to find a line by, and not the reference."""
    return sha256(reference.encode()).hexdigest()[:16]


def _named(name: str, values: Texts | None, told: Callable[[str], str] = str) -> Iterable[str]:
    """One more member of an object for each value that there is."""
    if values is None or not any(values):
        return repeat("")
    return ["" if value is None else f',"{name}":{_text(told(value))}' for value in values]


@lru_cache(MOST_REMEMBERED)
def _objects(reasons: tuple[Reason, ...]) -> str:
    return _text(reasons_given(reasons))


@lru_cache(MOST_REMEMBERED)
def _codes(reasons: tuple[Reason, ...]) -> str:
    return _text([reason.code for reason in reasons])


def _text(value: Any) -> str:
    return to_json(value).decode()
