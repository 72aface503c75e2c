"""The report as a reader gets it: complete, on its own, and saying what was measured."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import yaml

from reporting.svg import Drawing, Scale, as_file
from scoring.artifact import CARD, MANIFEST, Manifest
from tests.applications import scoring_only
from tests.training.loans import csv_text, past_loans
from training.book import Book
from training.data import read_training_data
from training.errors import TrainingError
from training.evaluation import Spread
from training.export import REPORT
from training.pipeline import train
from training.plots import PLOTS, calibration_plot, importance_plot, runs
from training.recipe import Recipe
from training.report.markdown import cell, code, estimate, number, signed, table
from training.report.monitoring import ALERTS, GROUP, triggers
from training.report.page import html_page
from training.report.resampling import Estimate

ROOT = Path(__file__).parents[3]


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.links += [value for name, value in attrs if name in ("href", "src") and value]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, book: Book) -> Path:
    """An artifact with the whole report; few fields are scored, for the search takes a model for each pair of them."""
    folder = tmp_path_factory.mktemp("full")
    (folder / "loans.csv").write_text(csv_text(past_loans()), encoding="utf-8")
    contract = scoring_only("loan_amnt", "person_income", "loan_grade", "loan_intent")
    data = read_training_data(folder / "loans.csv", contract)
    recipe = Recipe({"n_estimators": 15, "max_depth": 3, "learning_rate": 0.3, "min_samples_leaf": 10})
    narrow = replace(
        book, contract=contract, contract_bytes=contract.model_dump_json(exclude_defaults=True, by_alias=True).encode()
    )
    train(narrow, data, folder / "model", created=date(2026, 1, 31), version="1.0.0", recipe=recipe)
    return folder / "model"


class TestReport:
    def test_every_section_is_told(self, full: Path) -> None:
        """Nothing is left out of a whole report, and no figure is missing from it."""
        text = (full / CARD).read_text(encoding="utf-8")
        sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL))

        assert [
            "Summary", "Intended use", "Limits of use", "Data", "Metrics", "Calibration in parts", "Directions",
            "Decisions by group", "Less discriminatory alternatives", "Sensitivity", "Stability", "Fields",
            "What is not known", "Monitoring", "Change log", "How it was made",
        ] == list(sections)  # fmt: skip
        assert "nan" not in text
        assert "--quick" not in text
        assert {"disjoint in person_income", "grouped"} <= set(re.split(r" *\| *", sections["Summary"]))
        for model in ("model", "without directions", "logistic regression", "points scorecard"):
            assert f"| {model} " in sections["Metrics"]
        for part in ("PD", "loan_grade", "loan_intent", "age", "home ownership"):
            assert f"### By {part}\n" in sections["Calibration in parts"]
        for field in ("loan_amnt", "person_income", "loan_grade"):
            assert re.search(
                rf"\| no direction of {field} \| 0\.\d+ \| [-+0][\d.]+ \[[-+\d.]+, [-+\d.]+\] \|",
                sections["Directions"],
            )
        # The shipped one, without directions, three directions, four fields, six pairs.
        assert "All 15 models" in sections["Less discriminatory alternatives"]
        assert sections["Stability"].count("\n| seed ") == sections["Stability"].count("\n| folds ") == 5
        assert "draws nothing" in sections["Stability"]

    def test_headline_is_the_harsher_split(self, full: Path) -> None:
        """The manifest's headline and the report's first column are of the folds that share no income."""
        manifest = Manifest.model_validate_json((full / MANIFEST).read_bytes())
        headline = manifest.evaluation["headline"]
        auc = headline["figures"]["roc_auc"]
        assert pytest.approx(manifest.evaluation["disjoint"]["model"]["roc_auc"]["mean"], abs=1e-6) == auc["value"]

        assert headline["split"] == "disjoint"
        assert auc["low"] < auc["value"] < auc["high"]
        assert f"| ROC AUC | {auc['value']:.4f} [{auc['low']:.4f}, {auc['high']:.4f}] |" in (full / CARD).read_text()
        ratios = headline["lowest_approval_ratios"]
        assert ratios.keys() == {"age", "home ownership"}
        text = (full / CARD).read_text(encoding="utf-8")
        summary, by_group = (
            text.split(f"## {title}\n")[1].split("\n## ")[0] for title in ("Summary", "Decisions by group")
        )
        for title, ratio in ratios.items():  # one figure, wherever it stands
            assert re.search(rf"{ratio:.3f} \[[\d., ]+\] by {title} \(", summary)
            assert re.search(rf"\| {ratio:.3f} \[", by_group)

    def test_plots_are_files_that_are_vouched_for(self, full: Path) -> None:
        """Each plot that the card shows is there, is SVG, and its bytes are a function of the figures."""
        manifest = Manifest.model_validate_json((full / MANIFEST).read_bytes())
        shown = re.findall(r"!\[.*?\]\((.*?)\)", (full / CARD).read_text(encoding="utf-8"))

        assert sorted(PLOTS) == sorted(shown)
        for name in (*PLOTS, REPORT):
            assert name in manifest.artifacts
        for name in PLOTS:
            assert ET.fromstring((full / name).read_bytes()).tag == "{http://www.w3.org/2000/svg}svg"

    def test_quick(self, trained: Path) -> None:
        """Without the models that take time, the sections say so, and what needs none is told."""
        text = (trained / CARD).read_text(encoding="utf-8")

        assert text.count("training ran with `--quick`") == 3
        assert "alternatives.svg" not in text
        assert "## Sensitivity" in text


class TestPage:
    def test_needs_nothing_else(self, full: Path) -> None:
        """No script, no other file, no address; every plot is drawn in the page; every link has its place there."""
        html = (full / REPORT).read_text(encoding="utf-8")
        page = Page(html)

        assert not re.search(r"https?:|//www|url\(|@import|file:", html)
        assert not {"script", "img", "link", "iframe", "object"} & set(page.tags)
        assert len(PLOTS) == page.tags.count("svg")
        assert page.links
        assert {link.removeprefix("#") for link in page.links} == set(page.ids)
        assert len(page.ids) == len(set(page.ids)) == page.tags.count("h2")

    def test_every_column_is_named(self, full: Path) -> None:
        """Whoever hears the page read knows what a cell is of."""
        html = (full / REPORT).read_text(encoding="utf-8")

        assert not re.search(r"<th[^>]*></th>", html)

    def test_what_can_be_moved_is_reached_by_keys(self, full: Path) -> None:
        """Whatever may be wider than the page takes the focus."""
        html = (full / REPORT).read_text(encoding="utf-8")

        assert "<pre>" not in html
        assert html.count("<table") == html.count('<div class="wide" tabindex="0"><table')

    def test_a_long_name_breaks_between_its_words(self) -> None:
        """A title of underscores has places to break; the document's own title has none of them."""
        html = html_page("# of credit_risk 2\n\nb_c\n", {})

        assert "<h1>of credit_<wbr>risk 2</h1>" in html
        assert "<title>of credit_risk 2</title>" in html
        assert "b_c" in html

    def test_says_what_the_card_says(self, full: Path) -> None:
        """Every cell of the card's tables is in the page."""
        html = (full / REPORT).read_text(encoding="utf-8").replace("&nbsp;", " ")
        rows = [line for line in (full / CARD).read_text(encoding="utf-8").splitlines() if line.startswith("| ")]

        assert html.count("<tr>") == sum("---" not in row for row in rows)
        for text in re.findall(r"[0-9.]+ \[[0-9.]+, [0-9.]+\]", "\n".join(rows)):
            assert text in html

    def test_a_plot_that_is_not_there(self) -> None:
        """An image without a plot is an error, not a hole in the page."""
        with pytest.raises(KeyError, match=r"other\.svg"):
            html_page("# a\n\n![b](other.svg)\n", {})

    def test_texts_of_a_contract_are_no_markup(self) -> None:
        """Whatever a category is called, it is told as it is."""
        name = "a|b <script>x</script> `c` *d* [e](http://f) \\"
        html = html_page("# t\n\n" + table(["", "rows"], [[cell(name), "1"]]), {})

        assert "<td>a|b &lt;script&gt;x&lt;/script&gt; `c` *d* [e](http://f) \\</td>" in html
        assert "<code>a\u2223b</code>" in html_page(f"# t\n\n{table(['x'], [[code('a|b')]])}", {})


