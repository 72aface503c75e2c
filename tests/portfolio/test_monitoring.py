"""`python -m portfolio monitor`: a portfolio against the training distribution, counted as the service counts."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from pyarrow import parquet

from portfolio.__main__ import main
from portfolio.assessor import Assessor
from portfolio.errors import CancelledError, NoApplicationsError
from portfolio.monitoring.counting import monitor
from portfolio.monitoring.findings import Findings
from preprocessing.contract import Contract
from preprocessing.fields import PD
from records.figures.statistics import population_shift
from serving.telemetry.drift import Drift
from serving.telemetry.tally import Tallies
from tests.applications import POLICY_FILE
from tests.artifacts import MODEL_FOLDER
from tests.portfolio.blocks import blocks_of, with_grades

ARGUMENTS = ("--model", str(MODEL_FOLDER), "--policy", str(POLICY_FILE))


@pytest.fixture(scope="module")
def findings(assessor: Assessor, loans: pa.Table) -> Findings:
    return monitor(assessor, blocks_of(loans))


def test_counts_are_those_of_the_service(assessor: Assessor, loans: pa.Table, contract: Contract,
                                         findings: Findings) -> None:  # fmt: skip
    """Bin by bin, what the service's drift metrics would have counted of the same applications."""
    registry, tallies = CollectorRegistry(), Tallies()
    drift = Drift(tallies, registry)
    drift.watch(assessor.distribution.bins, PD)
    rows = [{k: v for k, v in row.items() if v is not None} for row in loans.drop_columns(["loan_status"]).to_pylist()]
    assessed = assessor.engine.assess([contract.parse(row) for row in rows])
    for each in assessed:
        drift.count(each.fields, each.pd, each.outside)
    tallies.flush()
    served = {
        (sample.labels["field"], sample.labels.get("bin"), sample.name): sample.value
        for family in registry.collect() for sample in family.samples if sample.name.endswith("_total")
    }  # fmt: skip
    for shift in findings.shifts:
        for each in shift.bins:
            assert served[shift.field, each.label, "credit_risk_drift_values_total"] == each.values
        assert served[shift.field, None, "credit_risk_drift_missing_total"] == shift.missing
        if shift.field != PD:
            assert served[shift.field, None, "credit_risk_outside_training_range_total"] == shift.outside
    assert {shift.field for shift in findings.shifts} == {*contract.scored, PD}
    assert any(shift.missing for shift in findings.shifts)
    assert Counter(str(each.decision.outcome) for each in assessed) == findings.decisions


def test_psi_is_that_of_the_alert(findings: Findings) -> None:
    """Of more than a thousand values; the drawn applications are nothing like the training data."""
    for shift in findings.shifts:
        counts = [each.values for each in shift.bins]
        expected = population_shift([each.expected for each in shift.bins], pa.array(counts).to_numpy())
        assert expected == shift.psi
    assert max(shift.psi for shift in findings.shifts) > 0.25


def test_few_values_have_no_psi(assessor: Assessor, loans: pa.Table) -> None:
    found = monitor(assessor, blocks_of(loans.slice(0, 500)))
    assert all(math.isnan(shift.psi) for shift in found.shifts)
    assert found.document()["shifts"][0]["psi"] is None


def test_bad_rows_are_counted_by_kind(assessor: Assessor, loans: pa.Table) -> None:
    found = monitor(assessor, blocks_of(with_grades(loans.slice(0, 200), ["B", "Z"] * 100), 60))
    assert (200, 100, {("loan_grade", "literal_error"): 100}) == (found.rows, found.quarantined, found.invalid)
    assert 100 == sum(found.decisions.values())


@pytest.mark.parametrize("rows", [0, 50])
def test_no_applications(rows: int, assessor: Assessor, loans: pa.Table) -> None:
    with pytest.raises(NoApplicationsError, match="none of its 50 rows" if rows else "no rows"):
        monitor(assessor, blocks_of(with_grades(loans.slice(0, rows), ["Z"] * rows)))


def test_cancelled(assessor: Assessor, loans: pa.Table) -> None:
    with pytest.raises(CancelledError):
        monitor(assessor, blocks_of(loans), cancelled=lambda: True)


class TestCommand:
    @pytest.fixture
    def file(self, tmp_path: Path, loans: pa.Table) -> Path:
        path = tmp_path / "november.parquet"
        parquet.write_table(loans, path)
        return path

    def test_text(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert 0 == main(["monitor", str(file), *ARGUMENTS])
        printed = capsys.readouterr().out
        for expected in ("1,500 applications", "APPROVE", "21.87% of the training data", "shifted"):
            assert expected in printed

    def test_json_and_metrics(
        self, file: Path, findings: Findings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Gauges that a collector can read, with the bins' expected shares called as the service calls them."""
        metrics = tmp_path / "portfolio.prom"
        assert 0 == main(["monitor", str(file), *ARGUMENTS, "--json", "--metrics", str(metrics), "--name", "book"])
        document = json.loads(capsys.readouterr().out)
        assert findings.document() == document
        families = {family.name: family for family in text_string_to_metric_families(metrics.read_text())}
        assert all(family.type == "gauge" for family in families.values())
        psis = {s.labels["field"]: s.value for s in families["credit_risk_portfolio_psi"].samples}
        assert {shift.field: pytest.approx(shift.psi) for shift in findings.shifts} == psis
        expected = families["credit_risk_drift_expected_ratio"].samples
        assert sum(len(shift.bins) for shift in findings.shifts) == len(expected)
        assert {"book"} == {s.labels["portfolio"] for family in families.values() for s in family.samples}
        assert 0o644 == metrics.stat().st_mode & 0o777

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--name", "book"), "give --metrics as well"),
            (("--metrics", "/nowhere/portfolio.prom"), "can't be written"),
            (("--policy", "/nowhere/policy.json"), "there is no"),
        ],
    )
    def test_refused(
        self, arguments: tuple[str, ...], message: str, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert 1 == main(["monitor", str(file), *ARGUMENTS, *arguments])
        out, err = capsys.readouterr()
        assert ("", True) == (out, message in err)
