"""The contract file: what is read from it, and every fault named by its place with the remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from preprocessing.application import InvalidApplicationError
from preprocessing.contract import MAX_FIELDS, InvalidContractError, label_key, read_contract
from preprocessing.documents import MAX_PROBLEMS
from preprocessing.features import FeatureSchema
from tests.books import EVERY_TYPE, contract_of, documents, edited

Edit = Callable[[dict[str, Any]], Any]


def field(document: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [field for field in document["fields"] if field["name"] == name]
    return found


def number(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "number", "description": "x", "minimum": 0, "maximum": 1, "example": 0, **more}


def directionless(document: dict[str, Any]) -> None:
    """Where there is nothing worse, leaving it out has a risk of its own, and nobody can do anything about it."""
    document.update(direction=None, actionable=None, missing="own" if document.get("nullable") else None)


def unratioed(document: dict[str, Any]) -> None:
    """Without the ratio, and what follows from it."""
    document["fields"].remove(field(document, "price_to_savings"))


def marked(document: dict[str, Any], categories: list[int]) -> None:
    """Nothing but fields of so many categories each."""
    made = [
        {
            "name": f"f{i}",
            "type": "category",
            "description": "x",
            "categories": list(map(str, range(n))),
            "example": "0",
        }
        for i, n in enumerate(categories)
    ]
    document.update(fields=made, amount=None, age=None, applicant=[], groups=[])


def faults(edit: Edit) -> list[str]:
    """What is wrong with the contract of every type after an edit."""
    document = deepcopy(EVERY_TYPE)
    edit(document)
    with pytest.raises(InvalidContractError) as refused:
        contract_of(document)
    return str(refused.value).splitlines()


class TestFaults:
    @pytest.mark.parametrize(
        ("edit", "message"),
        [
            (lambda d: d["fields"].append(dict(field(d, "moored"))), "fields: 2 have the name 'moored'; give each"),
            (lambda d: field(d, "savings").update(column="berths"), "fields: 2 have the column 'berths'"),
            (lambda d: field(d, "hull").update(type="picture"), "fields.4: Input tag 'picture' found"),
            (lambda d: (d["fields"].insert(0, d["fields"].pop(4)), d["fields"][3].update(denominator="hull")),
             "fields.price_to_savings.denominator: hull is of type category; a ratio is of two numbers"),
            (lambda d: field(d, "price_to_savings").update(numerator="surveyed"),
             "fields.price_to_savings.numerator: no field before it is called 'surveyed'"),
            (lambda d: field(d, "savings").update(minimum=0, codes={"abroad": -1}),
             "fields.price_to_savings.denominator: savings may be 0; a denominator's minimum is above 0"),
            (lambda d: field(d, "price_to_savings").update(nullable=True), "remove `nullable`"),
            (lambda d: field(d, "hull").update(direction="rises"),
             "hull: an unordered category has no direction; remove it, or make the type `ordered`"),
            (lambda d: field(d, "berths").update(codes={"unknown": 9}),
             "berths: code unknown (9) lies inside the range 0 to 40, where it is a number; narrow the range or drop"),
            (lambda d: field(d, "berths").update(codes={"a": 99, "b": 99}), "berths: two codes have the same number"),
            (lambda d: field(d, "berths").update(codes={"missing": 99}), "berths: a code can't be called missing"),
            (lambda d: field(d, "berths").update(codes={"unknown": 99.5}), "must be whole numbers"),
            (lambda d: field(d, "berths").update(codes={"Un known": 99}), "rename it"),
            (lambda d: field(d, "berths").update(minimum=9, maximum=1), "berths: minimum 9 lies above maximum 1"),
            (lambda d: field(d, "price").update(maximum=1e300), "fields.0.number.maximum: Input should be less than"),
            (lambda d: field(d, "price")["plausible"].update(maximum=2e7), "price: the plausible range must rise"),
            (lambda d: field(d, "moored").update(name="class"), "the name 'class' is taken, by Python or by"),
            (lambda d: field(d, "moored").update(name="model_config"), "the name 'model_config' is taken"),
            (lambda d: field(d, "moored").update(name="probability_of_default"), "'probability_of_default' is taken"),
            (lambda d: field(d, "moored").update(name="__import__('os')"), "a letter first; rename it"),
            (lambda d: field(d, "moored").update(name="m" * 64), "at most 63 small letters"),
            (lambda d: field(d, "hull").update(categories=["it's \"x\"\nimport os", "y"]), "on one line"),
            (lambda d: field(d, "hull").update(categories=["wood", "WOOD"]),
             "hull: categories 'wood' and 'WOOD' differ at most by case, which does not count; keep one"),
            (lambda d: field(d, "hull").update(categories=["wood", " steel"]), "white space, which is trimmed"),
            (lambda d: field(d, "hull").update(categories=["wood"]), "at least 2 items"),
            (lambda d: field(d, "hull").update(categories=[f"c{i}" for i in range(500)]), "at most 200 items"),
            (lambda d: field(d, "hull").update(categories=["wood", "missing"]), "a category can't be called missing"),
            (lambda d: field(d, "moored").update(no="JA"), "categories 'ja' and 'JA' differ at most by case"),
            (lambda d: field(d, "surveyed").update(use="score"), "fields.7.date.use: Input should be 'reports'"),
            (lambda d: field(d, "age").update(use="score"), "age: age is scored; for rules or reports only"),
            (lambda d: field(d, "price").update(nullable=True), "amount: price must be required"),
            (lambda d: field(d, "language").update(actionable="change"), "what reports alone read changes no decision"),
            (lambda d: field(d, "hull").update(actionable="state"), "no direction says what an improvement is; give"),
            (lambda d: field(d, "moored").update(actionable="state"), "only what may be left out can be stated later"),
            (lambda d: field(d, "price_to_savings").update(actionable="change"), "mark those, and remove `actionable`"),
            (lambda d: field(d, "age").update(actionable="change", direction="falls"),
             "fields.age.actionable: nobody changes their age to get a loan; remove it"),
            (lambda d: (field(d, "price").update(direction="falls"), field(d, "price_to_savings").update(use="rules")),
             "fields.price.actionable: the amount falls, so that more would be offered; remove it"),
            (lambda d: d["fields"].extend(number(f"n{i}") | {"direction": "falls", "actionable": "change"}
                                          for i in range(5)),
             "fields: 9 are actionable, more than 8; mark fewer"),
            (lambda d: d.update(amount="hull"), "amount: 'hull' is no field of type number or integer"),
            (lambda d: d.update(applicant=["nobody"]), "applicant: 'nobody' is no field"),
            (lambda d: d["groups"].append({"field": "berths", "title": "b"}), "groups.2.below: berths is of type"),
            (lambda d: d["groups"].append({"field": "hull", "title": "b", "below": [1]}), "remove `below`"),
            (lambda d: d["groups"].append({"field": "surveyed", "title": "b"}), "no field that groups can be made of"),
            (lambda d: d["groups"][0].update(below=[62, 30]), "the ends of the groups must rise"),
            (lambda d: d["label"].update(column="Rumpf"), "label.column: 'Rumpf' is a field's column too"),
            (lambda d: d["label"].update(defaulted=[1], repaid=["1.0"]), "stands for both defaulted and repaid"),
            (lambda d: d["label"].update(repaid=[]), "label.repaid: Tuple should have at least 1 item"),
            (lambda d: d["fields"].append(number("berths_unknown")),
             "fields: two of them would make the feature 'berths_unknown'; rename one"),
            (lambda d: d["fields"].append({"name": "other", "type": "reference", "description": "x"}),
             "there can be one of type reference"),
            (lambda d: d.update(fields=[field(d, "surveyed")], amount=None, age=None, applicant=[], groups=[]),
             "fields: none is scored"),
            (lambda d: d.update(fields=[number(f"f{i}") for i in range(10_000)]), f"at most {MAX_FIELDS} items"),
            (lambda d: d.update(colour="red"), "colour: Extra inputs are not permitted; remove it"),
            (lambda d: d.update(version="1"), "version: String should match pattern"),
            (lambda d: field(d, "price").update(example=4), "fields.price.example: "),
            (lambda d: field(d, "price").pop("example"), "fields.price.example: required field is missing"),
            (lambda d: (field(d, "savings").update(standing={"abroad": "worst"}, nullable=False),
                        field(d, "price_to_savings").update(missing="own")),
             "fields.price_to_savings.missing: it goes missing with a state of savings that stands worst; remove it"),
            (lambda d: field(d, "price").update(minimum=-1),
             "fields.price_to_savings.numerator: price may be below 0; a numerator's minimum is 0 or more"),
            (lambda d: field(d, "savings").update(use="rules"),
             "fields.price_to_savings.denominator: savings isn't scored, so that no ratio of it may be; change its"),
            (lambda d: (directionless(field(d, "savings")), field(d, "price_to_savings").update(direction="falls")),
             "fields.price_to_savings.direction: price rises and moves price_to_savings, which then has to say"),
            (lambda d: (directionless(field(d, "price")), field(d, "price_to_savings").update(direction="falls")),
             "price_to_savings.direction: savings falls and moves price_to_savings, which then has to say"),
            (lambda d: field(d, "price_to_savings").update(missing="own"),
             "fields.price_to_savings.missing: it goes missing with savings, which is worst; remove it here, or state"),
            (lambda d: field(d, "savings").update(standing={"abroad": "best"}),
             "fields.savings.standing: in a state that stands best price_to_savings goes missing, which is not;"),
            (lambda d: field(d, "berths").update(standing={"somewhere": "best", "nowhere": "worst"}),
             "berths: standing names 'nowhere', which is no code; name one of unknown"),
            (lambda d: field(d, "age").update(standing={"nowhere": "worst"}), "is no code; name one of its codes"),
            (lambda d: field(d, "berths").update(standing={"unknown": "worst"}),
             "berths: no state is best or worst where no direction says what is worse; give it one, or remove"),
            (lambda d: field(d, "moored").update(missing="own"), "moored: `missing` is for what may be left out"),
            (lambda d: field(d, "berths").update(nullable=True), "berths: leaving it out can't be worst where no"),
            (lambda d: field(d, "berths").update(codes={"a": 40}), "berths: code a (40) lies inside the range 0 to 40"),
            (lambda d: field(d, "berths").update(codes={"a": 0}), "berths: code a (0) lies inside the range 0 to 40"),
            (lambda d: field(d, "berths").update(minimum=0.5), "berths: range and codes of an integer must be whole"),
            (lambda d: field(d, "berths").update(maximum=40.5), "berths: range and codes of an integer must be whole"),
            (lambda d: field(d, "price")["plausible"].update(minimum=99), "price: the plausible range must rise"),
            (lambda d: field(d, "price")["plausible"].update(minimum=5e6 + 1), "price: the plausible range must rise"),
            (lambda d: field(d, "price").update(codes={"a": -5}), "amount: price must be required, 0 or more, without"),
            (lambda d: (unratioed(d), field(d, "price").update(minimum=-1)), "amount: price must be required, 0 or"),
            (lambda d: d.update(amount="applicant_number"), "amount: applicant_number must be required, 0 or more"),
            (lambda d: d.update(age="hull"), "age: 'hull' is no field of type number or integer; name one that is"),
            (lambda d: d.update(age="nobody"), "age: 'nobody' is no field of type number or integer; name one that is"),
            (lambda d: d.update(disjoint=["nobody"]), "disjoint: 'nobody' is no field"),
            (lambda d: d["groups"].append({"field": "nobody", "title": "b"}), "'nobody' is no field that groups"),
            (lambda d: d["groups"].append({"field": "reference", "title": "b"}), "no field that groups can be made of"),
            (lambda d: marked(d, [200] * 51 + [41]),
             "fields: 10241 features are made of them, more than 10240; drop categories"),
            (lambda d: d.update(file={"delimiter": ";;"}), "file.delimiter: takes one character"),
            (lambda d: d.update(file={"delimiter": '"'}), "file.delimiter: takes one character that is no quote"),
            (lambda d: d.update(file={"delimiter": "\n"}), "file.delimiter: takes one character"),
            (lambda d: d["label"].update(defaulted=[10**400], repaid=["1" + "0" * 400]), "both defaulted and repaid"),
            (lambda d: d["label"].update(defaulted=["nan"], repaid=["nan "]), "stands for both defaulted and repaid"),
            (lambda d: field(d, "condition").update(categories=["1", "1", "2"]), "'1' and '1' differ at most by case"),
            (lambda d: field(d, "moored").update(no=field(d, "moored")["yes"]), "'ja' and 'ja' differ at most by case"),
            (lambda d: d.update(decide=["what?"]), "decide: not decided yet: what?; decide it, then remove it"),
            (lambda d: field(d, "hull").update(decide=["keep it?"]), "hull: not decided yet: keep it?; decide it"),
        ],
    )  # fmt: skip
    def test_one_line(self, edit: Edit, message: str) -> None:
        """One fault is one line, with the file's name, the place and the remedy."""
        (line,) = faults(edit)
        assert line.startswith("contract.json: ")
        assert message in line

    @pytest.mark.parametrize(
        "edit",
        [
            lambda d: field(d, "price").update(minimum=0),
            lambda d: (field(d, "savings").update(use="rules"), field(d, "price_to_savings").update(use="rules")),
            lambda d: (directionless(field(d, "savings")), field(d, "price_to_savings").update(missing="own")),
            lambda d: (field(d, "savings").update(missing="own"), field(d, "price_to_savings").update(missing="own")),
            lambda d: (field(d, "savings").update(standing={"none": "best"}), unratioed(d)),
            lambda d: field(d, "savings").update(standing={"abroad": "worst"}),
            lambda d: field(d, "berths").update(nullable=True, missing="own"),
            lambda d: field(d, "berths").update(codes={"a": 41, "b": -1}),
            lambda d: field(d, "berths").update(minimum=40, maximum=40, example=40),
            lambda d: field(d, "price")["plausible"].update(minimum=100, maximum=1e7),
            lambda d: field(d, "price")["plausible"].update(minimum=25000, maximum=25000),
            lambda d: d["fields"].extend(
                number(f"n{i}") | {"direction": "falls", "actionable": "change"} for i in range(4)
            ),
            lambda d: d["groups"].append({"field": "berths", "title": "b", "below": [3]}),
            lambda d: d.update(disjoint=["age", "hull"], amount=None, age=None),
            lambda d: marked(d, [200] * 51 + [40]),
            lambda d: marked(d, [2] * MAX_FIELDS),
        ],
    )
    def test_none_where_it_ends(self, edit: Edit) -> None:
        """One step on this side of a fault there is none."""
        document = deepcopy(EVERY_TYPE)
        edit(document)
        assert contract_of(document).name == "boat_loans"

    def test_all_at_once(self) -> None:
        """Whoever writes a contract sees all of its faults, not the first."""

        def edit(document: dict[str, Any]) -> None:
            document.update(version="x", decide=["a?", "b?"])
            field(document, "hull").update(direction="rises")
            field(document, "berths").update(minimum=5, maximum=1)

        lines = faults(edit)
        assert len(lines) == 5
        assert {line.split(":")[1].strip() for line in lines} == {
            "version", "decide", "fields.4.category", "fields.3.integer",
        }  # fmt: skip

    def test_thousands_are_counted(self) -> None:
        """Nobody reads a line for each of ten thousand."""
        lines = faults(lambda d: d.update(fields=[{"name": "__import__('os')", "type": "number"}] * 10_000))

        assert len(lines) == MAX_PROBLEMS + 1
        assert lines[-1].endswith(f": {40_000 - MAX_PROBLEMS} more faults; correct these first")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "not valid JSON"),
            (b"\xff\xfe", "not valid JSON"),
            (b"[" * 100_000, "not valid JSON"),
            (b'{"format": 1, "format": 1}', "a key is stated twice in one object: format"),
            (b"[]", "contract.json: as a whole: "),
        ],
    )
    def test_no_document(self, content: bytes, message: str) -> None:
        """What is no JSON object is told as such, and a key stated twice beside whatever else is wrong."""
        with pytest.raises(InvalidContractError) as refused:
            read_contract(content)
        lines = str(refused.value).splitlines()
        assert message in lines[-1]
        assert len(lines) == 1 or "stated twice" in message


