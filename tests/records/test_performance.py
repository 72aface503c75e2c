"""How the model fares: statistics against scikit-learn's, what is counted, and the command on each kind of store."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from sklearn.metrics import brier_score_loss, roc_auc_score

from records.__main__ import main
from records.basis import Basis
from records.chain import Entry
from records.events.standing import Outcome
from records.events.telling import Teller
from records.figures.ranking import auc, brier, gini, kolmogorov_smirnov
from records.figures.statistics import LEAST_VALUES, population_shift, share
from records.keyring import KeyRing, read_keyring
from records.performance import report
from records.performance.cohorts import Cohort, Cohorts, Model, all_months, cohorts, trained_on
from records.performance.measuring import SURE, Performance, figures, measured
from records.performance.metrics import exposition
from records.performance.page import page
from records.reading import Archive
from records.stores.ledger import Ledger
from scoring.artifact import DISTRIBUTION, MANIFEST
from scoring.distribution import FieldBins
from tests.artifacts import ROOT
from tests.records.samples import BASIS, a_record, a_writer, chained
from training.metrics import kolmogorov_smirnov as trainings

APPROVE, CONDITIONAL, REJECT = "APPROVE", "CONDITIONAL_APPROVAL", "REJECT"
DAY = date(2026, 9, 30)
FILES = {name: (ROOT / "artifacts" / "model" / name).read_bytes() for name in (MANIFEST, DISTRIBUTION)}
BINS = FieldBins(field="pd", edges=[0.1, 0.2], categories=[], shares=[0.5, 0.25, 0.25], missing=0)
MODEL = Model("model", "1.0.0", "ab" * 32, "cd" * 32)

pds = st.floats(0, 1) | st.sampled_from([0.0, 0.01, 0.05, 0.1, 0.5, 1.0])
loans = st.lists(st.tuples(pds, st.booleans()), min_size=2, max_size=60)


def a_cohort(outcomes: Sequence[tuple[float, bool]], said: Sequence[float] = (), **counts: int) -> Cohort:
    """One with these outcomes, and PDs of others."""
    cohort = Cohort(**counts)
    for pd, defaulted in outcomes:
        cohort.expected.append(pd)
        cohort.defaulted.append(defaulted)
        cohort.said.append(pd)
    cohort.said.extend(said)
    return cohort


class TestRanking:
    @given(loans)
    @example([(0.1, True), (0.1, False), (0.1, True), (0.1, False)])
    def test_as_scikit_learn_has_it(self, of_loans: Sequence[tuple[float, bool]]) -> None:
        """AUC, Gini, KS and Brier, ties and all."""
        pd, defaulted = a_cohort(of_loans).outcomes
        assume(2 <= defaulted.sum() <= len(pd) - 2)
        area = auc(pd, defaulted)
        expected = roc_auc_score(defaulted, pd)
        assert pytest.approx(expected) == area.value
        assert area.low <= area.value <= area.high
        assert pytest.approx(2 * expected - 1) == gini(area).value
        assert pytest.approx(trainings(defaulted.astype(np.int64), pd)) == kolmogorov_smirnov(pd, defaulted)
        assert pytest.approx(brier_score_loss(defaulted, pd)) == brier(pd, defaulted).value

    @given(loans)
    def test_order_is_all_that_counts(self, of_loans: Sequence[tuple[float, bool]]) -> None:
        """Neither the order of the loans nor a rising function of the PDs changes KS and AUC."""
        pd, defaulted = a_cohort([(round(pd, 6), bad) for pd, bad in of_loans]).outcomes
        other, of_other = (pd / 2)[::-1], defaulted[::-1]
        assert np.isnan(kolmogorov_smirnov(pd, defaulted)) == (len(set(defaulted.tolist())) == 1)
        assert pytest.approx(kolmogorov_smirnov(pd, defaulted), nan_ok=True) == kolmogorov_smirnov(other, of_other)
        assert pytest.approx(auc(pd, defaulted).value, nan_ok=True) == auc(other, of_other).value

    def test_by_hand(self) -> None:
        """Of 3 defaults and 3 others 8 of 9 pairs stand the right way round; the largest gap is two thirds."""
        pd, defaulted = a_cohort(
            [(0.1, False), (0.2, False), (0.3, True), (0.4, False), (0.5, True), (0.6, True)]
        ).outcomes
        assert pytest.approx(8 / 9) == auc(pd, defaulted).value
        assert pytest.approx(7 / 9) == gini(auc(pd, defaulted)).value
        assert pytest.approx(2 / 3) == kolmogorov_smirnov(pd, defaulted)


class TestShift:
    def test_by_hand(self) -> None:
        """(a - e) ln(a / e) by bin, an empty bin counted as a ten-thousandth."""
        counts = np.array([600, 400, 0])
        expected = 0.1 * math.log(0.6 / 0.5) + 0.15 * math.log(0.4 / 0.25) + (1e-4 - 0.25) * math.log(1e-4 / 0.25)
        assert pytest.approx(expected) == population_shift(BINS.shares, counts)
        assert population_shift(BINS.shares, np.array([500, 250, 250])) == 0

    def test_of_few_there_is_none(self) -> None:
        assert math.isnan(population_shift(BINS.shares, np.array([LEAST_VALUES - 1, 0, 0])))
        assert math.isnan(figures(a_cohort([(0.1, False)] * 999), BINS).psi)
        assert not math.isnan(figures(a_cohort([(0.1, False)] * 999, [0.1]), BINS).psi)

    def test_bins_hold_their_upper_ends(self) -> None:
        """As those of the service do; the PDs of the refused count."""
        said = [0.1, 0.05] * 250 + [0.2] * 250 + [0.2000001] * 250
        assert pytest.approx(0) == figures(a_cohort([], said), BINS).psi


class TestFigures:
    @given(
        st.lists(st.tuples(pds, st.booleans()), max_size=20),
        st.tuples(*[st.integers(0, 3)] * 4),
    )
    def test_any(self, of_loans: list[tuple[float, bool]], counts: tuple[int, ...]) -> None:
        """Few, none, all alike: the counts add up, bands hold all outcomes, and everything can be told."""
        names = ("refused", "erased", "untold", "unmatured")
        cohort = a_cohort(of_loans, **dict(zip(names, counts, strict=True)))
        found = figures(cohort, BINS)
        assert sum(counts) + len(of_loans) == found.decisions
        assert len(of_loans) == found.outcomes == sum(band.outcomes for band in found.bands)
        assert found.defaulted == sum(band.defaulted for band in found.bands)
        assert all(band.low <= band.expected <= band.high for band in found.bands)
        performance = measured(MODEL, {"2026-01": cohort}, BINS)
        json.loads(json.dumps(performance.document(), allow_nan=False))
        assert list(report.lines(performance))
        assert "nan" not in page([performance]).lower()
        assert "nan" not in exposition([performance]).decode().lower()

    def test_bands_hold_their_lower_ends(self) -> None:
        """As the policy's do."""
        bands = figures(a_cohort([(0.0999, False), (0.1, True), (1.0, True)]), None).bands
        assert [(0.075, 0), (0.1, 1), (0.5, 1)] == [(band.low, band.defaulted) for band in bands]

    def test_months_are_added_up(self) -> None:
        first, second = a_cohort([(0.1, False)] * 3, [0.4], refused=1), a_cohort([(0.3, True)], untold=2, erased=1)
        together = figures(all_months([first, second]), None)
        assert (8, 1, 1, 2, 4, 1) == (
            together.decisions,
            together.refused,
            together.erased,
            together.untold,
            together.outcomes,
            together.defaulted,
        )
        assert pytest.approx(0.15) == together.expected

    def test_expected_against_observed(self) -> None:
        """Ten defaults of a hundred, where the model expected ten, three and thirty."""
        for pd, verdict in ((0.1, ""), (0.03, "more"), (0.3, "fewer")):
            cohort = a_cohort([(pd, i < 10) for i in range(100)])
            performance = measured(MODEL, {"2026-01": cohort}, None)
            (month, total), (band,) = report.rates(performance), report.bands(performance)
            assert ["100", f"{pd:.2%}", "10.00% [5.52%, 17.44%]", verdict] == month[1:] == total[1:] == band[1:]
            assert share(10, 100, SURE) == performance.total.observed_surely
            assert "more" in page([performance])
        assert pytest.approx(share(10, 100).value) == share(10, 100, SURE).value
        assert share(10, 100, SURE).low < share(10, 100).low < share(10, 100).high < share(10, 100, SURE).high


