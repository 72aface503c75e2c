"""The decision along a field's range, held against asking value by value."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from decision import read_policy
from engine import Engine, Stretch, along, open_model
from engine.along import steps_per_unit
from preprocessing.application import Application
from preprocessing.fields import Integer, Number
from scoring.artifact import read_artifact
from tests.applications import CONTRACT, POLICY_FILE, parse_application, portfolio

APPLICATIONS = [parse_application(document) for document in portfolio(40, seed=17)]
NUMBERS = [field for field in CONTRACT.fields if isinstance(field, Number | Integer)]
CHOICES = [field.name for field in CONTRACT.fields if field.choices]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(*open_model(read_artifact(Path("artifacts/model"))), read_policy(POLICY_FILE, CONTRACT))


def told(engine: Engine, application: Application, name: str, values: list[Any]) -> list[Any]:
    return engine.outcomes([CONTRACT.with_values(application, {name: value}) for value in values])


@pytest.mark.parametrize("field", NUMBERS, ids=lambda field: field.name)
def test_stretches_are_what_each_value_gets(engine: Engine, field: Number | Integer) -> None:
    """They cover the range without a gap; at their ends, just outside of them and between, the decision is as told."""
    rng, per_unit, turns = random.Random(field.name), steps_per_unit(field), 0
    for application in APPLICATIONS:
        stretches = along(engine, application, field.name).stretches
        assert (field.least, field.greatest) == (stretches[0].low, stretches[-1].high)
        turns += len(stretches) - 1
        for before, after in pairwise(stretches):
            assert before.outcome != after.outcome
            assert round(before.high * per_unit) + 1 == round(after.low * per_unit)
        for stretch in stretches:
            places = range(round(stretch.low * per_unit), round(stretch.high * per_unit) + 1)
            values = [stretch.low, *(rng.choice(places) / per_unit for _ in range(20)), stretch.high]
            least, greatest = stretch.pds
            for outcome, pd in told(engine, application, field.name, values):
                assert stretch.outcome is outcome
                assert least <= pd <= greatest
    assert turns > 0 or not any(field.name in str(rule) for rule in engine.policy.rules)


def test_a_monotone_field_is_parted_once_for_each_outcome(engine: Engine) -> None:
    """The risk rises with the amount, and so do the decisions' severities."""
    for application in APPLICATIONS:
        stretches: tuple[Stretch, ...] = along(engine, application, "loan_amnt").stretches
        assert len(stretches) == len({each.outcome for each in stretches})
        assert [each.pds for each in stretches] == sorted(each.pds for each in stretches)


@pytest.mark.parametrize("name", CHOICES)
def test_choices(engine: Engine, name: str) -> None:
    singles = along(engine, APPLICATIONS[0], name).singles
    assert list(CONTRACT.by_name[name].choices) == [each.value for each in singles]
    assert told(engine, APPLICATIONS[0], name, [each.value for each in singles]) == [
        (each.outcome, each.pd) for each in singles
    ]


def test_nothing_stated_is_a_value_too(engine: Engine) -> None:
    (single,) = along(engine, APPLICATIONS[0], "person_emp_length").singles
    assert single.value is None
