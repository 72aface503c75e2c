"""Contracts as hypothesis draws them: fields of every type with bounds, codes, texts and names of all kinds.

Applications are drawn from a contract by `tests.books.documents`, and spoilt here in whatever way JSON allows.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from string import whitespace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier

from decision.policy import OUTSIDE, Policy
from preprocessing.application import Application, FieldError, InvalidApplicationError
from preprocessing.contract import Contract
from preprocessing.features import FeatureSchema
from preprocessing.fields import MAX_NUMBER, AnyField, Category, Flag, Integer, Number, Ordered, Ratio, Reference
from scoring.artifact import Artifact, GoldenApplications, Manifest
from scoring.attribution import LeafIndex
from scoring.calibration import Calibration
from scoring.distribution import FORMAT, FieldBins, Range, TrainingDistribution
from scoring.estimator import trees_of
from scoring.scorer import Scorer
from tests.books import Document, contract_of, documents
from training.boosting import grow, kept

NAMES = (
    "a", "v", "x", "none_x", "flags_x", "ranks_x", "self", "cls", "data", "match", "type", "value", "field", "missing",
    "int", "float", "unknown", "document", "amount_9", "q" * 63,
)  # fmt: skip
"""Some of them are names in the code that is made of a contract, or in the code that makes it."""

RANGES = ((0, 1), (0, 100), (18, 75), (-50, 50), (5, 5), (1, 1e7), (-1e12, 1e12), (0.1, 0.3), (1000, 1e8))
TEXTS = (
    "RENT", "own", "Größe", "größe", "\u017f", "it's", 'say "no"', "{0}", "a['b'] or __import__('os')", "\\n", "%s",
    "0", "1", "1.0", "None", "true", "other", "-", "a" * 200, "\u202e", "日本",
)  # fmt: skip

WRONG = (
    None, True, False, 0, -1, 1, 0.5, 30.0, 10**30, 10**400, -1e300, "", " ", "1", "2024-02-29", "2023-02-29", "x" * 65,
    "\n.", "é", [], [1], {}, {"a": 1},
)  # fmt: skip
"""Values of JSON that few fields take."""


@st.composite
def _numeric(draw: st.DrawFn, name: str, low: float, high: float) -> Document:
    integer = draw(st.booleans()) and float(low).is_integer() and float(high).is_integer()
    field: Document = {"name": name, "type": "integer" if integer else "number", "minimum": low, "maximum": high}
    field["nullable"] = draw(st.booleans())
    outside = [code for code in (-9, -8, 0, 99, low - 1, high + 1) if not low <= code <= high and abs(code) <= 1e12]
    codes = draw(st.lists(st.sampled_from(outside), max_size=2, unique=True)) if outside else []
    field["codes"] = dict(zip(("none", "x"), codes, strict=False))
    field["direction"] = draw(st.sampled_from([None, "rises", "falls"]))
    if field["direction"] and codes:
        field["standing"] = {"none": draw(st.sampled_from(["best", "worst"]))}
    field["missing"] = _missing(draw, field)
    if high > low and draw(st.integers(0, 3)) == 0:
        at = low + (high - low) / 4
        field["plausible"] = {"minimum": float(int(at)) if int(at) >= low else low, "maximum": high, "remedy": "euros"}
    return field


@st.composite
def _worded(draw: st.DrawFn, name: str) -> Document:
    texts = draw(st.lists(st.sampled_from(TEXTS), min_size=2, max_size=5, unique_by=str.upper))
    kind = draw(st.sampled_from(["category", "ordered", "flag"]))
    field: Document = {"name": name, "type": kind, "nullable": draw(st.booleans())}
    if kind != "category":
        field["direction"] = draw(st.sampled_from([None, "rises", "falls"]))
    field["missing"] = _missing(draw, field)
    return field | ({"yes": texts[0], "no": texts[1]} if kind == "flag" else {"categories": texts})


def _missing(draw: st.DrawFn, field: Document) -> str | None:
    if not field["nullable"]:
        return None
    may_be_worst = field.get("direction") or field["type"] == "category"
    return draw(st.sampled_from(["own", "worst", None])) if may_be_worst else "own"


def _action(draw: st.DrawFn, field: Document) -> str | None:
    if not field.get("direction") or field["use"] == "reports":
        return None
    return draw(st.sampled_from([None, "change", *(["state"] if field["nullable"] else [])]))


def _ratios(fields: Sequence[Document], amount: str | None) -> list[tuple[Document, Document]]:
    numbers = [f for f in fields if f["type"] in ("number", "integer")]
    return [
        (above, below)
        for above in numbers
        for below in numbers
        if above is not below and above["minimum"] >= 0 and below["minimum"] > 0 and below["name"] != amount
    ]


@st.composite
def contract_documents(draw: st.DrawFn, *, amount: bool = False, scored: int = 7) -> Document:
    """A contract's document with at most so many fields in the model; with an amount of some hundreds if asked."""
    names = iter(draw(st.permutations(NAMES)))
    fields: list[Document] = []
    if amount:
        low, high = draw(st.sampled_from([(1, 400), (0, 350), (37, 300), (0.5, 320.5)]))
        fields.append(draw(_numeric(next(names), low, high)) | {"nullable": False, "codes": {}, "standing": {}})
        fields[0] |= {"direction": "rises", "missing": None}
        below = {"minimum": draw(st.sampled_from([0.5, 1, 50])), "maximum": 2000.0}
        for _ in range(divisors := draw(st.sampled_from([0, 1, 1, 2]))):
            fields.append(draw(_numeric(next(names), 1, 2000)) | below | {"plausible": None})
            fields[-1] |= {"type": "number", "codes": draw(st.sampled_from([{}, {"none": -7}, {"x": 0, "none": -9}])),
                           "standing": {}}  # fmt: skip
    for _ in range(draw(st.integers(1, 4))):
        field = draw(st.sampled_from(RANGES).flatmap(lambda r: _numeric("", *r)) | _worded(""))
        fields.append(field | {"name": next(names)})
    the_amount = fields[0]["name"] if amount else None
    for field in fields:
        field["use"] = draw(st.sampled_from(["score", "score", "score", "score", "rules", "reports"]))
        field["actionable"] = _action(draw, field)
    fields[-1]["use"] = "score"
    if amount:
        fields[0] |= {"actionable": "change", "use": "rules" if fields[0]["use"] == "reports" else fields[0]["use"]}
    pairs = _ratios(fields, the_amount)
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=2)) if pairs else []
    if amount:
        chosen = [(fields[0], below) for below in fields[1 : 1 + divisors]]
    for operand in [operand for pair in chosen for operand in pair]:
        # What is in a ratio must go along with it: the amount always rises, the others may go either way.
        operand |= {"direction": "rises" if operand["name"] == the_amount else None, "standing": {},
                    "actionable": "change" if operand["name"] == the_amount else None,
                    "missing": "own" if operand["nullable"] else None}  # fmt: skip
    for above, below in chosen:
        use = draw(st.sampled_from(["score", "rules"])) if above["use"] == below["use"] == "score" else "rules"
        most = (above.get("plausible") or above)["maximum"] / (below.get("plausible") or below)["minimum"]
        direction = "rises" if above["name"] == the_amount else draw(st.sampled_from([None, "rises", "falls"]))
        fields.append({"name": next(names), "type": "ratio", "numerator": above["name"], "denominator": below["name"],
                       "maximum": most, "use": use, "direction": direction})  # fmt: skip
    for field in [f for f in fields if f["use"] == "score"][scored:]:
        field["use"] = "rules"
    kinds = draw(st.lists(st.sampled_from(["date", "reference"]), unique=True))
    fields += [{"name": next(names), "type": kind, "nullable": True} for kind in kinds]
    document = {"format": 1, "name": "drawn", "version": "1.0.0", "amount": the_amount, "fields": fields,
                "label": {"column": "Label!", "defaulted": [1], "repaid": [0]}}  # fmt: skip
    return _with_examples(document)


