"""Fields that hold one of some texts: categories, in an order or in none, and flags."""

from __future__ import annotations

from collections.abc import Iterator
from string import whitespace
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from preprocessing.base import MAX_CATEGORIES, MISSING, BaseField, Feature, Text, Value
from preprocessing.documents import printable


class _Choice(BaseField):
    """One of some texts, trimmed, in any case of ASCII letters; it comes out spelt as the contract spells it."""

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        spelt: dict[str, str] = {}
        for category in self.choices:
            spelling = folded(category)
            if category != category.strip():
                yield f"category {printable(category)!r} begins or ends with white space, which is trimmed; remove it"
            if spelling in spelt:
                yield (
                    f"categories {printable(spelt[spelling])!r} and {printable(category)!r} differ at most by case, "
                    "which does not count; keep one"
                )
            spelt[spelling] = category

    def annotation(self) -> Any:
        """See `BaseField`."""
        spellings = {folded(category): category for category in self.choices}

        def spell(value: Any) -> Any:
            return spellings.get(folded(value), value) if isinstance(value, str) else value

        return Annotated[Literal[self.choices], BeforeValidator(spell)]


def folded(text: str) -> str:
    """What two spellings of one category have in common."""
    # ASCII only: str.upper() would turn some foreign letters (such as the long s) into a valid category.
    return text.strip().upper() if text.isascii() else text.strip(whitespace)


class _Listed(_Choice):
    categories: Annotated[tuple[Text, ...], Field(min_length=2, max_length=MAX_CATEGORIES)]

    @property
    def choices(self) -> tuple[str, ...]:
        return self.categories


class Category(_Listed):
    """One of some texts in no order: a column of its own for each."""

    type: Literal["category"]

    def problems(self) -> Iterator[str]:
        """See `BaseField`."""
        yield from super().problems()
        if self.direction is not None:
            yield "an unordered category has no direction; remove it, or make the type `ordered`"
        if MISSING in self.categories:
            yield f"a category can't be called {MISSING}: that is what null is; choose another name"

    def features(self) -> Iterator[Feature]:
        """See `BaseField`."""
        for category in self.categories:
            yield Feature(f"{self.name}_{category}", self.name, "flag", frozenset({category}))


class Ordered(_Listed):
    """One of some texts in their order: its rank, from 0 on."""

    type: Literal["ordered"]

    def features(self) -> Iterator[Feature]:
        """See `BaseField`."""
        ranks: dict[Value, float] = {category: float(rank) for rank, category in enumerate(self.categories)}
        yield Feature(f"{self.name}_rank", self.name, "number", ranks=ranks)


class Flag(_Choice):
    """Yes or no, in two texts: 1 for yes."""

    type: Literal["flag"]
    yes: Text
    no: Text

    @property
    def choices(self) -> tuple[str, ...]:
        """See `BaseField`."""
        return self.yes, self.no

    def features(self) -> Iterator[Feature]:
        """See `BaseField`."""
        yield Feature(self.name, self.name, "flag", frozenset({self.yes}))