class TestNumbers:
    def test_texts(self) -> None:
        """No minus before a 0, no interval where there is none, no figure where there is no value."""
        nan = float("nan")

        assert ["0.0000", "-0.0100", "+0.0100", "0.0000"] == [number(-1e-9), signed(-0.01), signed(0.01), signed(-1e-9)]
        assert estimate(Estimate(0.5, 0.25, 1), 2) == "0.50 [0.25, 1.00]"
        assert estimate(Estimate(0.5, nan, nan), 2) == "0.50"
        assert estimate(Estimate(nan, nan, nan)) == "one label only"


class TestDrawing:
    def test_scales(self) -> None:
        """Log-odds lie evenly, beyond an end is at the end, ticks are round and within."""
        scale = Scale(0.01, 0.99, 100, 0, log_odds=True)

        assert pytest.approx((100, 50, 0)) == (scale(0.01), scale(0.5), scale(0.99))
        assert scale(0.0001) == 100
        assert pytest.approx((0, 50, 100)) == tuple(map(Scale(2, 0, 100, 0), (0, 1, 2)))
        assert pytest.approx(scale(0.1) - scale(0.5)) == scale(0.5) - scale(0.9)
        assert [0.01, 0.5, 0.99] == scale.ticks()
        assert [0.01, 0.03, 0.1, 0.5, 0.9, 0.97, 0.99] == Scale(0.01, 0.99, 0, 300, log_odds=True).ticks()
        assert [0.7, 0.75, 0.8, 0.85, 0.9] == Scale(0.69, 0.91, 0, 1).ticks()
        assert [-1, 0, 1, 2, 3] == Scale(-1, 3.5, 0, 1).ticks()

    def test_rows_lie_below_one_another(self) -> None:
        """The first on top, each with its bar and its name at one height."""
        svg = importance_plot({name: Spread(0.1, 0.01) for name in ("first", "second", "third")})

        heights = [float(y) for y in re.findall(r'<circle[^>]*cy="([0-9.]+)"', svg)]
        names = [float(y) for y in re.findall(r'<text x="[0-9.]+" y="([0-9.]+)" text-anchor="end">\w+</text>', svg)]
        assert sorted(set(heights)) == heights
        assert pytest.approx([y + 4 for y in heights]) == names

    def test_names_have_room(self) -> None:
        """Capitals are wider: the longest name is not cut off at the edge, and one that is too long is shortened."""
        long = "WWWW " * 20
        for name, told in (("home ownership: MORTGAGE", "home ownership: MORTGAGE"), (long, f"{long[:20]}…")):
            svg = importance_plot({name: Spread(0.1, 0.01)})
            (x, text), *_ = re.findall(r'<text x="([0-9.]+)"[^>]*text-anchor="end">([^<]+)</text>', svg)
            assert told[:16] == text[:16]
            assert sum(9.6 if letter.isupper() else 7.6 for letter in text) <= float(x) + 0.1
            assert text.endswith("…") is (name == long)

    def test_numbers_that_would_overlap_stand_as_one(self) -> None:
        """Every number is told, alone or in a run: 1, 2-4, 5."""
        places = [(0.0, 0.0), (50.0, 0.0), (59.0, 1.0), (68.0, 2.0), (68.0, 90.0)]

        assert [(0, 0), (1, 3), (4, 4)] == runs(places, 14)
        assert runs([], 14) == []

    def test_texts_are_escaped(self) -> None:
        """A label can't end the element it stands in."""
        drawing = Drawing("a", Scale(0, 1, 0, 100), Scale(0, 1, 100, 0))
        drawing.text(0, 0, "</svg><script>")

        assert "</svg>&lt;script&gt;" not in as_file(drawing.svg()).decode()
        assert "&lt;/svg&gt;&lt;script&gt;" in as_file(drawing.svg()).decode()

    def test_thresholds_are_drawn(self, book: Book) -> None:
        """The policy's two, at their places; and as many dots as bins."""
        rng = np.random.default_rng(1)
        pd = rng.random(2000)
        svg = calibration_plot((rng.random(2000) < pd).astype(np.int64), pd, book.policy.policy)

        assert svg.count('<line class="threshold"') == 2
        assert {"approve below 0.1", "reject from 0.2"} == set(
            re.findall(r'<text class="threshold"[^>]*>(.*?)</text>', svg)
        )
        assert svg.count("<circle") == 20