def _with_examples(document: Document) -> Document:
    for field in document["fields"]:
        field["description"] = "Drawn."
        field["example"] = None
        if field["type"] == "ratio" or field.get("nullable"):
            continue
        low = (field.get("plausible") or field).get("minimum")
        field["example"] = {
            "date": "2024-02-29",
            "flag": field.get("yes"),
        }.get(field["type"], field.get("categories", [low])[0])
    return document


def contracts(*, amount: bool = False, scored: int = 7) -> st.SearchStrategy[Contract]:
    """Contracts, read as from a file."""
    return contract_documents(amount=amount, scored=scored).map(contract_of)


def spoilt(document: Document, contract: Contract, rng: random.Random) -> Document:
    """A document with a few values changed: into others that may do, others that may not, and others' kinds."""
    changed = dict(document)
    for field in rng.sample(contract.fields, k=min(len(contract.fields), rng.randrange(1, 4))):
        action = rng.randrange(4)
        if action == 0:
            changed.pop(field.name, None)
        elif action == 1:
            changed[field.name] = rng.choice(WRONG)
        else:
            changed[field.name] = rng.choice(_near(field, document))
    if rng.randrange(8) == 0:
        changed[rng.choice(["surplus", "", "Ü", "copy", "é" * 100])] = 1
    return changed


