"""`python -m training draft`: on files made for each kind of column that a person must look at."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from preprocessing.contract import Contract, InvalidContractError, read_contract
from preprocessing.fields import Category
from tests.books import EVERY_TYPE, contract_of, csv_bytes, labelled
from training.__main__ import main
from training.book import read_book

ROWS = 400


class Row(NamedTuple):
    """What a cell is made of: chance, the row's number, and whether its loan defaulted."""

    rng: random.Random
    i: int
    bad: int


Column = Callable[[Row], Any]

PLAIN: dict[str, Column] = {
    "income": lambda r: round(r.rng.lognormvariate(10, 0.4)) * 10,
    "EmpLength": lambda r: r.rng.randrange(40),
    "purpose": lambda r: r.rng.choice(("car", "house", "boat")),
}


def written(columns: dict[str, Column], *, rows: int = ROWS, delimiter: str = ",", header: bool = True) -> str:
    """A file of invented rows, a third of them defaults, with the label last."""
    rng = random.Random(3)
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    if header:
        writer.writerow([*columns, "outcome"])
    for i in range(rows):
        bad = int(rng.random() < 1 / 3)
        writer.writerow([*(draw(Row(rng, i, bad)) for draw in columns.values()), ("good", "bad")[bad]])
    return text.getvalue()


Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Draft from text or bytes into `tmp_path / "draft"`."""

    def draft(content: str | bytes, *options: str, label: str = "outcome", defaulted: str = "bad") -> int:
        path = tmp_path / "My loans.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        out = str(tmp_path / "draft")
        return main(["draft", "--data", str(path), "--label", label, "--defaulted", defaulted, "--out", out, *options])

    return draft


@pytest.fixture
def drafted(run: Run, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """The contract drafted from the plain columns and some more, as JSON."""

    def draft(more: dict[str, Column], **file: Any) -> dict[str, Any]:
        assert run(written(PLAIN | more, **file)) == 0
        contract: dict[str, Any] = json.loads((tmp_path / "draft" / "contract.json").read_bytes())
        return contract

    return draft


def field_of(contract: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [field for field in contract["fields"] if field["name"] == name]
    return found


def report_of(folder: Path) -> str:
    return (folder / "draft" / "draft_report.md").read_text(encoding="utf-8")


def decide(path: Path) -> Contract:
    """Remove every question, as somebody who agrees with all of the draft."""
    document = json.loads(path.read_bytes())
    document.pop("decide")
    for field in document["fields"]:
        field.pop("decide", None)
    path.write_text(json.dumps(document))
    return read_contract(path.read_bytes())


class TestPlainFile:
    def test_types_and_ranges(self, drafted: Callable[..., dict[str, Any]]) -> None:
        """Whole numbers, sums of money and categories, with ranges rounded outward and the file's own names kept."""
        contract = drafted({"rate": lambda r: r.rng.choice(("", round(r.rng.uniform(3, 17.5), 2)))})

        assert contract["name"] == "my_loans"
        assert contract["label"] == {"column": "outcome", "defaulted": ["bad"], "repaid": ["good"]}
        assert field_of(contract, "income") | {"example": 0} == {
            "name": "income", "type": "number", "description": "income, as the file has it.", "minimum": 0,
            "maximum": 1000000, "example": 0,
        }  # fmt: skip
        assert field_of(contract, "emp_length")["column"] == "EmpLength"
        assert (field_of(contract, "emp_length")["minimum"], field_of(contract, "emp_length")["maximum"]) == (0, 50)
        assert field_of(contract, "purpose")["categories"] == ["boat", "car", "house"]
        assert field_of(contract, "rate")["nullable"]
        assert field_of(contract, "reference")["type"] == "reference"

    def test_refused_until_decided(
        self, drafted: Callable[..., dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Training refuses every open question by its place; without them it takes the folder as it is."""
        drafted({"debts": lambda r: round(100 * abs(r.rng.gauss(2 + 2 * r.bad, 1)))})
        folder = tmp_path / "draft"
        arguments = ["--book", str(folder), "--data", str(tmp_path / "My loans.csv"), "--out", str(tmp_path / "model")]

        assert main(arguments) == 1

        assert "decide: not decided yet: amount" in capsys.readouterr().err
        assert not (tmp_path / "model").exists()
        decide(folder / "contract.json")
        quick = {"format": 1, "n_estimators": 40, "learning_rate": 0.1, "max_depth": 3, "min_samples_leaf": 5}
        (folder / "recipe.json").write_text(json.dumps(quick))
        assert main(arguments) == 0

    def test_no_row_is_in_the_draft(self, drafted: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
        """Of numbers with many digits none is repeated: what stands there are rounded quantiles and bounds."""
        drafted({"balance": lambda r: round(r.rng.uniform(1e4, 9e4), 2)})
        lines = (tmp_path / "My loans.csv").read_text().splitlines()[1:]
        values = {cell for line in lines for cell in line.split(",") if len(cell.strip("0.")) > 3 and cell[0].isdigit()}

        texts = "".join(path.read_text() for path in (tmp_path / "draft").iterdir())

        assert len(values) > ROWS
        assert [] == [value for value in values if f" {value}" in texts or f'"{value}"' in texts]

    def test_never_overwrites(self, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A folder that is there, even an empty one, stays as it is."""
        (tmp_path / "draft").mkdir()

        assert run(written(PLAIN)) == 1

        assert "is there already" in capsys.readouterr().err
        assert list((tmp_path / "draft").iterdir()) == []


class TestSigns:
    @pytest.mark.parametrize("codes", [(-9, -8, -7), (-1,), (999,), (98, 99)])
    def test_special_codes(self, drafted: Callable[..., dict[str, Any]], codes: Sequence[int]) -> None:
        """A few negative numbers below all others, or nines far above them, are states to be named."""
        contract = drafted({"months": lambda r: r.rng.choice((r.rng.randrange(48), *codes[: 1 + r.i % len(codes)]))})

        field = field_of(contract, "months")
        assert sorted(field["codes"].values()) == sorted(codes)
        assert any("look like special codes" in question for question in field["decide"])
        assert not any(field["minimum"] <= code <= field["maximum"] for code in codes)

    @pytest.mark.parametrize(
        "draw",
        [
            lambda r: r.rng.randrange(101),  # a percentage: 96 to 99 are numbers
            lambda r: r.rng.randrange(-50, 50),  # a change: many numbers are negative
        ],
    )
    def test_no_special_codes(self, drafted: Callable[..., dict[str, Any]], draw: Column) -> None:
        """Numbers among their like are numbers."""
        assert "codes" not in field_of(drafted({"x": draw}), "x")

    def test_leak(self, drafted: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
        """What tells defaults all by itself is for reports only, by number, by category and by its absence."""
        contract = drafted(
            {
                "recovered": lambda r: r.rng.randrange(100) * r.bad + r.rng.random(),
                "state": lambda r: r.rng.choice(("open", "closed")) if r.bad else "paid",
                "written_off_on": lambda r: r.rng.randrange(1, 29) if r.bad else "",
            }
        )

        for name in ("recovered", "state", "written_off_on"):
            assert field_of(contract, name)["use"] == "reports", name
            assert any("AUC" in question for question in field_of(contract, name)["decide"]), name
        assert "income" not in [f["name"] for f in contract["fields"] if f.get("use") == "reports"]
        reasons = json.loads((tmp_path / "draft" / "reason_codes.json").read_bytes())["reasons"]
        assert not {"recovered", "state"} & {name for reason in reasons for name in reason["scores"]}

    @pytest.mark.parametrize(
        ("column", "choices"),
        [
            ("Sex", ("1", "2")), ("applicant_gender", ("x", "y")), ("MaritalStatus", ("a", "b", "c")),
            ("race", ("p", "q")), ("Ethnicity2", ("p", "q")), ("RELIGION", ("p", "q")), ("national_origin", ("p", "q")),
            ("foreign worker", ("yes", "no")), ("telephone", ("yes", "no")), ("x7", ("male", "female")),
            ("status", ("married", "single", "other")),
        ],
    )  # fmt: skip
    def test_prohibited_bases(
        self, drafted: Callable[..., dict[str, Any]], column: str, choices: Sequence[str]
    ) -> None:
        """By its name or by its categories, such a column is for reports only, and nobody has to send it."""
        contract = drafted({column: lambda r: r.rng.choice(choices)})

        field = next(f for f in contract["fields"] if column in (f["name"], f.get("column")))
        assert (field["use"], field["nullable"]) == ("reports", True)
        assert any("Reg B" in question for question in field["decide"])

    @pytest.mark.parametrize("column", ["mortgage", "AverageMInFile", "percentage", "message", "trace", "essex"])
    def test_names_that_only_sound_so(self, drafted: Callable[..., dict[str, Any]], column: str) -> None:
        """Words count, not letters: an average is no age."""
        contract = drafted({column: lambda r: r.rng.randrange(100)})
        assert "reports" not in [field.get("use") for field in contract["fields"]]

    def test_age(self, drafted: Callable[..., dict[str, Any]]) -> None:
        """A number called age is the applicant's, for reports by age group."""
        contract = drafted({"AGE": lambda r: r.rng.randrange(18, 80)})
        assert contract["age"] == "age"
        assert contract["groups"] == [{"field": "age", "title": "age", "below": [25, 40, 62]}]

    def test_ids(self, drafted: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
        """The first column that names the rows is the reference; the others are left out."""
        contract = drafted(
            {
                "loan_id": lambda r: 100_000 + 7 * r.i,
                "row": lambda r: r.i,
                "uuid": lambda r: f"{r.rng.getrandbits(64):016x}",
            }
        )

        assert field_of(contract, "loan_id")["type"] == "reference"
        assert {"row", "uuid"}.isdisjoint(field["name"] for field in contract["fields"])
        assert "`uuid`: looks like an id" in report_of(tmp_path)

    def test_left_out(self, drafted: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
        """Free text, constants, empty columns and numbers beyond all bounds are left out, and the report says why."""
        contract = drafted(
            {
                "comment": lambda r: f"said {r.rng.randrange(90)}",
                "country": lambda _: "DE",
                "empty": lambda _: "",
                "huge": lambda r: r.rng.choice((1, 10**15)),
            }
        )

        assert {"comment", "country", "empty", "huge"}.isdisjoint(field["name"] for field in contract["fields"])
        report = report_of(tmp_path)
        assert "different texts: no category" in report
        assert "`country`: the same value" in report
        assert "`empty`: empty" in report
        assert "`huge`: holds numbers beyond 1e+12" in report

    def test_questions_about_values(self, drafted: Callable[..., dict[str, Any]]) -> None:
        """Few whole numbers, grades, texts among numbers, gaps and telling gaps are questions, not guesses."""
        contract = drafted(
            {
                "class": lambda r: r.rng.randrange(1, 5),
                "grade": lambda r: r.rng.choice("ABCD"),
                "debt": lambda r: "unknown" if r.i % 20 == 0 else r.rng.randrange(5000),
                "rarely": lambda r: r.rng.randrange(9000) if r.i % 3 == 0 else "",
                "told": lambda r: "" if r.rng.random() < (0.5 if r.bad else 0.1) else r.rng.randrange(500),
                "when": lambda r: f"20{10 + r.i % 10}-0{1 + r.i % 9}-11",
                "zip": lambda r: f"0{r.rng.randrange(10)}234",
            }
        )
        asked = {field["name"]: " ".join(field.get("decide", ())) for field in contract["fields"]}

        assert "4 whole numbers" in asked["class_field"]
        assert "make it `ordered`" in asked["grade"]
        assert "20 cells hold texts" in asked["debt"]
        assert "missing in 66% of the rows" in asked["rarely"]
        assert "default where it is missing" in asked["told"]
        assert field_of(contract, "when")["type"] == "date"
        assert field_of(contract, "zip")["type"] == "category"

    def test_rows_alike(self, run: Run, tmp_path: Path) -> None:
        """Rows that agree on more than chance explains are counted, and so are equal ones."""
        twins: dict[str, Column] = {
            "a": lambda r: 7 * (r.i // 2) % 23,
            "b": lambda r: 5 * (r.i // 2) % 29,
            "c": lambda r: 3 * (r.i // 2) % 31,
            "d": lambda r: r.rng.random(),
        }
        text = written(twins)

        assert run(text + "".join(f"{line}\n" for line in text.splitlines()[1:6])) == 0

        report = report_of(tmp_path)
        assert "5 rows repeat an earlier one" in report
        assert f"- {ROWS + 5} rows agree with another in all of a, b, c" in report

    def test_no_rows_alike(self, run: Run, tmp_path: Path) -> None:
        """Columns of few values agree by chance, which is no news."""
        few: dict[str, Column] = {"a": lambda r: r.rng.randrange(3), "b": lambda r: r.rng.randrange(4)}

        assert run(written(few)) == 0

        assert "No more rows look alike than chance explains" in report_of(tmp_path)


class TestNames:
    def test_any_name_becomes_a_field_s(self, drafted: Callable[..., dict[str, Any]]) -> None:
        """Whatever the file calls its columns: fields are told apart, and none is a word of Python or the service's."""
        names = ["Été (€)", "2nd income", "%", "class", "A b", "a_b", "A-B", "model_dump", "probability_of_default",
                 "x" * 150, "purpose_missing"]  # fmt: skip
        contract = drafted({name: lambda r: r.rng.choice((r.rng.randrange(500), "")) for name in names})

        made = [field["name"] for field in contract["fields"]]
        assert len(set(made)) == len(made) == len(names) + len(PLAIN) + 1
        assert {"ete", "n_2nd_income", "class_field", "a_b", "a_b_2", "a_b_3", "model_dump_field"} <= set(made)

    def test_categories_that_are_hard_to_write(self, drafted: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
        """Quotes, braces and foreign letters stay; spellings that differ by case are one; newlines are asked about."""
        texts = ('it\'s "x"', "{0}\\", "Größe", "Other", "OTHER", "other", "two\nlines", "missing")
        contract = drafted({"what": lambda r: texts[r.i % len(texts)]})

        field = field_of(contract, "what")
        assert set(field["categories"]) - {"Other", "OTHER", "other"} == {'it\'s "x"', "{0}\\", "Größe"}
        assert len(field["categories"]) == 4
        assert any("2 of its categories can't be written down" in question for question in field["decide"])
        decide(tmp_path / "draft" / "contract.json")
        read_book(tmp_path / "draft")


class TestHowTheFileIsWritten:
    def test_tabs_without_a_header(self, run: Run, tmp_path: Path) -> None:
        """Columns are numbered, and the contract says how to read the file again."""
        text = written(PLAIN, delimiter="\t", header=False)

        assert run("\n" + text, "--delimiter", "tab", "--no-header", label="column_4") == 0

        contract = decide(tmp_path / "draft" / "contract.json")
        assert (contract.file.delimiter, contract.file.header) == ("\t", False)
        assert [f.name for f in contract.fields] == ["column_1", "column_2", "column_3", "reference"]

    def test_latin_1(self, run: Run, tmp_path: Path) -> None:
        """Another encoding is stated, and read."""
        text = written(PLAIN | {"Größe": lambda r: r.rng.choice(("klein", "größer"))})

        assert run(text.encode("latin-1"), "--encoding", "latin-1") == 0

        contract = decide(tmp_path / "draft" / "contract.json")
        assert contract.file.encoding == "latin-1"
        assert [("größer", "klein")] == [
            f.categories for f in contract.fields if isinstance(f, Category) and f.source == "Größe"
        ]

    def test_parquet(self, tmp_path: Path) -> None:
        """A file that tells its types needs nothing said; booleans become a flag, days a date."""
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        rng, n = random.Random(1), 200
        bad = [rng.random() < 0.3 for _ in range(n)]
        table = pa.table(
            {
                "amount": [rng.randrange(1000, 9000) for _ in range(n)],
                "digits": [str(rng.randrange(3)) for _ in range(n)],
                "insured": [rng.random() < 0.5 for _ in range(n)],
                "gap": [None if rng.random() < 0.2 else rng.random() for _ in range(n)],
                "day": pa.array([rng.randrange(18000, 19000) for _ in range(n)], pa.date32()),
                "bad": bad,
            }
        )
        pq.write_table(table, tmp_path / "loans.parquet")

        out = str(tmp_path / "draft")
        arguments = ["--data", str(tmp_path / "loans.parquet"), "--label", "bad", "--defaulted", "true", "--out", out]
        assert main(["draft", *arguments]) == 0

        contract = decide(tmp_path / "draft" / "contract.json")
        types = {field.name: field.type for field in contract.fields}
        assert types == {"amount": "integer", "digits": "category", "insured": "flag", "gap": "number", "day": "date",
                         "reference": "reference"}  # fmt: skip
        assert contract.amount == "amount"

    def test_bad_rows_are_counted(self, run: Run, tmp_path: Path) -> None:
        """Rows with too many cells or no label are left out, short ones kept; all of them are said."""
        header, *rows = written(PLAIN).splitlines()
        broken = [
            row + ",surplus" if i % 10 == 0 else row.rsplit(",", 1)[0] + "," if i % 10 == 1 else row
            for i, row in enumerate(rows)
        ]

        assert run("\n".join([header, *broken]) + "\n") == 0

        report = report_of(tmp_path)
        assert f"{ROWS} rows: {ROWS // 10} without a label and {ROWS // 10} with more cells" in report


class TestBadInput:
    @pytest.mark.parametrize(
        ("content", "label", "defaulted", "message"),
        [
            ("", "outcome", "bad", "has no column outcome; its columns are none"),
            ("a,b\n1,2\n", "outcome", "bad", "has no column outcome; its columns are a, b"),
            ("a;outcome\n1;bad\n", "outcome", "bad", "say how the file is written with --delimiter"),
            ("a,outcome\n", "outcome", "bad", "has no row with a label"),
            ("a,outcome\n1,bad\n2,bad\n", "outcome", "bad", "holds bad only, all of them defaults"),
            ("a,outcome\n1,good\n2,fine\n", "outcome", "bad", "never holds bad; it holds fine, good"),
            ("a,outcome\n" + "1,good\n2," + "9" * 400 + "\n", "outcome", "bad", "never holds bad; it holds 9999"),
            ("a,outcome\n" + f"{'9' * 400},good\n{'9' * 400},bad\n" * 90, "outcome", "bad", "can be drafted"),
            (",".join(f"c{i}" for i in range(50_000)) + "\n", "c1", "1", "has 50000 columns"),
            ("a,a,outcome\n1,2,bad\n", "outcome", "bad", "names column a twice"),
            ("\x1f\x8b\x00\xff", "outcome", "bad", "has no column outcome"),
            ("a,outcome\n" + "".join(f"{i},{i}\n" for i in range(90)), "outcome", "1", "holds 90 different values"),
            ("a,outcome\n" + "1,good\n1,bad\n" * 90, "outcome", "bad", "no contract can be drafted"),
            (",".join(f"c{i}" for i in range(10_000)) + "\n", "c1", "1", "has 10000 columns"),
        ],
    )
    def test_one_line_and_nothing_written(
        self, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str],
        content: str, label: str, defaulted: str, message: str,
    ) -> None:  # fmt: skip
        """What can't be drafted from is one line with the remedy."""
        assert run(content, label=label, defaulted=defaulted) == 1

        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        assert message in line
        assert sorted(path.name for path in tmp_path.iterdir()) == ["My loans.csv"]

    @pytest.mark.parametrize("delimiter", [";;", '"', "\n"])
    def test_usage(self, run: Run, capsys: pytest.CaptureFixture[str], delimiter: str) -> None:
        """A delimiter is one character, and none that ends a cell or a line."""
        assert run(written(PLAIN), "--delimiter", delimiter) == 1
        assert "one character" in capsys.readouterr().err


def test_draft_of_every_type(tmp_path: Path) -> None:
    """A file with every type, drafted, is refused for its questions and for nothing else."""
    contract = contract_of(EVERY_TYPE)
    path = tmp_path / "boats.csv"
    path.write_bytes(csv_bytes(contract, labelled(contract, 500, seed=1)))
    out = str(tmp_path / "draft")

    code = main(["draft", "--data", str(path), "--label", "Ausgang", "--defaulted", "lost", "--defaulted", "late",
                 "--delimiter", ";", "--out", out])  # fmt: skip

    assert code == 0
    with pytest.raises(InvalidContractError) as refused:
        read_contract((tmp_path / "draft" / "contract.json").read_bytes())
    assert all("not decided yet" in line for line in str(refused.value).splitlines())
    made = decide(tmp_path / "draft" / "contract.json")
    assert {field.source for field in made.fields} >= {"Kaufpreis (€)", "Rumpf", "condition", "moored", "age"}
    assert not made.by_name["age"].scored