class _Parsed(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, _: object) -> None:
        self.tags.append(tag)


class TestPage:
    @pytest.fixture
    def performance(self) -> Performance:
        """A year of which the last months have no outcomes."""
        rng = np.random.default_rng(1)

        def month(known: bool) -> Cohort:
            said = rng.uniform(0, 0.3, 1200).tolist()
            return a_cohort([(pd, rng.random() < pd) for pd in said[:500] if known], said[500:], refused=700)

        return measured(MODEL, {f"2025-{i:02}": month(known=i < 10) for i in range(1, 13)}, BINS)

    def test_says_what_the_text_says(self, performance: Performance) -> None:
        """Every cell of every table, and what must not be left unsaid; it needs nothing else."""
        html = page([performance])
        tags = _Parsed(html).tags
        assert 4 == tags.count("svg")
        assert 5 == tags.count("table")
        assert not {"script", "img", "link", "iframe"} & set(tags)
        assert not re.search(r"https?:|//www|url\(|@import", html)
        assert report.SELECTED.replace("'", "&#x27;") in html
        plain = html.replace("&nbsp;", " ")
        rows = [*report.rates(performance), *report.bands(performance), *report.quality(performance)]
        for cell in (cell for row in [*rows, *report.counts(performance)] for cell in row):
            assert f">{cell}</td>" in plain

    def test_months_have_room(self, performance: Performance) -> None:
        """Six names below an axis at most, the last one's among them."""
        names = re.findall(r'text-anchor="middle">(2025-\d\d)<', page([performance]))
        assert {"2025-02", "2025-04", "2025-06", "2025-08", "2025-10", "2025-12"} == set(names)

    def test_few_are_drawn_hollow(self) -> None:
        for number, kind in ((99, "few"), (100, "model")):
            html = page([measured(MODEL, {"2026-01": a_cohort([(0.1, i < 10) for i in range(number)])}, None)])
            assert {kind} == set(re.findall(r'<path class="(few|model)"', html))

    def test_without_the_training_data(self) -> None:
        """No PSI, and why."""
        html = page([measured(MODEL, {"2026-01": a_cohort([], [0.1] * 2000)}, None)])
        assert "not in the archive" in html
        assert "<svg" not in html