def _near(field: AnyField, document: Document) -> list[Any]:
    if isinstance(field, Number | Integer):
        ends = [field.minimum, field.maximum, *field.codes.values()]
        return [*ends, *(e + 1 for e in ends), *(e - 0.5 for e in ends), *(float(e) for e in ends), *field.codes]
    if isinstance(field, Category | Ordered | Flag):
        texts = list(field.choices)
        return [
            *texts,
            *(f" \t{text}\n" for text in texts),
            *(t.swapcase() for t in texts),
            *(t.upper() for t in texts),
        ]
    if isinstance(field, Ratio):
        above, below = document.get(field.numerator), document.get(field.denominator)
        exact = above / below if all(type(n) in (int, float) and 0 < abs(n) < 1e300 for n in (above, below)) else 0.5
        return [exact, exact * 1.05, exact * 2 + 1, exact + 0.05, -exact, field.maximum, field.maximum * 2]
    if isinstance(field, Reference):
        return ["R-1", "a\tb", "\x7f", "R" * 64, "R" * 65, "ü" * 64, "\u2028"]
    return ["2024-02-29", "2023-02-29", "20240229", "2024-02-29T00:00", "0001-01-01", "2024-W09-4"]


def applications(contract: Contract, n: int, seed: int) -> list[Application]:
    """Valid applications, read."""
    return [contract.parse(document) for document in documents(contract, n, seed)]


BETWEEN_FIELDS = {"implausible", "ratio_mismatch"}
"""What no schema can say."""


def spelt(contract: Contract, document: Document) -> Document:
    """With texts as the contract spells them: trimmed, in any case of ASCII letters."""

    def same(text: str, choice: str) -> bool:
        if text.isascii() and choice.isascii():
            return text.strip().upper() == choice.strip().upper()
        return text.strip(whitespace) == choice

    changed = dict(document)
    for field in contract.fields:
        value = document.get(field.name)
        if isinstance(field, Category | Ordered | Flag) and isinstance(value, str):
            changed[field.name] = next((choice for choice in field.choices if same(value, choice)), value)
    return changed


def refusal(contract: Contract, document: object) -> tuple[FieldError, ...]:
    """What is wrong with a document; nothing where it is read."""
    try:
        contract.parse(document)
    except InvalidApplicationError as exc:
        return exc.errors
    return ()


CURVED = Calibration(format=1, knots=[-1.0, 0.5], values=[-1.5, 0.25], slope_below=0.75, slope_above=2.0)
"""A calibration that leaves no margin as it is."""


@dataclass(frozen=True)
class Small:
    """A small model of drawn applications, opened by the scorer that serves."""

    contract: Contract
    applications: Sequence[Application]
    depth: int
    seed: int

    @cached_property
    def schema(self) -> FeatureSchema:
        """With invented constants: a drawn contract may have a field without a number in so few applications."""
        return FeatureSchema(self.contract, {name: 0.25 + i for i, name in enumerate(self.contract.imputed)})

    @cached_property
    def matrix(self) -> NDArray[np.float32]:
        """The applications' features."""
        return self.schema.matrix(self.applications)

    @cached_property
    def model(self) -> GradientBoostingClassifier:
        """Of labels that follow the features somewhat, and as the contract's directions say."""
        rng = np.random.default_rng(self.seed)
        spread = (self.matrix - self.matrix.mean(0)) / (self.matrix.std(0) + 1e-9)
        labels = (spread @ rng.normal(size=spread.shape[1]) + rng.normal(size=len(spread)) > 0).astype(int)
        labels[:2] = 0, 1
        parameters = {"n_estimators": 8, "learning_rate": 0.4, "max_depth": self.depth, "min_samples_leaf": 1}
        return kept(grow(parameters, self.matrix, labels, self.schema.directions, seed=1), self.matrix, labels)

    @cached_property
    def scorer(self) -> Scorer:
        """As a process has it."""
        manifest = Manifest.model_construct(name="drawn", version="1.0.0")
        trees = trees_of(self.model)
        tables = LeafIndex(trees, self.schema).build_tables(self.matrix[:8])
        none = GoldenApplications.model_construct(applications=[])
        distribution = distribution_of(self.contract)
        return Scorer(Artifact(manifest, self.schema, none, trees, CURVED, tables, distribution, {}))


def distribution_of(contract: Contract) -> TrainingDistribution:
    """Invented, for a drawn contract may lack numbers: the middle of each range, the first choice, no state."""
    return TrainingDistribution(
        format=FORMAT, rows=1, quantiles=[0.0, 1.0], bins=[_bins(contract.by_name[name]) for name in contract.scored]
    )


