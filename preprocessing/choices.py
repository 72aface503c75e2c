"""Fields that hold one of some texts: categories, in an order or in none, and flags."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from string import whitespace
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from preprocessing.base import MAX_CATEGORIES, MISSING, BaseField, Direction, Feature, Text, Value
from preprocessing.documents import printable
from preprocessing.numeric import number_feature


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

    @property
    def missing_is_worst(self) -> bool:
        """See `BaseField`."""
        return self.missing != "own"

    def features(self, *, may_lack: bool) -> Iterator[Feature]:
        """See `BaseField`."""
        # Of nothing all flags are 0; where each may only lower the risk, no category has more.
        lowers: Direction | None = "falls" if may_lack and self.missing_is_worst else None
        for category in self.categories:
            yield Feature(f"{self.name}_{category}", self.name, "flag", frozenset({category}), direction=lowers)
        if may_lack and not self.missing_is_worst:
            yield self._missing_flag()


class Ordered(_Listed):
    """One of some texts in their order: its rank, from 0 on."""

    type: Literal["ordered"]

    @property
    def worst_first(self) -> Sequence[Value]:
        """See `BaseField`."""
        return {"falls": self.categories, "rises": self.categories[::-1], None: ()}[self.direction]

    def features(self, *, may_lack: bool) -> Iterator[Feature]:
        """See `BaseField`."""
        number = number_feature(self, 0, len(self.categories) - 1, {}, may_lack=may_lack)
        ranks: dict[Value, float] = {category: float(rank) for rank, category in enumerate(self.categories)}
        yield number._replace(name=f"{self.name}_rank", ranks=MappingProxyType(ranks))
        if may_lack and not self.missing_is_worst:
            yield self._missing_flag()


class Flag(_Choice):
    """Yes or no, in two texts: 1 for yes."""

    type: Literal["flag"]
    yes: Text
    no: Text

    @property
    def choices(self) -> tuple[str, ...]:
        """See `BaseField`."""
        return self.yes, self.no

    @property
    def worst_first(self) -> Sequence[Value]:
        """See `BaseField`."""
        return {"falls": (self.no, self.yes), "rises": (self.yes, self.no), None: ()}[self.direction]

    def features(self, *, may_lack: bool) -> Iterator[Feature]:
        """See `BaseField`."""
        counts_as_yes: set[Value] = {self.yes}
        if may_lack and self.missing_is_worst and self.direction == "rises":
            counts_as_yes.add(None)
        yield Feature(self.name, self.name, "flag", frozenset(counts_as_yes), direction=self.direction)
        if may_lack and not self.missing_is_worst:
            yield self._missing_flag()
