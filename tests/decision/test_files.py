"""Ten and more broken policies, each told by its place and remedy; and the command that tells them."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from decision import InvalidPolicyError, read_policy
from decision.__main__ import _sentence, main, render
from decision.files import beside_or_default
from decision.policy import Condition
from preprocessing.contract import read_contract_file
from tests.applications import CONTRACT

FOLDER = Path("artifacts/policy")
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def policy_file(tmp_path: Path) -> Path:
    for name in ("decision_policy.json", "reason_codes.json", "contract.json"):
        shutil.copy(FOLDER / name, tmp_path / name)
    return tmp_path / "decision_policy.json"


def edit(path: Path, change: Change) -> None:
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


NEVER = {
    "id": "never",
    "description": "No example matches it.",
    "conditions": [{"field": "person_age", "op": "<", "value": -1}],
    "outcome": "REJECT",
    "reason": "INSUFFICIENT_INCOME",
}

BROKEN: dict[str, tuple[Change, str]] = {
    "unknown key": (lambda d: d.update(treshold=0.1), "treshold: Extra inputs are not permitted; remove it"),
    "missing key": (lambda d: d.pop("score"), "score: Field required"),
    "thresholds out of order": (
        lambda d: d["thresholds"].update(approve_below=0.3),
        "thresholds: approve_below lies above reject_from; swap or correct them",
    ),
    "threshold of one": (lambda d: d["thresholds"].update(reject_from=1.0), "thresholds.reject_from: "),
    "threshold as text": (lambda d: d["thresholds"].update(reject_from="0.2"), "thresholds.reject_from: "),
    "unknown field": (
        lambda d: d["rules"][0]["conditions"][0].update(field="age"),
        "rules.0.conditions.0: unknown field 'age'; use one of ",
    ),
    "unknown operator": (lambda d: d["rules"][0]["conditions"][0].update(op="~"), "rules.0.conditions.0.op: "),
    "no conditions": (lambda d: d["rules"][0].update(conditions=[]), "rules.0.conditions: "),
    "text against a number": (
        lambda d: d["rules"][0]["conditions"][0].update(value="18"),
        "rules.0.conditions.0: person_age is a number; compare it with numbers",
    ),
    "order of a category": (
        lambda d: d["rules"][2]["conditions"][0].update(op="<"),
        "rules.2.conditions.0: cb_person_default_on_file is a category; compare it by ==, != or in",
    ),
    "unknown category": (
        lambda d: d["rules"][2]["conditions"][0].update(value="YES"),
        "rules.2.conditions.0: cb_person_default_on_file takes N, Y",
    ),
    "list without in": (lambda d: d["rules"][0]["conditions"][0].update(value=[18]), "'<' takes one value"),
    "in without list": (lambda d: d["rules"][0]["conditions"][0].update(op="in"), "'in' takes a list"),
    "in an empty list": (
        lambda d: d["rules"][0]["conditions"][0].update(op="in", value=[]),
        "'in' takes at least one value",
    ),
    "is_null with a value": (
        lambda d: d["rules"][0]["conditions"][0].update(op="is_null"),
        "is_null takes no value; remove it",
    ),
    "outside_training_range with a value": (
        lambda d: d["rules"][3]["conditions"][0].update(value=1),
        "rules.3.conditions.0: outside_training_range takes no value; remove it",
    ),
    "outside_training_range of what is not scored": (
        lambda d: d["rules"][0]["conditions"][0].update(op="outside_training_range", value=None),
        "rules.0.conditions.0: person_age is not scored, so that no range of it is known; compare it with a value",
    ),
    "example with what is not scored outside": (
        lambda d: d["examples"][0].update(outside_training_range=["person_age", "loan_amnt", "nobody"]),
        "examples.0: outside_training_range: names scored fields, and not nobody, person_age; remove what is none",
    ),
    "example with more outside than it expects": (
        lambda d: d["examples"][8].update(outside_training_range=["loan_amnt"]),
        "expects rules ['prior_default'] but the policy gives ['prior_default', 'amount_beyond_experience']",
    ),
    "rule that improves": (lambda d: d["rules"][0].update(outcome="APPROVE"), "rules.0: a rule can only worsen"),
    "rule against the old": (
        lambda d: d["rules"][0]["conditions"][0].update(op=">", value=65),
        "rules.0: counts the age of applicants of 62 and over against them (Reg B",
    ),
    "rule against an age without end": (
        lambda d: d["rules"][0]["conditions"][0].update(op="!=", value=30),
        "add a condition on person_age that ends below 62",
    ),
    "number beyond all bounds": (
        lambda d: d["rules"][1]["conditions"][0].update(value=10**400),
        "rules.1.conditions.0.value: numbers lie between -1e+12 and 1e+12",
    ),
    "scale beyond all bounds": (
        lambda d: d["score"].update(points_to_double_odds=1e307),
        "score.points_to_double_odds",
    ),
    "number as text in an example": (
        lambda d: d["examples"][0]["fields"].update(person_age="34"),
        "examples.0: person_age: Input should be a valid integer",
    ),
    "rule id twice": (lambda d: d["rules"].append(NEVER | {"id": "under_age"}), "rule id used twice: under_age"),
    "unknown reason": (
        lambda d: d["rules"][0].update(reason="TOO_YOUNG"),
        "rules.0.reason: unknown reason code 'TOO_YOUNG'; use one of INSUFFICIENT_INCOME",
    ),
    "other catalogue": (
        lambda d: d.update(reason_catalogue="2.0.0"),
        "reason_catalogue: asks for version 2.0.0 but the catalogue is 1.1.0",
    ),
    "example that fails": (
        lambda d: d["examples"][0].update(expected="REJECT"),
        "example 'just under the approval threshold' expects outcome REJECT but the policy gives APPROVE",
    ),
    "example with other rules": (
        lambda d: d["examples"][4].update(rules=[]),
        "expects rules [] but the policy gives ['under_age']",
    ),
    "example with another score": (lambda d: d["examples"][-1].update(credit_score=1), "expects credit_score 1 but"),
    "example in no category": (
        lambda d: d["examples"][0]["fields"].update(person_home_ownership="HOUSEBOAT"),
        "examples.0: person_home_ownership: Input should be 'RENT', 'OWN', 'MORTGAGE' or 'OTHER'",
    ),
    "example out of range": (
        lambda d: d["examples"][0]["fields"].update(person_age=400),
        "examples.0: person_age: Input should be less than or equal to 120",
    ),
    "example that contradicts itself": (
        lambda d: d["examples"][0]["fields"].update(loan_percent_income=0.9),
        "examples.0: loan_percent_income: loan_percent_income disagrees with loan_amnt / person_income",
    ),
    "incomplete example": (
        lambda d: d["examples"][0]["fields"].pop("loan_intent"),
        "examples.0: an example states every field that rules may name once; missing or unknown: loan_intent",
    ),
    "no examples": (lambda d: d.update(examples=[]), "examples: "),
    "no date": (lambda d: d.update(effective_date="soon"), "effective_date: "),
    "version": (lambda d: d.update(version="1"), "version: "),
    "floor above all": (lambda d: d.update(reasons={"materiality": 1.1}), "reasons.materiality: "),
    "scale upside down": (lambda d: d["score"].update(minimum=900), "score: minimum must lie below maximum"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_policy_is_told_by_place_and_remedy(
    name: str, policy_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, message = BROKEN[name]
    edit(policy_file, change)
    with pytest.raises(InvalidPolicyError) as caught:
        read_policy(policy_file, CONTRACT)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert main(["check", str(policy_file)]) == 1
    assert message in capsys.readouterr().err


def test_every_problem_of_a_file_is_told_at_once(policy_file: Path) -> None:
    edit(policy_file, lambda d: (d.pop("score"), d.update(version="1"), d["rules"][0].update(outcome="MAYBE")))
    with pytest.raises(InvalidPolicyError) as caught:
        read_policy(policy_file, CONTRACT)
    assert len(str(caught.value).splitlines()) == 3


def test_every_wrong_example_is_told_at_once(policy_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with all that is wrong with it, beside a rule's id that is used twice."""
    document = json.loads(policy_file.read_bytes())
    wrong = [example["name"] for example in document["examples"] if example["expected"] != "REJECT"]
    edit(policy_file, lambda d: [e.update(expected="REJECT", credit_score=1) for e in d["examples"]])
    edit(policy_file, lambda d: d["rules"].append(d["rules"][0] | {"reason": "NO_SUCH"}))
    assert main(["check", str(policy_file)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(wrong) > 3
    assert len([line for line in lines if "expects outcome REJECT" in line]) == len(wrong)
    assert len([line for line in lines if "expects credit_score 1" in line]) == len(document["examples"])
    assert any("rule id used twice: under_age" in line for line in lines)
    assert any("unknown reason code 'NO_SUCH'" in line for line in lines)
    assert len(lines) == len(set(lines))


def test_what_is_wrong_elsewhere_hides_no_wrong_example(policy_file: Path) -> None:
    """A version that is none, an example without a field, another catalogue that is broken: all in one go."""
    edit(policy_file, lambda d: (d.update(version="1"), d["examples"][0]["fields"].pop("loan_intent")))
    edit(policy_file, lambda d: d["examples"][1].update(expected="REJECT"))
    edit(policy_file.with_name("reason_codes.json"), lambda d: d.update(format=2))
    with pytest.raises(InvalidPolicyError) as caught:
        read_policy(policy_file, CONTRACT)
    told = str(caught.value)
    for expected in ("version: ", "examples.0: ", "expects outcome REJECT but", "reason_codes.json: format: "):
        assert expected in told
    assert len(told.splitlines()) == 4


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"a": 1, "a": 2}', b"[" * 100_000])
def test_what_is_not_json_is_told_as_such(content: bytes, policy_file: Path) -> None:
    policy_file.write_bytes(content)
    with pytest.raises(InvalidPolicyError, match=r"decision_policy\.json: not valid JSON"):
        read_policy(policy_file, CONTRACT)


@pytest.mark.parametrize("missing", ["decision_policy.json", "reason_codes.json"])
def test_a_missing_file_is_named(missing: str, policy_file: Path) -> None:
    policy_file.with_name(missing).unlink()
    with pytest.raises(InvalidPolicyError, match=missing):
        read_policy(policy_file, CONTRACT)


def test_check_prints_the_policy_as_a_table(policy_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(policy_file)]) == 0
    printed = capsys.readouterr().out
    for expected in (
        "Policy 1.1.0",
        "PD below 10.00%",
        "PD from 20.00%",
        "from 20% of the log-odds",
        "person_age < 18",
        "cb_person_default_on_file == Y",
        "loan_amnt beyond the training data",
    ):
        assert expected in printed