def _bins(field: AnyField) -> FieldBins:
    if field.choices:
        return FieldBins(field=field.name, edges=[], categories=[field.choices[0]], shares=[1.0], missing=0.1)
    minimum, maximum = (field.minimum, field.maximum) if isinstance(field, Number | Integer) else (0.0, 10.0)
    quarter = (maximum - minimum) / 4
    return FieldBins(
        field=field.name, edges=[minimum + quarter], categories=[], states=list(field.states),
        shares=[0.5, 0.5, *(0.0 for _ in field.states)], missing=0.0,
        range=Range(low=minimum + quarter, high=maximum - quarter),
    )  # fmt: skip


def policy_of(contract: Contract, rules: Sequence[Document]) -> Policy:
    """A policy with these rules, and an example that it is bound to hold."""
    ruled = {field.name: contract.example.get(field.name) for field in contract.fields if field.for_rules}
    document = {
        "format": 1, "version": "1.0.0", "effective_date": "2026-01-01", "reason_catalogue": "1.0.0",
        "thresholds": {"approve_below": 0.35, "reject_from": 0.6},
        "score": {"base_score": 600, "base_odds": 30, "points_to_double_odds": 20, "minimum": 300, "maximum": 850},
        "rules": list(rules),
        "examples": [{"name": "low", "fields": ruled, "probability_of_default": 0.1, "expected": "APPROVE"}],
    }  # fmt: skip
    policy = Policy.model_validate_json(json.dumps(document | {"rules": []}), context={"contract": contract})
    # The rules one by one: what the example is decided by them is not the contract's business.
    read = Policy.model_fields["rules"].annotation
    assert read is not None
    rule_type = read.__args__[0]
    made = tuple(rule_type.model_validate_json(json.dumps(r), context={"contract": contract}) for r in rules)
    return policy.model_copy(update={"rules": made})


@st.composite
def rule_documents(draw: st.DrawFn, contract: Contract, fields: Sequence[str] = ()) -> Document:
    """A rule that the contract allows, about some of these fields."""
    open_to_rules = [f for f in contract.fields if f.for_rules and (not fields or f.name in fields)]
    conditions = [
        draw(_conditions(field)) for field in draw(st.lists(st.sampled_from(open_to_rules), min_size=1, max_size=2))
    ]
    outcome = draw(st.sampled_from(["CONDITIONAL_APPROVAL", "REJECT"]))
    return {"id": f"r{draw(st.integers(0, 10**6))}", "description": "d", "conditions": conditions, "outcome": outcome,
            "reason": "R"}  # fmt: skip


@st.composite
def _worse(draw: st.DrawFn, field: AnyField) -> Document:
    """A condition that holds for all that is worse than what it holds for."""
    states = [s for s in field.states if s not in getattr(field, "standing", {})]
    if field.choices:
        worse = list(field.worst_first[: draw(st.integers(1, len(field.worst_first)))])
        return {"field": field.name, "op": "in", "value": worse}
    if states and draw(st.booleans()):
        return {"field": field.name, "op": "==", "value": draw(st.sampled_from(states))}
    op = draw(st.sampled_from([">", ">="] if field.direction == "rises" else ["<", "<="]))
    return {"field": field.name, "op": op, "value": draw(_numbers(field))}


def _numbers(field: AnyField) -> st.SearchStrategy[float]:
    """What a field may be compared with: up to a number beyond its own, but no further than a rule may go."""
    low, high = getattr(field, "minimum", 0), getattr(field, "maximum", 1)
    return st.floats(low, high) | st.integers(int(low), min(int(high) + 1, int(MAX_NUMBER)))


@st.composite
def _conditions(draw: st.DrawFn, field: AnyField) -> Document:
    op = draw(st.sampled_from(["==", "!=", "in", "is_null", "<", "<=", ">", ">=", OUTSIDE]))
    if op == OUTSIDE and not field.scored:
        op = "is_null"
    if op in ("is_null", OUTSIDE):
        return {"field": field.name, "op": op}
    if field.direction is not None:
        return draw(_worse(field))
    if isinstance(field, Category | Ordered | Flag):
        op = op if op in ("==", "!=", "in") else "=="
        values = st.sampled_from(field.choices)
    else:
        numbers = _numbers(field) | st.sampled_from([0, 1, 50, 0.5])
        states = list(field.states)
        values = numbers | st.sampled_from(states) if states and op in ("==", "!=", "in") else numbers
    value = draw(st.lists(values, min_size=1, max_size=3)) if op == "in" else draw(values)
    return {"field": field.name, "op": op, "value": value}
