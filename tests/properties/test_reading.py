"""What a drawn contract reads: what its JSON Schema says, refused by field, and never repeated."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from openapi_schema_validator import OAS30Validator, oas30_format_checker
from pydantic_core import from_json, to_json

from preprocessing.application import InvalidApplicationError
from preprocessing.contract import Contract
from tests.books import Document, documents
from tests.contracts import BETWEEN_FIELDS, contracts, refusal, spelt, spoilt
from tests.telemetry import application_schema


def blamed(validator: Any, document: Document) -> set[str]:
    """The fields that a schema finds wrong."""
    found: set[str] = set()
    known = validator.schema["properties"].keys()
    for error in validator.iter_errors(document):
        if error.validator == "required":
            found |= {name for name in error.validator_value if name not in document}
        elif error.validator == "additionalProperties":
            found |= {name[:64].encode("unicode_escape").decode() for name in document.keys() - known}
        else:
            found.add(str(error.absolute_path[0]))
    return found


class TestSchema:
    @settings(max_examples=60)
    @given(contracts(), st.integers(0, 10**6))
    def test_says_what_is_accepted(self, contract: Contract, seed: int) -> None:
        """Valid by the schema is accepted, but for ratios and plausibility; invalid is refused, for the same fields."""
        schema = contract.model.model_json_schema()
        by_schema = Draft202012Validator(schema, format_checker=FormatChecker())
        rng = random.Random(seed)
        for sound in documents(contract, 12, seed):
            contract.parse(sound)
            for document in (sound, spoilt(sound, contract, rng), spoilt(sound, contract, rng)):
                expected = blamed(by_schema, spelt(contract, document))
                errors = refusal(contract, document)
                told = {error.loc[0] for error in errors}
                between = {error.loc[0] for error in errors if error.type in BETWEEN_FIELDS}
                assert expected <= told
                assert told - expected <= between

    @settings(max_examples=25)
    @given(contracts(), st.integers(0, 10**6))
    def test_openapi_says_the_same(self, contract: Contract, seed: int) -> None:
        """The schema of /docs.json, in OpenAPI's older words, takes and refuses the same documents."""
        validator = OAS30Validator(application_schema(contract), format_checker=oas30_format_checker)
        by_schema = Draft202012Validator(contract.model.model_json_schema(), format_checker=FormatChecker())
        rng = random.Random(seed)
        for sound in documents(contract, 12, seed):
            for document in (sound, spoilt(sound, contract, rng), spoilt(sound, contract, rng)):
                # Of old, JSON Schema had 30.0 for no integer.
                plain = {
                    name: int(value) if isinstance(value, float) and value.is_integer() else value
                    for name, value in document.items()
                }
                assert blamed(by_schema, plain) == blamed(validator, plain)


class TestReading:
    @settings(max_examples=40)
    @given(contracts(), st.integers(0, 10**6))
    def test_is_the_same_from_any_json(self, contract: Contract, seed: int) -> None:
        """What was sent as JSON, by either writer of it, reads as what was meant."""
        for document in documents(contract, 20, seed):
            read = dict(contract.parse(document))

            assert read == dict(contract.parse(json.loads(json.dumps(document))))
            assert read == dict(contract.parse(from_json(to_json(document))))
            assert list(read) == [field.name for field in contract.fields]

    @settings(max_examples=40)
    @given(contracts(), st.integers(0, 10**6))
    def test_reads_its_own_reading(self, contract: Contract, seed: int) -> None:
        """An answer's values are an application again, states given as their codes: nothing is read twice over."""
        for document in documents(contract, 20, seed):
            read = contract.parse(document)
            codes = {field.name: getattr(field, "codes", {}) for field in contract.fields}
            again = {
                name: codes[name].get(value, value) if isinstance(value, str) else value for name, value in read.items()
            }

            assert dict(read) == dict(contract.parse(again))

    @settings(max_examples=40)
    @given(contracts(), st.integers(0, 10**6))
    def test_errors_repeat_no_value(self, contract: Contract, seed: int) -> None:
        """Planted values of every kind are in no error, and every error names a field."""
        rng = random.Random(seed)
        planted = ("Zq81xKw", 918273645546.25, -918273645546, ["Zq81xKw"], {"Zq81xKw": 918273645546.25})
        for document in documents(contract, 10, seed):
            wrong = document | {field.name: rng.choice(planted) for field in contract.fields}
            with pytest.raises(InvalidApplicationError) as refused:
                contract.parse(wrong | {"surplus": "Zq81xKw"})

            exc = refused.value
            text = f"{exc} {exc.errors!r} {exc.__cause__!r} {exc.__suppress_context__}"
            assert "Zq81xKw" not in text
            assert "918273645546" not in text
            assert {error.loc[0] for error in exc.errors} <= contract.by_name.keys() | {"surplus"}
            assert len({error.loc for error in exc.errors}) == len(exc.errors)
