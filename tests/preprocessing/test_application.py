from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from preprocessing.application import (
    MAX_UNKNOWN_FIELDS_NAMED,
    FieldError,
    InvalidApplicationError,
    without_most_unknown,
)
from tests.applications import (
    CATEGORIES,
    CONTRACT,
    EXAMPLE,
    FIELDS,
    INTEGERS,
    NULLABLE,
    NUMBERS,
    Document,
    broken_values,
    examples,
    invalid_applications,
    parse_application,
    portfolio,
    valid_applications,
)

REQUIRED = [field for field in FIELDS if field not in NULLABLE]
BOUNDS = INTEGERS | NUMBERS

# One that states no ratio, so that amount and income can be varied by themselves.
PLAIN: Document = {**EXAMPLE, "loan_percent_income": None}


def errors(document: object) -> list[FieldError]:
    with pytest.raises(InvalidApplicationError) as info:
        parse_application(document)
    return list(info.value.errors)


def kinds(document: object) -> list[tuple[tuple[Any, ...], str]]:
    return [(error.loc, error.type) for error in errors(document)]


class TestDocument:
    def test_example(self) -> None:
        """The contract's own example is within the contract, and reads back as it was sent."""
        assert dict(parse_application(EXAMPLE)) == EXAMPLE | {"loan_percent_income": 18000 / 62000, "reference": None}

    @examples(200)
    @given(valid_applications())
    def test_any_valid_one_is_accepted(self, document: Document) -> None:
        """Whatever the contract allows is accepted."""
        assert parse_application(document).keys() == CONTRACT.by_name.keys()

    @examples(200)
    @given(valid_applications())
    def test_json_round_trip(self, document: Document) -> None:
        """An application means the same before and after its way through JSON."""
        assert parse_application(document) == parse_application(from_json(json.dumps(document)))

    @examples(300)
    @given(invalid_applications())
    def test_the_one_broken_field_is_blamed(self, broken: tuple[Document, str]) -> None:
        """With one field wrong, that field and no other is named."""
        document, field = broken
        assert [(field,)] == [error.loc for error in errors(document)]

    @pytest.mark.parametrize("document", [None, True, 7, "person_age", [], [EXAMPLE], [[]]])
    def test_not_an_object(self, document: object) -> None:
        """What is no JSON object is refused as a whole."""
        assert [FieldError((), "an application must be a JSON object", "model_type")] == errors(document)

    def test_empty_object(self) -> None:
        """An empty object lacks every required field, in the order of declaration."""
        assert [FieldError((field,), "required field is missing", "missing") for field in REQUIRED] == errors({})

    def test_every_wrong_field_is_named_once(self) -> None:
        """Several wrong fields are named together, in the order of declaration, unknown ones last."""
        document = {"surprise": 1, **{field: [] for field in reversed(FIELDS)}}
        assert [*[(field,) for field in FIELDS], ("surprise",)] == [error.loc for error in errors(document)]

    def test_frozen(self) -> None:
        """What was validated can't be changed afterwards."""
        with pytest.raises(TypeError):
            parse_application(EXAMPLE)["person_age"] = 17  # type: ignore[index]

    def test_portfolio(self) -> None:
        """The generated portfolio is within the contract, has its missing values, and is the same for the same seed."""
        documents = portfolio(2000, seed=1)
        parsed = [parse_application(document) for document in documents]
        assert documents[:100] == portfolio(100, seed=1) != portfolio(100, seed=2)
        assert 0.07 < sum(a["loan_int_rate"] is None for a in parsed) / 2000 < 0.13
        assert 0.01 < sum(a["person_emp_length"] is None for a in parsed) / 2000 < 0.05