def test_the_tables_of_a_check_are_whole(policy_file: Path) -> None:
    """A column is as wide as its widest cell, two blanks apart; each rule has a line."""
    files = read_policy(policy_file, CONTRACT)
    printed = render(files).split("\n")
    scale, thresholds = files.policy.score, files.policy.thresholds
    for expected in (f"score from {scale.score(thresholds.approve_below)} up",
                     f"score to {scale.score(thresholds.reject_from)}"):  # fmt: skip
        assert any(line.endswith(expected) for line in printed)
    assert [] == [line for line in printed if line != line.rstrip()]
    marks = [i for i, line in enumerate(printed) if line.startswith("---")]
    assert [3, len(files.policy.rules)] == [printed.index("", mark) - mark - 1 for mark in marks]
    for mark in marks:
        spans = [found.span() for found in re.finditer("-+", printed[mark])]
        assert all(start - end == 2 for (_, end), (start, _) in pairwise(spans))
        rows = [printed[mark - 1], *printed[mark + 1 : printed.index("", mark)]]
        for start, end in spans:
            cells = [row[start:end].rstrip() for row in rows]
            assert max(map(len, cells)) == end - start
            assert [] == [row for row in rows if row[end : end + 2].strip()]
    by_id = {line.split("  ")[0]: line for line in printed[marks[1] + 1 :]}
    assert [rule.id for rule in files.policy.rules] == [*by_id][: len(files.policy.rules)]
    assert "person_age is missing" == _sentence(condition("person_age", "is_null"))
    assert "loan_grade in F, G" == _sentence(condition("loan_grade", "in", ["F", "G"]))
    assert f"{len(files.policy.examples)} example(s) decided as expected" == printed[-1]


