"""The applications that every server is asked: a portfolio's mix, some of it not approved; none is from any data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.assessing import CONTRACT, MODEL, load_engine
from engine import Engine
from preprocessing.application import Application
from scoring.artifact import read_artifact
from scoring.estimator import load_estimator
from serving.http.answers import prediction
from tests.applications import portfolio

SEED = 6
NUMBER = 500


@dataclass(frozen=True, slots=True)
class Case:
    """One application, and what a server must say of it.

    Attributes:
        document: as it is sent.
        vector: the model's features.
        model_pd: the classifier's own probability of default, not calibrated.
        answer: of `/predict`.
    """

    document: dict[str, Any]
    vector: list[float]
    model_pd: float
    answer: dict[str, Any]

    @property
    def approved(self) -> bool:
        """Whether no reasons are owed."""
        return bool(self.answer["decision"] == "APPROVE")


@cache
def engine() -> Engine:
    """The model and policy in this process."""
    return load_engine()


def cases_of(documents: Iterable[dict[str, Any]], answering: Engine, model: Path) -> Iterator[Case]:
    """Cases of these applications, as an engine of the model in this folder answers them."""
    estimator = load_estimator(read_artifact(model))
    for document in documents:
        application = answering.contract.parse(document)
        (assessment,) = answering.assess([application])
        features = answering.scorer.schema.matrix([application])
        ((_, model_pd),) = estimator.predict_proba(features).tolist()
        yield Case(document, features[0].tolist(), model_pd, prediction(assessment))


@cache
def mix() -> tuple[Case, ...]:
    """A portfolio's mix."""
    return tuple(cases_of(portfolio(NUMBER, SEED), engine(), MODEL))


@cache
def approved() -> tuple[Case, ...]:
    """As many applications that are all approved."""
    cases = cases_of(portfolio(3 * NUMBER, SEED), engine(), MODEL)
    return tuple(islice((case for case in cases if case.approved), NUMBER))


def matrix(cases: tuple[Case, ...]) -> NDArray[np.float32]:
    """Features, shape (n, k)."""
    return np.array([case.vector for case in cases], dtype=np.float32)


def synthetic(n: int, seed: int) -> list[Application]:
    """`n` parsed applications, for models made only to be timed."""
    return [CONTRACT.parse(document) for document in portfolio(n, seed)]