class TestNumbers:
    @pytest.mark.parametrize("field", BOUNDS)
    def test_both_bounds_are_allowed(self, field: str) -> None:
        """The bounds are themselves within the contract."""
        for bound in BOUNDS[field]:
            ratio = {"person_income": 1, "loan_amnt": 1e9} if bound == 1e9 and field == "loan_percent_income" else {}
            document = PLAIN | ratio | {field: bound}
            if field == "loan_percent_income" and bound == 0:
                document |= {"loan_amnt": 1}
            parsed = parse_application(document)
            ratio_of = parsed["loan_amnt"] / parsed["person_income"]
            assert parsed[field] == (ratio_of if field == "loan_percent_income" else bound)

    @pytest.mark.parametrize(
        ("field", "bound", "kind"),
        [
            (field, bound, kind)
            for field in BOUNDS
            for bound, kind in zip(BOUNDS[field], ("greater_than_equal", "less_than_equal"), strict=True)
        ],
    )
    def test_beyond_the_bounds(self, field: str, bound: float, kind: str) -> None:
        """The next whole number beyond a bound is an error, and for a fractional field the very next float is too."""
        away = -1 if kind == "greater_than_equal" else 1
        beyond = [int(bound) + away, float(int(bound) + away), away * 1.7e308]
        if field in NUMBERS:
            beyond.append(math.nextafter(bound, away * math.inf))
        for value in beyond:
            assert [((field,), kind)] == kinds(PLAIN | {field: value})

    @pytest.mark.parametrize("field", BOUNDS)
    @pytest.mark.parametrize("digits", ["1" * 400, "-" + "1" * 400])
    def test_four_hundred_digits(self, field: str, digits: str) -> None:
        """An integer too large for any float is an error like any other."""
        document = from_json(json.dumps(PLAIN | {field: "?"}).replace('"?"', digits))
        assert isinstance(document[field], int)
        assert [(field,)] == [error.loc for error in errors(document)]

    @pytest.mark.parametrize("field", BOUNDS)
    @pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
    def test_not_finite(self, field: str, literal: str) -> None:
        """What JSON's readers make NaN or infinite is no number at all, rather than one out of bounds."""
        document = from_json(json.dumps(PLAIN | {field: "?"}).replace('"?"', literal))
        assert not math.isfinite(document[field])
        assert [((field,), "int_type" if field in INTEGERS else "finite_number")] == kinds(document)

    @pytest.mark.parametrize("field", BOUNDS)
    @pytest.mark.parametrize("value", [True, False, "34", "34.0", " 34", "", "1e3", [34], [], {}, {"value": 34}])
    def test_no_number(self, field: str, value: Any) -> None:
        """Booleans, numeric strings, lists and objects are no numbers."""
        kind = "int_type" if field in INTEGERS else "float_type"
        assert [((field,), kind)] == kinds(PLAIN | {field: value})

    @pytest.mark.parametrize("field", INTEGERS)
    def test_integral_float(self, field: str) -> None:
        """30.0 is taken for 30 where an integer is asked, and becomes an integer."""
        value = parse_application(PLAIN | {field: 30.0})[field]
        assert (30, int) == (value, type(value))

    @pytest.mark.parametrize("field", INTEGERS)
    @pytest.mark.parametrize("value", [30.5, 30.000000000000004, 5e-324])
    def test_fraction_where_an_integer_is_asked(self, field: str, value: float) -> None:
        """A fraction is no integer, however small."""
        assert [((field,), "int_type")] == kinds(PLAIN | {field: value})

    @pytest.mark.parametrize("field", NUMBERS)
    def test_integer_where_a_number_is_asked(self, field: str) -> None:
        """An integer is a number, and is held as a float."""
        income = {"loan_amnt": 10_000, "person_income": 10_000} if field == "loan_percent_income" else {}
        value = parse_application(PLAIN | income | {field: 1})[field]
        assert (1.0, float) == (value, type(value))


class TestMissing:
    @pytest.mark.parametrize("field", NULLABLE)
    def test_null_is_absent(self, field: str) -> None:
        """For the nullable fields null and absent mean the same."""
        absent = {name: value for name, value in EXAMPLE.items() if name != field}
        assert parse_application(absent) == parse_application(EXAMPLE | {field: None})
        assert parse_application(absent)[field] == (18000 / 62000 if field == "loan_percent_income" else None)

    @pytest.mark.parametrize("field", REQUIRED)
    def test_required(self, field: str) -> None:
        """Every other field is required."""
        absent = {name: value for name, value in EXAMPLE.items() if name != field}
        assert [FieldError((field,), "required field is missing", "missing")] == errors(absent)

    @pytest.mark.parametrize("field", REQUIRED)
    def test_null_where_required(self, field: str) -> None:
        """Null does not stand for a required field."""
        assert [(field,)] == [error.loc for error in errors(PLAIN | {field: None})]

    def test_the_nullable_fields(self) -> None:
        """These three may be missing at once."""
        assert NULLABLE == ("person_emp_length", "loan_int_rate", "loan_percent_income")
        parse_application({field: EXAMPLE[field] for field in REQUIRED})