def of_month(month: int, *, day: int = 15, **changes: object) -> dict[str, object]:
    """What is changed of a record of a month of 2026."""
    return {"time": int(datetime(2026, month, day, tzinfo=UTC).timestamp() * 1e6), **changes}


def a_basis(**changes: object) -> Basis:
    """The tests' own, but for what is changed."""
    return Basis.model_validate(BASIS.model_dump() | changes)


class TestCommand:
    @pytest.fixture(autouse=True)
    def filled(self, book: Ledger, place: str, key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two months of a model whose files are in the archive, and one decision of another."""
        monkeypatch.setenv("CREDIT_RISK_RECORDS", place)
        monkeypatch.setenv("CREDIT_RISK_RECORDS_KEY_FILE", str(key_file))
        ring = read_keyring(key_file)
        basis = a_basis(digests={name: sha256(content).hexdigest() for name, content in FILES.items()})
        book.archive({sha256(content).hexdigest(): content for content in FILES.values()})
        records = [
            *(of_month(3, pd=0.05 + i / 1000, outcome=APPROVE, reference=f"known-{i}") for i in range(20)),
            of_month(3, pd=0.15, outcome=CONDITIONAL, reference="known-20"),
            of_month(3, pd=0.06, outcome=APPROVE, reference="untold"),
            of_month(3, pd=0.07, outcome=APPROVE, reference="erased"),
            of_month(3, pd=0.4, outcome=REJECT, reference="refused"),
            of_month(3, day=31, pd=0.5, outcome=REJECT, reference="refused, and a loan nevertheless"),
            of_month(4, day=1, pd=0.08, outcome=APPROVE, reference="unmatured"),
        ]
        entries = self._keep(book, ring, basis, records)
        self._keep(book, ring, a_basis(model_version="2.0.0"), [of_month(4, outcome=REJECT)])
        known = {
            entry.id: Outcome(defaulted=i % 5 == 0, date=DAY, matured=True) for i, entry in enumerate(entries[:21])
        }
        known |= {
            entries[24].id: Outcome(defaulted=True, date=DAY, matured=True),
            entries[22].id: Outcome(defaulted=True, date=DAY, matured=True),
            entries[25].id: Outcome(defaulted=True, date=DAY, matured=False),
        }
        by_id = {entry.id: entry for entry in entries}
        Teller(book, ring).outcomes(known, [by_id[each] for each in known])
        book.destroy_keys(ring.tag("erased"))
        book.close()

    def _keep(self, book: Ledger, ring: KeyRing, basis: Basis, changes: Sequence[dict[str, object]]) -> list[Entry]:
        writer = replace(a_writer(), basis=basis.digest)
        entries = chained([a_record(**each) for each in changes], writer, writer.origin, basis, ring)
        book.begin(writer, basis)
        book.append(entries)
        book.close()
        return entries

    def test_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Each decision is in one count; whom a decision refused has no outcome, whatever was told."""
        assert 0 == main(["performance", "--json"])
        first, second = json.loads(capsys.readouterr().out)
        assert ("1.0.0", "2.0.0") == (first["version"], second["version"])
        march, april = first["months"]
        assert ("2026-03", "2026-04") == (march["month"], april["month"])
        counts = ("decisions", "refused", "erased", "untold", "unmatured", "outcomes", "defaulted")
        assert (25, 2, 1, 1, 0, 21, 5) == tuple(march[name] for name in counts)
        assert (1, 0, 0, 0, 1, 0, 0) == tuple(april[name] for name in counts)
        assert (26, 2, 1, 1, 1, 21, 5) == tuple(first["total"][name] for name in counts)
        pd = np.array([*(0.05 + i / 1000 for i in range(20)), 0.15])
        defaulted = np.arange(21) % 5 == 0
        assert pytest.approx(roc_auc_score(defaulted, pd)) == march["auc"]["value"]
        assert pytest.approx(pd.mean()) == march["expected"]
        assert pytest.approx(5 / 21) == march["observed"]["value"]
        assert april["auc"]["value"] is None
        assert 1 == second["total"]["refused"]

    def test_text(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert 0 == main(["performance"])
        out = capsys.readouterr().out
        assert "model 1.0.0, manifest " in out
        assert re.search(r"^2026-03 +25 +2 +1 +1 +0 +21 +5$", out, re.MULTILINE)
        assert re.search(r"^2026-04 +0 +- +-$", out, re.MULTILINE)
        assert 1 == out.count("No PSI: the distribution of this model's training data is not in the archive")
        assert out.endswith(f"{report.SELECTED}\n")

    def test_files(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The page and the gauges, in place of older ones; what can't be told has no series."""
        html, gauges = tmp_path / "page.html", tmp_path / "credit_risk.prom"
        gauges.write_text("older")
        assert 0 == main(["performance", "--page", str(html), "--metrics", str(gauges), "--since", "2026-03-01"])
        capsys.readouterr()
        assert html.read_text().startswith("<!doctype html>")
        families = {family.name: family for family in text_string_to_metric_families(gauges.read_text())}
        samples = {
            (name.removeprefix("credit_risk_performance_"), sample.labels["model_version"], sample.labels["month"]): (
                sample.value
            )
            for name, family in families.items()
            for sample in family.samples
        }
        assert {"gauge"} == {family.type for family in families.values()}
        assert (21, 2, 1) == tuple(samples[name, "1.0.0", "2026-03"] for name in ("outcomes", "refused", "unmatured"))
        assert pytest.approx(5 / 21) == samples["observed_default_rate", "1.0.0", "2026-03"]
        low, high = (samples[f"observed_default_rate_{end}", "1.0.0", "2026-03"] for end in ("low", "high"))
        assert pytest.approx(share(5, 21, SURE)[1:]) == (low, high)
        assert {"decisions", "refused", "unmatured", "outcomes"} == {
            name for name, version, _ in samples if version == "2.0.0"
        }
        assert [] == [path.name for path in tmp_path.glob(".*.new")]

    def test_a_part_of_the_time(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert 0 == main(["performance", "--json", "--since", "2026-04-01"])
        assert [1, 1] == [each["total"]["decisions"] for each in json.loads(capsys.readouterr().out)]
        assert 0 == main(["performance", "--json", "--until", "2026-03-31"])
        (document,) = json.loads(capsys.readouterr().out)
        assert 24 == document["total"]["decisions"]

    def test_what_can_not_be(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """No decisions, no folder, no time: one line, and nothing is written."""
        gauges = tmp_path / "credit_risk.prom"
        gauges.write_text("older")
        assert 1 == main(["performance", "--since", "2027-01-01", "--metrics", str(gauges)])
        assert "no decisions of this time in this store; nothing was written\n" == capsys.readouterr().err
        assert "older" == gauges.read_text()
        assert 1 == main(["performance", "--page", str(tmp_path / "nowhere" / "page.html")])
        assert "page.html: No such file or directory\n" in capsys.readouterr().err
        assert 1 == main(["performance", "--since", "March"])
        assert "'March' is no time" in capsys.readouterr().err

    def test_the_training_data_of_another_version(self, open_book: Callable[[], Ledger], key_file: Path) -> None:
        """What this version can't read, or isn't what it was, is as if it were not there."""
        ledger, ring = open_book(), read_keyring(key_file)
        found: Cohorts = cohorts(ledger, ring, Archive(ledger, ring).all())
        (first, second) = found
        bins = trained_on(ledger, first)
        assert bins is not None
        assert "probability_of_default" == bins.field
        assert trained_on(ledger, second) is None
        content = b'{"format": 1}'
        digest = sha256(content).hexdigest()
        ledger.archive({digest: content})
        assert trained_on(ledger, first._replace(distribution=digest)) is None
