"""Applications for every test, demo and benchmark: a portfolio's mix, and what the contract allows and refuses.

Every row is drawn from distributions written down here; none is taken from any data.
"""

from __future__ import annotations

import json
import math
import random
import string
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from preprocessing.contract import CONTRACT_FILE, Contract, read_contract

Document = dict[str, Any]

CONTRACT = read_contract((Path(__file__).parents[1] / "artifacts" / "policy" / CONTRACT_FILE).read_bytes())
"""The default loan book's."""

EXAMPLE: Document = dict(CONTRACT.example)
POLICY_FILE = Path(__file__).parents[1] / "artifacts" / "policy" / "decision_policy.json"
FIELDS = tuple(name for name in CONTRACT.by_name if name != CONTRACT.reference)
parse_application = CONTRACT.parse

CATEGORIES: dict[str, tuple[str, ...]] = {
    "person_home_ownership": ("RENT", "OWN", "MORTGAGE", "OTHER"),
    "loan_intent": ("PERSONAL", "EDUCATION", "MEDICAL", "VENTURE", "HOMEIMPROVEMENT", "DEBTCONSOLIDATION"),
    "loan_grade": tuple("ABCDEFG"),
    "cb_person_default_on_file": ("Y", "N"),
}
INTEGERS: dict[str, tuple[int, int]] = {"person_age": (0, 120), "cb_person_cred_hist_length": (0, 100)}
NUMBERS: dict[str, tuple[float, float]] = {
    "person_income": (1, 1e9),
    "person_emp_length": (0, 80),
    "loan_amnt": (1, 1e9),
    "loan_int_rate": (0, 100),
    "loan_percent_income": (0, 1e9),
}
"""Bounds as the HTTP contract states them, written out again so that the code can't move them unnoticed."""

NULLABLE = ("person_emp_length", "loan_int_rate", "loan_percent_income")


def scoring_only(*fields: str) -> Contract:
    """The default contract with these fields scored and no others."""
    document = json.loads(CONTRACT.model_dump_json(exclude_defaults=True))
    for field in document["fields"]:
        if field["name"] not in fields and field["type"] != "reference":
            field["use"] = "rules"
    return read_contract(json.dumps(document).encode())


def examples(n: int) -> settings:
    """Try `n` examples, without a verdict on how fast this machine is."""
    return settings(max_examples=n, deadline=None, suppress_health_check=[HealthCheck.too_slow])


_HOMES = {"RENT": 50, "MORTGAGE": 41, "OWN": 8, "OTHER": 1}
_INTENTS = {
    "EDUCATION": 20,
    "MEDICAL": 19,
    "VENTURE": 17,
    "PERSONAL": 17,
    "DEBTCONSOLIDATION": 16,
    "HOMEIMPROVEMENT": 11,
}
_GRADES = {"A": 380, "B": 340, "C": 190, "D": 65, "E": 18, "F": 5, "G": 2}
_MEAN_RATE = {"A": 7.3, "B": 11.0, "C": 13.5, "D": 15.4, "E": 17.0, "F": 18.6, "G": 20.3}
_PRIOR_DEFAULT = {"A": 0.01, "B": 0.02, "C": 0.2, "D": 0.35, "E": 0.4, "F": 0.5, "G": 0.6}


def portfolio(n: int, seed: int) -> list[Document]:
    """`n` valid, JSON-ready applications in a realistic mix; a smaller `n` gives the beginning of the same."""
    rng = random.Random(seed)
    return [_application(rng) for _ in range(n)]


def _application(rng: random.Random) -> Document:
    age = min(70, 20 + int(rng.gammavariate(1.6, 5)))
    income = round(min(2_000_000, max(6_000, rng.lognormvariate(math.log(62_000), 0.45))), rng.choice((-3, -2, 0)))
    amount = 25 * round(min(35_000, 0.8 * income, max(500, rng.lognormvariate(math.log(8_000), 0.65))) / 25)
    grade = _pick(rng, _GRADES)
    application: Document = {
        "person_age": age,
        "person_income": income,
        "person_home_ownership": _pick(rng, _HOMES),
        "person_emp_length": min(age - 16, int(rng.expovariate(1 / 5))),
        "loan_intent": _pick(rng, _INTENTS),
        "loan_grade": grade,
        "loan_amnt": amount,
        "loan_int_rate": round(min(23.5, max(5.4, rng.gauss(_MEAN_RATE[grade], 1.1))), 2),
        "loan_percent_income": round(amount / income, 2),
        "cb_person_default_on_file": "Y" if rng.random() < _PRIOR_DEFAULT[grade] else "N",
        "cb_person_cred_hist_length": min(30, 2 + int((age - 20) * rng.uniform(0.3, 0.9))),
    }
    for field, share in {"person_emp_length": 0.03, "loan_int_rate": 0.1, "loan_percent_income": 0.05}.items():
        if rng.random() < share:
            application[field] = None
            if rng.random() < 0.5:
                del application[field]
    return application


