from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from preprocessing.cleaning import CleanApplication, CleaningConstants, clean, learn_constants, policy_fields
from pydantic import ValidationError

from preprocessing.application import EXAMPLE, FIELDS, LoanApplication, parse_application
from tests.applications import Document, examples, numbers, portfolio, valid_applications

CONSTANTS = CleaningConstants(person_emp_length=4.0, loan_int_rate=10.99)


def application(**changes: object) -> LoanApplication:
    return parse_application(EXAMPLE | changes)


def applications(field: str, values: Sequence[object]) -> list[LoanApplication]:
    return [application(**{field: value}) for value in values]


class TestConstants:
    @pytest.mark.parametrize("value", [math.nan, math.inf, None, "4", True])
    @pytest.mark.parametrize("field", CleaningConstants.model_fields)
    def test_are_finite_numbers(self, field: str, value: object) -> None:
        """A constant that is no finite number is an error: it would be scored."""
        with pytest.raises(ValidationError, match=field):
            CleaningConstants.model_validate(CONSTANTS.model_dump() | {field: value})

    def test_are_exactly_these(self) -> None:
        """A constant that no code uses is an error."""
        with pytest.raises(ValidationError, match="person_income"):
            CleaningConstants.model_validate(CONSTANTS.model_dump() | {"person_income": 1.0})


class TestLearnConstants:
    @pytest.mark.parametrize("field", CleaningConstants.model_fields)
    def test_median_of_what_is_present(self, field: str) -> None:
        """The median is taken over the values that are there; with an even number of them it lies between two."""
        others = {"person_emp_length": 1, "loan_int_rate": 1} | {field: None}
        learnt = learn_constants([application(**others | {field: v}) for v in (9, None, 3, 1, None, 4.5)])
        assert getattr(learnt, field) == 3.75

    @examples(50)
    @given(st.lists(numbers("loan_int_rate"), min_size=1, max_size=9), st.randoms())
    def test_order_makes_no_difference(self, rates: list[float], rng: object) -> None:
        """The same applications in any order teach the same constants."""
        before = learn_constants(applications("loan_int_rate", rates))
        rng.shuffle(rates)  # type: ignore[attr-defined]
        assert before == learn_constants(applications("loan_int_rate", rates))
        assert statistics.median(rates) == before.loan_int_rate

    def test_constants_are_floats(self) -> None:
        """Even learned from whole numbers they are floats, as the schema file states them."""
        learnt = learn_constants([application(person_emp_length=3, loan_int_rate=11)])
        assert (float, float) == (type(learnt.person_emp_length), type(learnt.loan_int_rate))

    def test_nothing_to_learn_from(self) -> None:
        """Without a single value there is no median, and no constant is made up."""
        with pytest.raises(statistics.StatisticsError):
            learn_constants([application(person_emp_length=None)])


class TestClean:
    def test_present_values_stay(self) -> None:
        """What was sent is what is scored, and is not marked as missing."""
        cleaned = clean(application(person_emp_length=0, loan_int_rate=0.0), CONSTANTS)
        assert (
            cleaned.person_emp_length,
            cleaned.person_emp_length_missing,
            cleaned.loan_int_rate,
            cleaned.loan_int_rate_missing,
        ) == (0, False, 0, False)

    def test_missing_values(self) -> None:
        """A constant stands in for a missing value, and its absence is told."""
        cleaned = clean(application(person_emp_length=None, loan_int_rate=None), CONSTANTS)
        assert (
            cleaned.person_emp_length,
            cleaned.person_emp_length_missing,
            cleaned.loan_int_rate,
            cleaned.loan_int_rate_missing,
        ) == (4.0, True, 10.99, True)

    def test_a_value_equal_to_the_constant(self) -> None:
        """A value that happens to equal the constant is still not missing."""
        present = clean(application(person_emp_length=4, loan_int_rate=10.99), CONSTANTS)
        missing = clean(application(person_emp_length=None, loan_int_rate=None), CONSTANTS)
        assert missing == present._replace(person_emp_length_missing=True, loan_int_rate_missing=True)

    @pytest.mark.parametrize("stated", [None, 0.15, 0.1, 0.24])
    def test_the_ratio_is_exact(self, stated: float | None) -> None:
        """The stated ratio is replaced by the exact one, whatever it was."""
        assert clean(application(loan_percent_income=stated), CONSTANTS).loan_percent_income == 9000 / 62000

    @examples(100)
    @given(valid_applications(), st.integers(0, 120), st.integers(0, 100))
    def test_age_and_credit_history_are_not_read(self, document: Document, age: int, history: int) -> None:
        """Neither age nor the length of credit history can reach what is scored."""
        other = document | {"person_age": age, "cb_person_cred_hist_length": history}
        assert clean(parse_application(document), CONSTANTS) == clean(parse_application(other), CONSTANTS)
        assert not {"person_age", "cb_person_cred_hist_length"} & set(CleanApplication._fields)

    @examples(100)
    @given(valid_applications())
    def test_every_number_is_finite(self, document: Document) -> None:
        """No application within the contract makes a NaN or an infinity."""
        values = clean(parse_application(document), CONSTANTS)
        assert all(math.isfinite(value) for value in values if not isinstance(value, str))


class TestPolicyFields:
    def test_unimputed(self) -> None:
        """Rules see missing values as missing, and every other field as it was normalised."""
        fields = policy_fields(application(person_emp_length=None, loan_int_rate=None, loan_grade=" b "))
        expected = EXAMPLE | {"person_emp_length": None, "loan_int_rate": None, "loan_percent_income": 9000 / 62000}
        assert expected == fields

    @examples(100)
    @given(valid_applications())
    def test_exact_ratio(self, document: Document) -> None:
        """The ratio is the exact one for every application, and every field is there."""
        parsed = parse_application(document)
        fields = policy_fields(parsed)
        assert parsed.loan_amnt / parsed.person_income == fields["loan_percent_income"]
        assert set(FIELDS) == fields.keys()

    def test_the_application_stays_as_it_is(self) -> None:
        """Making the fields, and changing them afterwards, leaves the application alone."""
        parsed = application(loan_percent_income=None)
        policy_fields(parsed)["person_age"] = 0
        assert (parsed.loan_percent_income, parsed.person_age) == (None, 34)

    def test_a_portfolio(self) -> None:
        """What rules see and what is scored agree wherever nothing is missing."""
        for document in portfolio(200, seed=3):
            parsed = parse_application(document)
            cleaned, fields = clean(parsed, CONSTANTS)._asdict(), policy_fields(parsed)
            assert [name for name in FIELDS if name in cleaned and fields[name] not in (None, cleaned[name])] == []