class TestMonitoring:
    def test_triggers_are_the_alerts(self) -> None:
        """Every alert on the model is told, with its own condition, duration and severity."""
        document = yaml.safe_load((ROOT / ALERTS).read_text(encoding="utf-8"))
        (group,) = (group for group in document["groups"] if group["name"] == GROUP)

        told = triggers()

        assert told is not None
        assert [rule["alert"] for rule in group["rules"]] == [trigger.alert for trigger in told]
        assert [rule.get("for", "0m") for rule in group["rules"]] == [trigger.lasting for trigger in told]
        assert ["".join(r["expr"].split()) for r in group["rules"]] == ["".join(t.condition.split()) for t in told]

    def test_without_the_deployment(self, tmp_path: Path) -> None:
        """Training does without its files, and takes none that name no such alerts."""
        assert triggers(tmp_path) is None

        (tmp_path / ALERTS).parent.mkdir(parents=True)
        (tmp_path / ALERTS).write_text("groups: [{name: other, rules: []}]")
        with pytest.raises(TrainingError, match=GROUP):
            triggers(tmp_path)

    def test_the_shipped_card_has_todays_alerts(self) -> None:
        """The card of the artifact that this repository ships was written with the alerts that it ships."""
        text = (ROOT / "artifacts" / "model" / CARD).read_text(encoding="utf-8")
        told = triggers()

        assert told is not None
        for trigger in told:
            assert (
                f"| {code(trigger.alert)} | {cell(trigger.summary)} | {code(trigger.condition)} | {trigger.lasting} |"
                in text
            )