def condition(field: str, op: str, value: Any = None) -> Condition:
    return Condition.model_validate({"field": field, "op": op, "value": value}, context={"contract": CONTRACT})


def entry(catalogue: dict[str, Any], code: str) -> dict[str, Any]:
    return next(reason for reason in catalogue["reasons"] if reason["code"] == code)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda d: entry(d, "HOUSING")["text_by_value"].pop("RENT"),
            "reason code HOUSING: text_by_value: say what an applicant is told whose person_home_ownership is RENT",
        ),
        (
            lambda d: entry(d, "LOAN_PURPOSE").pop("text_by_value"),
            "loan_intent is PERSONAL, EDUCATION, MEDICAL, VENTURE, HOMEIMPROVEMENT, DEBTCONSOLIDATION",
        ),
        (
            lambda d: (entry(d, "HOUSING")["scores"].clear(),
                       entry(d, "CREDIT_GRADE")["scores"].append("person_home_ownership")),
            "reason code CREDIT_GRADE: scores person_home_ownership, a category without a direction, but is reported",
        ),
        (
            lambda d: entry(d, "HOUSING")["text_by_value"].update(TENT="In a tent"),
            "reason code HOUSING: text_by_value: person_home_ownership has no value TENT; remove it",
        ),
    ],
)  # fmt: skip
def test_a_catalogue_says_which_category_it_is(change: Change, message: str, policy_file: Path) -> None:
    edit(policy_file.with_name("reason_codes.json"), change)
    with pytest.raises(InvalidPolicyError) as caught:
        read_policy(policy_file, CONTRACT)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_check_falls_back_to_the_projects_own_catalogue(policy_file: Path) -> None:
    policy_file.with_name("reason_codes.json").unlink()
    assert main(["check", str(policy_file)]) == 0