class TestCategories:
    @pytest.mark.parametrize(("field", "word"), [(field, word) for field in CATEGORIES for word in CATEGORIES[field]])
    def test_trimmed_and_upper_cased(self, field: str, word: str) -> None:
        """Case and surrounding white space make no difference."""
        for spelt in (word, word.lower(), word.title(), f"  {word}", f"{word.lower()}\t\r\n"):
            assert word == parse_application(EXAMPLE | {field: spelt})[field]

    @pytest.mark.parametrize("field", CATEGORIES)
    @pytest.mark.parametrize("value", ["", " ", "NONE", "A B", "Z", "A\x00", "ＲＥＮＴ", 1, 1.5, True, ["A"], {}])  # noqa: RUF001
    def test_unknown(self, field: str, value: Any) -> None:
        """Anything but the listed categories is an error that lists them."""
        (error,) = errors(EXAMPLE | {field: value})
        assert ((field,), "literal_error") == (error.loc, error.type)
        assert all(f"'{word}'" in error.msg for word in CATEGORIES[field])

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("loan_intent", "per\u017fonal"),
            ("person_home_ownership", "\u00a0RENT"),
            ("loan_grade", "\u0410"),
            ("loan_grade", "A\u200b"),
        ],
        ids=["long s", "no-break space", "Cyrillic A", "zero-width space"],
    )
    def test_lookalikes(self, field: str, value: str) -> None:
        """Foreign letters and spaces are no category, even where upper-casing or trimming would make them one."""
        assert [((field,), "literal_error")] == kinds(EXAMPLE | {field: value})

    def test_lone_surrogates(self) -> None:
        """Half a character, as a key or a value, is an error like any other."""
        assert kinds(EXAMPLE | {"loan_grade": "\ud800"}) == [(("loan_grade",), "string_unicode")]
        assert kinds(EXAMPLE | {"\ud800": 1}) == [((), "string_unicode")]


class TestRatio:
    @pytest.mark.parametrize(
        ("amount", "income", "allowed", "refused"),
        [
            (30_000, 100_000, 0.4, 0.400001),
            (30_000, 100_000, 0.2, 0.199999),
            (9_000, 60_000, 0.25, 0.250001),
            (9_000, 60_000, 0.05, 0.049999),
            (10_000, 10_000, 1.1, 1.100001),
            (10_000, 10_000, 0.9, 0.899999),
            (100_000, 10_000, 11, 11.00001),
            (100_000, 10_000, 9, 8.99999),
            (1e9, 1, 1e9, 0.899999e9),
            (1e9, 1, 0.9e9, 0),
        ],
    )
    def test_boundary(self, amount: float, income: float, allowed: float, refused: float) -> None:
        """A tenth off is allowed, in absolute terms up to a ratio of 1 and in relative terms above; more is not."""
        document = EXAMPLE | {"loan_amnt": amount, "person_income": income}
        assert parse_application(document | {"loan_percent_income": allowed})["loan_percent_income"] == amount / income
        assert kinds(document | {"loan_percent_income": refused}) == [(("loan_percent_income",), "ratio_mismatch")]

    @examples(200)
    @given(st.integers(1, 99), st.integers(0, 999))
    def test_whole_percents(self, percent: int, stated: int) -> None:
        """Ratios stated in decimals are judged as decimals, whatever their binary neighbours."""
        document = EXAMPLE | {"loan_amnt": percent * 100, "person_income": 10_000, "loan_percent_income": stated / 1000}
        if abs(10 * percent - stated) <= 100:
            assert percent / 100 == parse_application(document)["loan_percent_income"]
        else:
            assert kinds(document) == [(("loan_percent_income",), "ratio_mismatch")]

    def test_message(self) -> None:
        """The error names all three fields, for any of them may be the wrong one."""
        (error,) = errors(EXAMPLE | {"loan_percent_income": 0.9})
        assert all(field in error.msg for field in ("loan_percent_income", "loan_amnt", "person_income"))

    @pytest.mark.parametrize("field", ["loan_amnt", "person_income"])
    def test_not_judged_by_a_broken_field(self, field: str) -> None:
        """Where amount or income is itself in error, the ratio is not blamed as well."""
        for value in (None, "x", 0, math.nan):
            assert [(field,)] == [error.loc for error in errors(EXAMPLE | {field: value, "loan_percent_income": 0.9})]


