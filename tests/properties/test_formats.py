"""What a file may hold at most and at least, and that whatever was read stays as it is."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel

import decision
import preprocessing
import scoring
from decision import Policy, ReasonCatalogue
from preprocessing.base import is_one_line
from preprocessing.contract import Contract
from preprocessing.documents import Strict
from preprocessing.features import SchemaFile
from scoring.artifact import GoldenApplications, Manifest
from scoring.calibration import Calibration
from scoring.distribution import TrainingDistribution

FILES = (
    Contract, Policy, ReasonCatalogue, Manifest, SchemaFile, GoldenApplications, Calibration, TrainingDistribution,
)  # fmt: skip

ONE_OR_MORE = {"minItems": 1}
SHARE = {"minimum": 0, "maximum": 1}
STATED_TEXT = {"minLength": 1}
WITHIN_ALL = {"minimum": -1e12, "maximum": 1e12}
SCALE = {"exclusiveMinimum": 0, "maximum": 1e6}
WITHIN_LOG_ODDS = {"minimum": -100, "maximum": 100}

LIMITS: dict[str, dict[str, float | bool]] = {
    "Calibration.format": {"const": 1},
    "Calibration.knots": {"minItems": 1, "maxItems": 100} | WITHIN_LOG_ODDS,
    "Calibration.slope_above": {"exclusiveMinimum": 0, "maximum": 100},
    "Calibration.slope_below": {"exclusiveMinimum": 0, "maximum": 100},
    "Calibration.values": WITHIN_LOG_ODDS,
    "CatalogueEntry.text": STATED_TEXT,
    "CatalogueEntry.text_by_value": STATED_TEXT,
    "CatalogueEntry.text_if_missing": STATED_TEXT,
    "Contract.fields": {"minItems": 1, "maxItems": 256},
    "Contract.format": {"const": 1},
    "DataFile.header": {"default": True},
    "Example.probability_of_default": SHARE,
    "FieldBins.missing": SHARE,
    "FieldBins.shares": ONE_OR_MORE | SHARE,
    "GoldenApplication.probability_of_default": SHARE,
    "GoldenApplications.applications": ONE_OR_MORE,
    "GoldenApplications.format": {"const": 1},
    "Label.defaulted": ONE_OR_MORE,
    "Label.repaid": ONE_OR_MORE,
    "Manifest.format": {"const": 3},
    "Plausible.maximum": WITHIN_ALL,
    "Plausible.minimum": WITHIN_ALL,
    "Policy.examples": ONE_OR_MORE,
    "Policy.format": {"const": 1},
    "Ratio.maximum": {"exclusiveMinimum": 0, "maximum": 1e12},
    "Ratio.tolerance": {"exclusiveMinimum": 0, "maximum": 1, "default": 0.1},
    "ReasonCatalogue.format": {"const": 1},
    "ReasonCatalogue.reasons": ONE_OR_MORE,
    "Reference.nullable": {"const": True, "default": True},
    "ReferencePopulation.pd_below": {"exclusiveMinimum": 0, "maximum": 1},
    "ReferencePopulation.pd_from": {"minimum": 0, "exclusiveMaximum": 1},
    "ReferencePopulation.size": {"minimum": 1},
    "Rule.conditions": ONE_OR_MORE,
    "SchemaFile.format": {"const": 2},
    "ScoreScale.base_odds": SCALE,
    "ScoreScale.base_score": SCALE,
    "ScoreScale.points_to_double_odds": SCALE,
    "Telling.materiality": SHARE | {"default": 0.2},
    "Thresholds.approve_below": {"exclusiveMinimum": 0, "exclusiveMaximum": 1},
    "Thresholds.reject_from": {"exclusiveMinimum": 0, "exclusiveMaximum": 1},
    "TrainingDistribution.bins": ONE_OR_MORE,
    "TrainingDistribution.format": {"const": 2},
    "TrainingDistribution.quantiles": {"minItems": 2, "maxItems": 2} | SHARE,
    "TrainingDistribution.rows": {"minimum": 1},
    **{f"{kind}.{name}": WITHIN_ALL for kind in ("Number", "Integer") for name in ("minimum", "maximum")},
    **{f"{kind}.codes": WITHIN_ALL | {"maxProperties": 32} for kind in ("Number", "Integer")},
    **{f"{kind}.categories": {"minItems": 2, "maxItems": 200} for kind in ("Category", "Ordered")},
    **{f"{kind}.nullable": {"default": False}
       for kind in ("Number", "Integer", "Category", "Ordered", "Flag", "Ratio", "Date")},
}  # fmt: skip
"""Written out again, so that the code can't move them unnoticed: what was accepted once must be later."""


def limits(place: str, schema: Any) -> Iterator[tuple[str, str, float]]:
    """Every number in a model's schema that a value is held against, or has where none is stated."""
    for key, value in schema.items() if isinstance(schema, dict) else ():
        if key in ("properties", "$defs"):
            for name, inner in value.items():
                yield from limits(f"{place}.{name}" if key == "properties" else name, inner)
        elif isinstance(value, int | float) and key != "additionalProperties":
            yield place, key, value
        elif isinstance(value, dict | list) and key != "default":
            for inner in value if isinstance(value, list) else [value]:
                yield from limits(place, inner)


def test_limits_of_the_files() -> None:
    """Edges of every number and of every list: none that isn't written down, and none moved."""
    found: dict[str, dict[str, float]] = {}
    for model in FILES:
        for place, key, value in limits(model.__name__, model.model_json_schema()):
            found.setdefault(place, {})[key] = value
    assert found == LIMITS


def test_limits_of_a_text() -> None:
    """200 characters on one line."""
    assert is_one_line("x" * 200)
    assert not any(map(is_one_line, ("", "x" * 201, "x\ny", "x\u2028y", "\x7f")))


def modules(*packages: ModuleType) -> Iterator[ModuleType]:
    for package in packages:
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)


RECORDS = {
    record
    for module in modules(preprocessing, decision, scoring)
    for record in vars(module).values()
    if isinstance(record, type)
    and record.__module__ == module.__name__
    and (dataclasses.is_dataclass(record) or issubclass(record, Strict))
}


@pytest.mark.parametrize("record", sorted(RECORDS, key=lambda record: record.__name__))
def test_records_are_frozen(record: Any) -> None:
    """Whatever was verified is what is used later; and a file's records take nothing that they don't know."""
    if issubclass(record, BaseModel):
        config = record.model_config
        assert {"strict": True, "extra": "forbid", "frozen": True, "allow_inf_nan": False}.items() <= config.items()
    else:
        assert record.__dataclass_params__.frozen