def test_a_file_beside_the_policy_comes_first(policy_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is none the project's own is read; and where that is absent too, the missing one is named."""
    monkeypatch.setattr("decision.files.DEFAULT_BOOK", FOLDER)  # which a Bento is without
    beside = policy_file.with_name("reason_codes.json")
    assert beside == beside_or_default(policy_file)
    beside.unlink()
    assert beside_or_default(policy_file).read_bytes() == (FOLDER / "reason_codes.json").read_bytes()
    assert beside_or_default(policy_file, "nowhere.json") == policy_file.with_name("nowhere.json")


@pytest.mark.parametrize("value", [1e12, -1e12, [3, -1e12]])
def test_numbers_of_rules_are_bounded(value: Any) -> None:
    """Up to a million million; one step beyond is refused, in a list too."""
    op = "in" if isinstance(value, list) else "<"
    assert value == condition("person_age", op, value).value
    beyond = [math.nextafter(n, n * 2) for n in (value if isinstance(value, list) else [value])]
    with pytest.raises(ValueError, match="numbers lie between"):
        condition("person_age", op, beyond if op == "in" else beyond[0])


@pytest.mark.parametrize("folder", ["artifacts/policy", "artifacts/books/heloc", "artifacts/books/hmeq"])
def test_a_milder_rule_says_what_the_score_found(folder: str) -> None:
    """It takes the place of the score's reason under the same field, which brought the rejection, and so tells both."""
    files = read_policy(Path(folder, "decision_policy.json"), read_contract_file(Path(folder, "contract.json")))
    told = {reason.field: reason.text for reason in files.catalogue.scored}
    milder = [files.catalogue.codes[rule.reason] for rule in files.policy.rules if rule.outcome != "REJECT"]

    assert milder
    for reason in milder:
        assert reason.text.startswith(told.get(reason.field, ""))


@pytest.mark.parametrize("folder", ["policy", "books/german", "books/heloc", "books/hmeq"])
def test_what_lies_outside_is_no_claim_about_every_loan(folder: str) -> None:
    """The range ends at a quantile: a few past loans lie beyond it, and an applicant is not told otherwise."""
    path = Path("artifacts", folder)
    files = read_policy(path / "decision_policy.json", read_contract_file(path / "contract.json"))
    asked = {rule.reason for rule in files.policy.rules for c in rule.conditions if c.op == "outside_training_range"}

    assert asked
    for code in asked:
        assert "nearly all our past" in files.catalogue.codes[code].text