class TestTextsAreNoCode:
    def test_a_category_that_would_be_code(self) -> None:
        """Quotes, braces, backslashes: each marks its own column and no other."""
        contract = contract_of(EVERY_TYPE)
        schema = FeatureSchema(contract, dict.fromkeys(contract.imputed, 1.0))
        base = documents(contract, 1, seed=1)[0]
        columns = [i for i in schema.columns("hull") if not schema.features[i].endswith("_missing")]

        for position, category in enumerate(field(EVERY_TYPE, "hull")["categories"]):
            row = schema.row(contract.parse({**base, "hull": category}))
            assert [row[i] for i in columns] == [float(i == position) for i in range(len(columns))]

    def test_case_of_ascii_only(self) -> None:
        """Any case of ASCII letters is spelt as the contract has it; of other letters it counts."""
        contract = contract_of(edited(hull={"categories": ["Größe", "Wood"], "example": "Wood"}, moored={"yes": "ja"}))
        base = documents(contract_of(EVERY_TYPE), 1, seed=1)[0]

        assert contract.parse({**base, "hull": " wOOD "})["hull"] == "Wood"
        with pytest.raises(InvalidApplicationError):
            contract.parse({**base, "hull": "GRÖSSE"})


class TestReading:
    """One application of the contract of every type."""

    @pytest.fixture
    def base(self) -> dict[str, Any]:
        return {
            "price": 20000, "savings": 8000, "berths": 4, "hull": "steel", "condition": "2", "moored": "ja",
            "surveyed": "2024-05-17", "age": 41, "applicant_number": 5,
        }  # fmt: skip

    def test_states(self, base: dict[str, Any]) -> None:
        """A code comes out as its state, and makes a ratio of it missing."""
        application = contract_of(EVERY_TYPE).parse({**base, "savings": -1, "berths": 99})
        assert (application["savings"], application["berths"]) == ("abroad", "unknown")
        assert application["price_to_savings"] is None

    def test_exact_ratio(self, base: dict[str, Any]) -> None:
        """A stated ratio is checked and then computed."""
        assert contract_of(EVERY_TYPE).parse({**base, "price_to_savings": 2.45})["price_to_savings"] == 2.5

    @pytest.mark.parametrize(
        ("change", "place", "message"),
        [
            ({"price": 25}, "price", "Input should be greater than or equal to 100"),
            ({"price": 400}, "price", "Input lies outside 500 to 5e+06; send euros"),
            ({"berths": 50}, "berths", "between 0 and 40, or be one of 99 (unknown)"),
            ({"berths": 4.5}, "berths", "Input should be a valid integer"),
            ({"condition": 2}, "condition", "Input should be '1', '2', '3' or 'wreck'"),
            ({"surveyed": "17.05.2024"}, "surveyed", "Input should be a day, written as YYYY-MM-DD"),
            ({"surveyed": "2024-02-30"}, "surveyed", "Input should be a day"),
            ({"price_to_savings": 3}, "price_to_savings", "disagrees with price / savings"),
            ({"reference": "x" * 65}, "reference", "at most 64 characters"),
            ({"reference": "a\nb"}, "reference", "pattern"),
            ({"reference": "a\x9b31m"}, "reference", "pattern"),
            ({"colour": "red"}, "colour", "unknown field; remove it"),
        ],
    )
    def test_refused(self, base: dict[str, Any], change: dict[str, Any], place: str, message: str) -> None:
        """What is outside the contract names its field, and repeats no value."""
        with pytest.raises(InvalidApplicationError) as refused:
            contract_of(EVERY_TYPE).parse({**base, **change})
        (error,) = refused.value.errors
        assert error.loc == (place,)
        assert message in error.msg

    def test_nothing_changes_it(self, base: dict[str, Any]) -> None:
        """An application is frozen."""
        application = contract_of(EVERY_TYPE).parse(base)
        with pytest.raises(TypeError):
            application["price"] = 1  # type: ignore[index]


def test_file_as_shown_is_read() -> None:
    """A contract survives being written as JSON and read."""
    assert contract_of(json.loads(json.dumps(EVERY_TYPE))) == contract_of(EVERY_TYPE)


@pytest.mark.parametrize(("one", "other"), [(1, "1"), (1, 1.0), ("1.0", 1), (" Bad ", "Bad")])
def test_labels_however_written(one: Any, other: Any) -> None:
    """A label is the same whether a file writes 1, 1.0 or "1"."""
    assert label_key(one) == label_key(other)


def test_fields_that_it_is_never_better_to_leave_out() -> None:
    """Of those that are scored, where they may be missing and that counts as worst."""
    assert contract_of(EVERY_TYPE).missing_is_worst == ("savings", "price_to_savings", "hull", "condition")
