"""What all fields of a contract have, and the columns that are made of them."""

from __future__ import annotations

import keyword
import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator

from preprocessing.documents import Strict

MAX_NUMBER = 1e12
"""Bound of every range: within it a float tells whole numbers apart, and no product of two overflows."""

MAX_CATEGORIES = 200
MAX_TEXT = 200
MAX_REFERENCE_LENGTH = 64
CONTROLS = r"\x00-\x1f\x7f-\x9f"
"""Characters that no text has, as they stand between a pattern's brackets."""


def _named(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
        raise ValueError(
            "a name is made of at most 63 small letters, digits and _, a letter first; rename it (the training file's "
            "own goes into `column`)"
        )
    return name


def is_one_line(text: str) -> bool:
    """Whether a contract can hold a text: not empty, not too long, no control character nor a line's end in it."""
    return len(text) <= MAX_TEXT and re.fullmatch(rf"[^{CONTROLS}\u2028\u2029]+", text) is not None


def _on_one_line(text: str) -> str:
    if not is_one_line(text):
        raise ValueError(f"a text has 1 to {MAX_TEXT} characters on one line, and no control characters; rewrite it")
    return text


Name = Annotated[str, AfterValidator(_named)]
Text = Annotated[str, AfterValidator(_on_one_line)]
Bound = Annotated[float, Field(ge=-MAX_NUMBER, le=MAX_NUMBER)]
Use = Literal["score", "rules", "reports"]
Direction = Literal["rises", "falls"]
Missing = Literal["worst", "own"]
End = Literal["best", "worst"]
Actionable = Literal["change", "state"]
Value = float | int | str | bool | None

PD = "probability_of_default"
"""What the probability of default is called where it stands beside the fields, in answers and in bins."""

MISSING = "missing"
"""Ends the name of the feature that says a value is missing; no special code may be called so."""


def is_reserved(name: str) -> bool:
    """Whether no field can be called so: a word of Python, a name of pydantic's, or of the PD's bins."""
    return keyword.iskeyword(name) or hasattr(BaseModel, name) or name == PD


def undecided(question: str) -> str:
    """What is wrong where a draft's question stands."""
    return f"not decided yet: {question}; decide it, then remove it from `decide`"


class Feature(NamedTuple):
    """One column that the model sees.

    Attributes:
        name: of the column.
        field: the one field that it is made of.
        kind: "number" for a value (imputed where there is none), "flag" for 1 where the value is among `values`.
        values: of the field that the flag stands for; None is a missing value.
        ranks: for an ordered category, what each value counts as.
        direction: which way the risk of default goes as the column rises; the model keeps to it.
        stand_ins: what a missing value or a state counts as, where that lies beyond an end of the range.
        imputed: whether for others of them a constant, learned in training, stands in.
    """

    name: str
    field: str
    kind: Literal["number", "flag"]
    values: frozenset[Value] = frozenset()
    ranks: Mapping[Value, float] | None = None
    direction: Direction | None = None
    stand_ins: Mapping[Value, float] = MappingProxyType({})
    imputed: bool = False


def opposite(direction: Direction | None) -> Direction | None:
    """Which way the risk goes as a number falls, or as what is divided by it rises."""
    return None if direction is None else "falls" if direction == "rises" else "rises"


def beyond(end: End, direction: Direction, minimum: float, maximum: float) -> float:
    """A number beyond the best or the worst end of a range, so far that a float32 tells it from that end."""
    width = 1 + maximum - minimum
    return maximum + width if (end == "worst") is (direction == "rises") else minimum - width


class BaseField(Strict):
    """What all fields have.

    Attributes:
        name: in an application, a rule, an answer.
        column: what the training file calls it, where that is something else.
        description: for whoever sends it.
        unit: of a number.
        example: in the API's page.
        nullable: may be null or absent.
        use: scored (and open to rules), for rules only, or for reports only.
        direction: which way the risk of default goes as the value rises, or as the category comes later; for a flag,
            as no becomes yes.
        missing: what leaving a scored value out counts as: `worst`, never better than stating it, unless the contract
            says `own`, a risk of its own, as for what the lender sets.
        actionable: what an applicant can do about it: `change` the value for a better one, or `state` what was left
            out. Without it no counterfactual touches the field.
        decide: questions of a draft that a person has to settle; a contract with one is refused.
    """

    name: Name
    column: Text | None = None
    description: Text
    unit: Text | None = None
    example: Value = None
    nullable: bool = False
    use: Use = "score"
    direction: Direction | None = None
    missing: Missing | None = None
    actionable: Actionable | None = None
    decide: tuple[Text, ...] = ()

    @property
    def source(self) -> str:
        """The column of the training file."""
        return self.column or self.name

    @property
    def scored(self) -> bool:
        """Whether features are made of it."""
        return self.use == "score"

    @property
    def for_rules(self) -> bool:
        """Whether a policy's rules may name it."""
        return self.use != "reports"

    @property
    def optional(self) -> bool:
        """Whether an application may state null, or nothing."""
        return self.nullable

    @property
    def missing_is_worst(self) -> bool:
        """Whether leaving the value out is never better than stating it."""
        return self.missing != "own" and self.direction is not None

    @property
    def json_type(self) -> Literal["number", "integer", "string"]:
        """What JSON calls a value that is stated."""
        return "string"

    @property
    def choices(self) -> tuple[str, ...]:
        """The texts that a value is one of, as the contract spells them; none where it is no choice."""
        return ()

    @property
    def states(self) -> tuple[str, ...]:
        """What a value that stands for no number comes out as; none where there are no special codes."""
        return ()

    @property
    def best_states(self) -> tuple[str, ...]:
        """Those than which no number has less risk."""
        return ()

    @property
    def worst_first(self) -> Sequence[Value]:
        """The values that an applicant could state, each better than the one before; none without a direction."""
        return ()

    def problems(self) -> Iterator[str]:
        """What is wrong with it by itself, with the remedy."""
        if is_reserved(self.name):
            yield f"the name {self.name!r} is taken, by Python or by this service; choose another"
        for question in self.decide:
            yield undecided(question)
        if self.missing is not None and not self.optional:
            yield "`missing` is for what may be left out; remove it"
        if self.missing != "own" and self.nullable and self.scored and not self.missing_is_worst:
            yield (
                "leaving it out can't be worst where no direction says what is worse; give it a `direction`, or state "
                "`missing`: `own`"
            )
        if self.actionable is not None:
            yield from self._action_problems()

    def _action_problems(self) -> Iterator[str]:
        if not self.for_rules:
            yield "what reports alone read changes no decision; remove `actionable`, or change its use"
        elif self.direction is None:
            yield "no direction says what an improvement is; give it a `direction`, or remove `actionable`"
        if self.actionable == "state" and not self.nullable:
            yield "only what may be left out can be stated later; make it `nullable`, or `actionable` `change`"

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if problems := list(self.problems()):
            raise ValueError("\n".join(f"{self.name}: {problem}" for problem in problems))
        return self

    @abstractmethod
    def annotation(self) -> Any:
        """What pydantic validates a value by: the value as rules and features read it comes out."""

    def features(self, *, may_lack: bool) -> Iterator[Feature]:  # noqa: ARG002  # for those that have features
        """The columns made of a value, in order; `may_lack` says whether there may be none."""
        return iter(())

    def _missing_flag(self) -> Feature:
        return Feature(f"{self.name}_{MISSING}", self.name, "flag", frozenset({None}))


def integral(value: Any) -> Any:
    """A whole number as an int, anything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