def _pick(rng: random.Random, weights: dict[str, int]) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]


@cache
def spellings(field: str) -> st.SearchStrategy[str]:
    """A category of `field` in any case, with any white space around it."""
    words = [spelt for word in CATEGORIES[field] for spelt in (word, word.lower(), word.title())]
    return st.sampled_from(words + [left + word + right for word in words for left, right in _PADDING])


@cache
def integers(field: str) -> st.SearchStrategy[int | float]:
    """A whole number within the bounds of `field`, as an integer or as an integral float."""
    whole = st.integers(*INTEGERS[field])
    return st.sampled_from(INTEGERS[field]) | whole | whole.map(float)


@cache
def numbers(field: str) -> st.SearchStrategy[int | float]:
    """A number within the bounds of `field`, the bounds themselves and everyday magnitudes among them."""
    low, high = NUMBERS[field]
    everyday = st.integers(math.ceil(low), min(200_000, int(high)))
    return st.sampled_from((low, int(high))) | everyday | st.floats(low, high)


_ABSENT = object()
_PADDING = ((" ", ""), ("", "  "), ("\t", "\n"), ("\r\n ", " "))

_VALUES: dict[str, st.SearchStrategy[Any]] = {
    **{field: spellings(field) for field in CATEGORIES},
    **{field: integers(field) for field in INTEGERS},
    **{field: numbers(field) for field in NUMBERS if field not in NULLABLE},
    **{field: numbers(field) | st.sampled_from((None, _ABSENT)) for field in NULLABLE},
    # How far off the stated ratio is, as a share of what is tolerated; or not stated, or stated exactly, or rounded.
    "loan_percent_income": st.sampled_from((None, _ABSENT, 0.0, "rounded")) | st.floats(-0.999, 0.999),
}
_APPLICATIONS = st.tuples(st.integers(0, len(FIELDS) - 1), *(_VALUES[field] for field in FIELDS))


@st.composite
def valid_applications(draw: st.DrawFn) -> Document:
    """Any document that the contract accepts: extremes, null, absent, every spelling, fields in any order."""
    first, *values = draw(_APPLICATIONS)
    application: Document = dict(zip(FIELDS, values, strict=True))
    off, exact = application["loan_percent_income"], application["loan_amnt"] / application["person_income"]
    if off == "rounded":
        application["loan_percent_income"] = round(exact, 2)
    elif isinstance(off, float):
        application["loan_percent_income"] = min(1e9, max(0.0, exact + off * 0.1 * max(1.0, exact)))
    fields = FIELDS[first:] + FIELDS[:first]
    return {field: application[field] for field in fields if application[field] is not _ABSENT}


_NO_NUMBER: tuple[Any, ...] = (
    *(True, False, "", "12", "1e3", "nan", [], [1], {}, {"value": 1}),
    *(math.nan, math.inf, -math.inf),
)
_NO_STRING: tuple[Any, ...] = (True, 0, 1.5, math.nan, [], ["RENT"], {})


@cache
def broken_values(field: str) -> st.SearchStrategy[Any]:
    """A value that `field` never accepts, whatever the other fields say."""
    if field in CATEGORIES:
        words = st.text(max_size=20).filter(lambda s: s.strip().upper() not in CATEGORIES[field])
        return st.sampled_from((None, *_NO_STRING)) | words
    low, high = INTEGERS.get(field) or NUMBERS[field]
    outside = (
        st.sampled_from((math.nextafter(low, -math.inf), math.nextafter(high, math.inf), 10**400, -(10**400), 1.7e308))
        | st.floats(max_value=low, exclude_max=True, allow_nan=False)
        | st.floats(min_value=high, exclude_min=True, allow_nan=False)
        | st.integers(max_value=math.ceil(low) - 1)
        | st.integers(min_value=math.floor(high) + 1)
    )
    wrong = st.sampled_from(_NO_NUMBER if field in NULLABLE else (None, *_NO_NUMBER))
    if field in INTEGERS:
        return outside | wrong | st.floats(low, high).filter(lambda value: not value.is_integer())
    return outside | wrong


@st.composite
def invalid_applications(draw: st.DrawFn) -> tuple[Document, str]:
    """A document with exactly one thing wrong, and the name of the field to be blamed for it."""
    application = draw(valid_applications())
    kind = draw(st.sampled_from(("value", "value", "value", "missing", "unknown", "ratio")))
    if kind == "missing":
        field = draw(st.sampled_from([field for field in FIELDS if field not in NULLABLE]))
        del application[field]
    elif kind == "unknown":
        field = draw(st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=40))
        if field in FIELDS:
            field += "_"
        application[field] = draw(st.none() | st.booleans() | st.integers() | st.text(max_size=5))
    elif kind == "ratio":
        field = "loan_percent_income"
        application |= {"loan_amnt": 5_000, "person_income": 50_000, field: draw(st.floats(0.21, 1e9))}
    else:
        field = draw(st.sampled_from(FIELDS))
        application[field] = draw(broken_values(field))
    return application, field
