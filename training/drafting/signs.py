"""Signs that a person must look at a column: names and values that mean more than a type tells."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from training.drafting.columns import Column

LEAK_AUC = 0.95
"""A column that does so well alone is known only after the outcome, as a rule."""

FEW_WHOLE_NUMBERS = 12
"""Whole numbers as few as that may be codes for categories."""

MOSTLY_MISSING = 0.5

_FAR = 2.0
"""Default rates so many times apart are worth a question."""

_MOST_CODES = 6
_GAP = 2.0
"""A special code above the numbers is at least so many times the greatest of them."""

PROHIBITED = frozenset(
    {
        "sex",
        "gender",
        "male",
        "female",
        "race",
        "racial",
        "ethnic",
        "ethnicity",
        "color",
        "colour",
        "religion",
        "religious",
        "faith",
        "church",
        "marital",
        "married",
        "spouse",
        "wife",
        "husband",
        "divorced",
        "widowed",
        "national",
        "nationality",
        "origin",
        "foreign",
        "foreigner",
        "citizen",
        "citizenship",
        "immigrant",
        "immigration",
        "visa",
        "country",
        "birthplace",
        "birth",
        "born",
        "dob",
        "birthday",
        "birthdate",
        "age",
        "pregnant",
        "maternity",
        "disability",
        "disabled",
        "handicap",
        "handicapped",
        "welfare",
        "telephone",
        "phone",
        "language",
        "tribe",
        "caste",
    }
)
"""Words of a column's name for what no lender may decide by, or only within bounds (Reg B, 12 CFR 1002.4, 1002.6)."""

_TELLING = (
    {"male", "female"},
    {"m", "f"},
    {"married", "single"},
    {"married", "divorced"},
    {"man", "woman"},
    {"white", "black"},
    {"christian", "muslim"},
)
"""Categories that tell such a basis whatever the column is called."""

_ORDERED = (
    ("low", "medium", "high"),
    ("low", "high"),
    ("poor", "good"),
    ("bad", "good"),
    ("none", "some", "many"),
    ("primary", "secondary"),
    ("small", "large"),
)

_ID_WORDS = frozenset(
    {"id", "uuid", "guid", "key", "ref", "reference", "number", "no", "nr", "index", "row", "unnamed"}
)
_AMOUNT_WORDS = frozenset({"amount", "amnt", "amt"})
_AMOUNT_NAMES = frozenset({"loan", "credit", "principal"})
_MOSTLY_UNIQUE = 0.95
_NINES = re.compile(r"9+[6-9]")


def words(name: str) -> list[str]:
    """The words that a column's name is made of, in lower case: of snake_case, CamelCase and any other."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    split = re.sub(r"([a-z0-9])([A-Z])|([A-Z]+)(?=[A-Z][a-z])", r"\1\3_\2", plain)
    return [word for word in re.split(r"[^a-z0-9]+", split.lower()) if word]


def prohibited(column: Column) -> str | None:
    """The word that suggests a basis on which a lender must not decide."""
    if found := next((word for word in words(column.name) if word.rstrip("0123456789") in PROHIBITED), None):
        return found
    if column.numeric or column.distinct > FEW_WHOLE_NUMBERS:
        return None
    told = {text.lower() for text in column.categories} | {w for text in column.categories for w in words(text)}
    return next((" and ".join(sorted(pair)) for pair in _TELLING if pair <= told), None)


def special_codes(column: Column) -> list[float]:
    """Numbers that seem to stand for states: a few negative ones below all others, or nines far above them."""
    counts = Counter(column.numbers)
    negative = sorted(value for value in counts if value < 0)
    found = negative if 0 < len(negative) <= min(_MOST_CODES, (len(counts) - 1) // 2) else []
    if not all(value.is_integer() for value in found):
        found = []
    nines = {value for value in counts if value.is_integer() and _NINES.fullmatch(str(int(value)))}
    greatest = max((value for value in counts if value not in nines), default=0.0)
    return found + sorted(value for value in nines if value >= _GAP * greatest and counts[value] > 1)


def is_id(column: Column) -> bool:
    """Whether it numbers or names the rows."""
    many = column.distinct >= max(20, _MOSTLY_UNIQUE * len(column.present))
    if not many or column.dates:
        return False
    if not column.numeric:
        return all(len(text) <= 64 for text in column.texts)
    if not column.whole or column.distinct < len(column.present):
        return False
    counted_up = sorted(column.numbers) in (column.numbers, column.numbers[::-1])
    return counted_up or bool(_ID_WORDS & set(words(column.name)))


def is_amount(column: Column) -> bool:
    """Whether its name says that it is the amount asked for."""
    made_of = words(column.name)
    return bool(_AMOUNT_WORDS & set(made_of)) or (len(made_of) == 1 and made_of[0] in _AMOUNT_NAMES)


def is_age(column: Column) -> bool:
    """Whether its name says that it is the applicant's age."""
    return "age" in words(column.name)


def looks_ordered(categories: Iterable[str]) -> bool:
    """Whether categories read like grades."""
    lower = sorted(category.lower() for category in categories)
    letters = all(len(category) == 1 and category.isalpha() for category in lower)
    in_a_row = letters and len(lower) > 2 and [ord(c) for c in lower] == list(range(ord(lower[0]), ord(lower[-1]) + 1))
    return in_a_row or any(set(scale) <= set(lower) for scale in _ORDERED)


def questions(column: Column, *, scored: bool) -> list[str]:
    """What a person has to settle about a column."""
    asked = []
    if (word := prohibited(column)) is not None:
        asked.append(
            f"{word[:40]!r} suggests a basis on which no lender may decide, or only within bounds (Reg B): taken for "
            "reports only, and may be left out"
        )
    if column.auc > LEAK_AUC:
        asked.append(
            f"alone it tells defaults with an AUC of {column.auc:.3f}: known only after the outcome? remove the field, "
            "or set `use` to score"
        )
    if column.numeric:
        asked += _about_numbers(column)
    elif scored and looks_ordered(column.categories):
        asked.append("its categories read like grades: make it `ordered` and list them in their order, or keep it")
    if column.missing > MOSTLY_MISSING:
        asked.append(f"missing in {column.missing:.0%} of the rows: is it known when an application comes in?")
    if (rates := column.defaults_if_missing) is not None and not 1 / _FAR < (rates[0] + 0.01) / (
        rates[1] + 0.01
    ) < _FAR:
        asked.append(
            f"{rates[0]:.0%} default where it is missing, {rates[1]:.0%} where not: does it go missing for the same "
            "reasons when an application comes in?"
        )
    return asked


def _about_numbers(column: Column) -> list[str]:
    asked = []
    if codes := special_codes(column):
        rows = sum(value in codes for value in column.numbers)
        named = ", ".join(f"{code:g}" for code in codes)
        asked.append(f"{named} look like special codes, in {rows} rows: name the states, or drop `codes`")
    if column.whole and column.distinct <= FEW_WHOLE_NUMBERS and not set(column.numbers) <= {0, 1}:
        asked.append(
            f"{column.distinct} whole numbers: a count or a rank? codes without an order are a category, of texts"
        )
    if column.texts:
        asked.append(
            f"{len(column.texts)} cells hold texts, in {len(set(column.texts))} spellings: their rows are refused; "
            "clean the file"
        )
    return asked