class TestUnknownFields:
    def test_named(self) -> None:
        """An unknown field is an error that names it, and says to remove it."""
        assert [FieldError(("ssn",), "unknown field; remove it", "extra_forbidden")] == errors(EXAMPLE | {"ssn": 1})

    @pytest.mark.parametrize("name", ["", " person_age", "Person_Age", "PERSON_AGE", "__class__", "model_config"])
    def test_names_are_exact(self, name: str) -> None:
        """Names are neither trimmed nor folded, and none has a meaning of its own."""
        assert [((name,), "extra_forbidden")] == kinds(EXAMPLE | {name: 34})

    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("x" * 64, "x" * 64),
            ("x" * 65, "x" * 64),
            ("x" * 100_000, "x" * 64),
            ("a\nb\r\x00\x1b[31m", "a\\nb\\r\\x00\\x1b[31m"),
            ("größe", "gr\\xf6\\xdfe"),
            ("\U0001f600" * 65, "\\U0001f600" * 64),
            ("a\\nb", "a\\\\nb"),
        ],
        ids=["64", "65", "100000", "controls", "umlauts", "emoji", "backslash"],
    )
    def test_cut_and_escaped(self, name: str, shown: str) -> None:
        """A name is cut at 64 characters and then escaped, so that no log line or terminal is broken by it."""
        assert [(shown,)] == [error.loc for error in errors(EXAMPLE | {name: 1})]

    def test_as_many_as_are_named(self) -> None:
        """Up to the cap every unknown field is named."""
        names = [f"x{i}" for i in range(MAX_UNKNOWN_FIELDS_NAMED)]
        assert [(name,) for name in names] == [error.loc for error in errors(EXAMPLE | dict.fromkeys(names))]

    def test_more_than_are_named(self) -> None:
        """Beyond the cap they are counted."""
        found = errors(EXAMPLE | {f"x{i}": i for i in range(MAX_UNKNOWN_FIELDS_NAMED + 1000)})
        assert len(found) == MAX_UNKNOWN_FIELDS_NAMED + 1
        assert FieldError((), "1000 more unknown field(s); remove them", "extra_forbidden") == found[-1]

    @pytest.mark.parametrize("more", [-1, 0, 1, 1000])
    def test_the_rest_costs_nothing(self, more: int) -> None:
        """Beyond the cap they are taken out before anything is validated; up to it the document is as it was."""
        document = EXAMPLE | {f"x{i}": i for i in range(MAX_UNKNOWN_FIELDS_NAMED + more)}
        kept, left_out = without_most_unknown(document, CONTRACT.by_name)
        assert left_out == max(0, more)
        assert kept == {name: document[name] for name in list(document)[: len(document) - left_out]}
        assert without_most_unknown([document], CONTRACT.by_name) == ([document], 0)

    def test_known_fields_are_named_beside_them(self) -> None:
        """However many unknown fields there are, a wrong known field is still named."""
        document = {f"x{i}": i for i in range(1000)} | EXAMPLE | {"person_age": -1}
        assert errors(document)[0].loc == ("person_age",)


class TestConfidentiality:
    @examples(200)
    @given(st.data())
    def test_no_error_repeats_a_value(self, data: st.DataObject) -> None:
        """Neither the errors nor the exception carry a value, be it a word, a number, or inside a list or an object."""
        secrets = data.draw(st.lists(st.integers(10**9 + 1, 10**12), min_size=1, max_size=4, unique=True))
        broken = data.draw(st.lists(st.sampled_from(FIELDS), min_size=len(secrets), unique=True))
        document = dict(PLAIN)
        for field, secret in zip(broken, secrets, strict=False):
            shapes = (secret, -secret, secret + 0.5, str(secret), [secret], {str(secret): secret}, f"x{secret} ")
            document[field] = data.draw(st.sampled_from(shapes))
        document["unknown"] = document.get(broken[0])
        with pytest.raises(InvalidApplicationError) as info:
            parse_application(document)
        exception = info.value
        told = f"{exception} {exception!r} {exception.errors}"
        assert [secret for secret in secrets if str(secret) in told] == []
        # pydantic's own error does carry the values: it must neither be the cause nor be shown as the context.
        assert (None, True) == (exception.__cause__, exception.__suppress_context__)

    @pytest.mark.parametrize("field", FIELDS)
    @examples(30)
    @given(data=st.data())
    def test_the_message_depends_on_the_kind_alone(self, field: str, data: st.DataObject) -> None:
        """Two values that are wrong in the same way get the same message to the letter."""
        one, other = (errors(PLAIN | {field: data.draw(broken_values(field))})[0] for _ in range(2))
        assert one.msg == other.msg or one.type != other.type


class TestFieldError:
    def test_at(self) -> None:
        """An error within a list says in which row."""
        assert FieldError((3, "loan_amnt"), "m", "t") == FieldError(("loan_amnt",), "m", "t").at(3)
        assert FieldError((0,), "m", "t") == FieldError((), "m", "t").at(0)

    def test_exception_counts(self) -> None:
        """The exception says how many fields are wrong, and nothing else of them."""
        with pytest.raises(InvalidApplicationError, match=r"^8 invalid field\(s\)$"):
            parse_application({})
