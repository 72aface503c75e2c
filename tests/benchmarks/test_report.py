"""Results: written and read, put into the page, held against the targets."""

from pathlib import Path

import pytest

from benchmarks.report import BEGIN, END, PAGE, Results, draw, markdown, read, render, write
from benchmarks.section import Ratio, Section, Table
from benchmarks.spread import spread
from benchmarks.targets import TARGETS, table

SECTION = Section(
    "Throughput",
    (Table(("server", "requests/s"), (("bundle", "100"), ("floor", "200"))),),
    {
        target.name: Ratio(spread([target.limit]), target.at_least)
        for target in TARGETS
        if target.section == "throughput"
    }
    | {
        "throughput ÷ floor": Ratio(spread([1.6, 1.7, 2]), higher_is_better=True),
        "throughput ÷ litserve": Ratio(spread([2.9]), higher_is_better=True),
    },
    {"bundle/32": spread([100.0])},
    ("A note.",),
)
RESULTS = Results({"cores": "2"}, {"rounds": 3, "seconds": 1.0}, {"throughput": SECTION})


def row(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"| {start}"))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    write(RESULTS, tmp_path / "results.json")
    assert read(tmp_path / "results.json") == RESULTS


def test_a_table_is_markdown() -> None:
    assert SECTION.tables[0].markdown() == ("| server | requests/s |\n| --- | --- |\n| bundle | 100 |\n| floor | 200 |")


def test_the_median_meets_a_target_or_misses_it() -> None:
    text = table(RESULTS.sections).markdown()
    assert row(text, "/predict ÷ the floor") == "| /predict ÷ the floor, records off | ≥ 1.6 | 1.7 (1.6-2) met |"
    assert row(text, "/predict ÷ LitServe").endswith("| ≥ 6 | 2.9 **missed** |")
    assert row(text, "ready ÷ BentoML's hello-world").endswith("| not measured |")


def test_each_run_has_a_column() -> None:
    text = table(RESULTS.sections, {}, RESULTS.sections).markdown()
    assert text.splitlines()[0] == "| figure | target | run 1 | run 2 | run 3 |"
    assert "| 1.7 (1.6-2) met | not measured | 1.7 (1.6-2) met |" in text


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.what)
def test_no_number_meets_no_target(target) -> None:  # noqa: ANN001
    assert not target.met(float("nan"))
    assert target.met(target.limit)


def test_only_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "RESULTS.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    render([RESULTS], page)
    render([RESULTS], page)
    assert page.read_text(encoding="utf-8") == f"before\n{BEGIN}\n\n{markdown([RESULTS])}\n\n{END}\nafter\n"


def test_a_page_without_marks_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "RESULTS.md"
    page.write_text("text\n", encoding="utf-8")
    with pytest.raises(ValueError, match="lacks the lines"):
        render([RESULTS], page)


def test_the_page_in_the_repository_has_the_marks() -> None:
    assert PAGE.read_text(encoding="utf-8").count(BEGIN) == 1
    assert PAGE.read_text(encoding="utf-8").count(END) == 1


def test_the_plot_shows_both_parts_and_is_the_same_again(tmp_path: Path) -> None:
    sections = {
        "throughput": Section("", (), {}, {f"{name}/32": spread([100, 200]) for name in ("bundle", "floor")}),
        "latency": Section("", (), {}, {f"bundle/{share}/p99_ms": spread([5]) for share in ("30%", "60%", "90%")}),
    }
    draw(sections, tmp_path / "one.svg")
    draw(sections, tmp_path / "two.svg")
    drawn = (tmp_path / "one.svg").read_bytes()
    assert b"bundle p99" in drawn
    assert b"requests/s, 32 connections" in drawn
    assert drawn == (tmp_path / "two.svg").read_bytes()


def test_without_both_parts_nothing_is_drawn(tmp_path: Path) -> None:
    draw(RESULTS.sections, tmp_path / "none.svg")
    assert not (tmp_path / "none.svg").exists()
