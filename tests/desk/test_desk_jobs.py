"""Jobs of the desk, and what their pages are made of: no service runs."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from decision import InvalidPolicyError, read_policy
from desk import alerts as alerting
from desk.health import Figures, challenged, mix, shifts
from desk.jobs.drafts import check
from desk.jobs.job import INPUT, PARTS, Job, State
from desk.jobs.jobs import KEPT_SECONDS, LOST_SECONDS, MOST_OF_ONE, Jobs, TooManyJobsError
from desk.jobs.results import Error, Results, harmless
from desk.jobs.uploads import _append
from desk.programs import reading
from desk.wording import differences, worded
from portfolio.errors import UnreadableInputError
from serving.telemetry.telemetry import Sample
from tests.applications import CONTRACT
from tests.artifacts import ROOT

POLICY = ROOT / "artifacts" / "policy" / "decision_policy.json"
CATALOGUE = POLICY.with_name("reason_codes.json").read_bytes()


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    return Jobs(tmp_path / "jobs")


def aged(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


class TestJobs:
    def test_belong_to_whoever_began_them(self, jobs: Jobs) -> None:
        """Nobody else finds one, whatever id they ask for."""
        job = jobs.new("batch", "ann")
        assert job == jobs.find("batch", "ann", job.id)
        assert None is jobs.find("batch", "bob", job.id)
        assert None is jobs.find("policy", "ann", job.id)
        assert [None] * 3 == [jobs.find("batch", "ann", other) for other in ("..", "", f"../jobs/{job.id}")]
        assert [] == jobs.of("batch", "bob")

    def test_are_seen_by_other_workers(self, jobs: Jobs) -> None:
        job = replace(jobs.new("batch", "ann", "a.csv"), state=State.RUNNING, done=3, problems=("a",), facts={"b": [1]})
        jobs.keep(job)
        (jobs.folder(job) / "alive").touch()
        assert [job] == Jobs(jobs.root).of("batch", "ann")

    def test_only_this_user_s(self, jobs: Jobs, tmp_path: Path) -> None:
        assert 0o700 == jobs.root.stat().st_mode & 0o777
        (tmp_path / "open").mkdir(mode=0o755)
        with pytest.raises(PermissionError, match="set TMPDIR to another folder"):
            Jobs(tmp_path / "open").new("batch", "ann")

    def test_no_more_than_there_is_room_for(self, jobs: Jobs) -> None:
        for _ in range(MOST_OF_ONE):
            jobs.new("batch", "ann")
        with pytest.raises(TooManyJobsError, match="remove one"):
            jobs.new("policy", "ann")
        jobs.new("batch", "bob")

    def test_are_gone_after_their_time(self, jobs: Jobs) -> None:
        old, young = jobs.new("batch", "ann"), jobs.new("batch", "ann")
        aged(jobs.folder(old) / "job.json", KEPT_SECONDS + 1)
        jobs.sweep()
        assert [young] == jobs.of("batch", "ann")
        assert not jobs.folder(old).exists()

    def test_of_a_worker_that_has_died(self, jobs: Jobs) -> None:
        job = replace(jobs.new("batch", "ann"), state=State.RUNNING)
        jobs.keep(job)
        (jobs.folder(job) / "alive").touch()
        aged(jobs.folder(job) / "alive", LOST_SECONDS + 1)
        (found,) = jobs.of("batch", "ann")
        assert State.FAILED is found.state
        assert "has ended before its time" in found.problems[0]

    @pytest.mark.parametrize("end", [State.DONE, State.FAILED, State.CANCELLED])
    def test_end_leaves_nothing_of_what_was_sent(self, jobs: Jobs, end: State) -> None:
        told: list[Exception] = []

        async def work(job: Job) -> Job:
            if end is State.FAILED:
                raise ValueError(job.id)
            if end is State.CANCELLED:
                jobs.cancel(job)
                jobs.check(job)
            return replace(job, state=State.DONE)

        async def do() -> Job:
            job = replace(jobs.new("batch", "ann"), state=State.RUNNING)
            (jobs.folder(job) / INPUT).touch()
            (jobs.folder(job) / PARTS).mkdir()
            jobs.begin(job, work, told.append)
            while (found := jobs.find("batch", "ann", job.id)) is None or found.active:  # noqa: ASYNC110  # in a file
                await asyncio.sleep(0.01)
            assert not {INPUT, PARTS, "cancel"} & {path.name for path in jobs.folder(job).iterdir()}
            return found

        assert end is asyncio.run(do()).state
        assert [ValueError] * (end is State.FAILED) == [type(each) for each in told]

    def test_are_begun_once(self, jobs: Jobs) -> None:
        """Also where a form is sent twice at once, to two workers."""
        done: list[str] = []

        async def work(job: Job) -> Job:
            done.append(job.id)
            return replace(job, state=State.DONE)

        async def do() -> tuple[bool, bool]:
            job = replace(jobs.new("batch", "ann"), state=State.RUNNING)
            begun = jobs.begin(job, work, lambda _: None), Jobs(jobs.root).begin(job, work, lambda _: None)
            await asyncio.sleep(0.1)
            return begun

        assert (True, False) == asyncio.run(do())
        assert 1 == len(done)

    def test_a_piece_comes_in_once(self, tmp_path: Path) -> None:
        """Two workers may be sent the same one at once; and the job may be gone."""
        assert [4, None, 6, None] == [_append(tmp_path / INPUT, at, b"1234"[:n], 6) for at, n in (
            ("0", 4), ("0", 4), ("4", 2), ("6", 1),
        )]  # fmt: skip
        assert b"123412" == (tmp_path / INPUT).read_bytes()
        assert None is _append(tmp_path / "gone" / INPUT, "0", b"1", 1)

    def test_one_worker_stops(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Another takes its place: what the others have is left; after the last one there is nothing."""

        async def do() -> None:
            one, other = Jobs(tmp_path / "jobs"), Jobs(tmp_path / "jobs")
            one.open()
            with monkeypatch.context() as patch:
                patch.setattr(os, "getpid", os.getppid)
                other.open()
            job = other.new("batch", "ann")
            one.close()
            assert job == other.find("batch", "ann", job.id)
            with monkeypatch.context() as patch:
                patch.setattr(os, "getpid", os.getppid)
                other.close()
            assert not (tmp_path / "jobs").exists()

        asyncio.run(do())

    def test_are_gone_after_their_time_whoever_comes(self, tmp_path: Path) -> None:
        """Nobody has to begin another one for that."""

        async def do() -> None:
            before, jobs = Jobs(tmp_path / "jobs"), Jobs(tmp_path / "jobs")
            job = before.new("batch", "ann")
            aged(before.folder(job) / "job.json", KEPT_SECONDS + 1)
            jobs.open()
            while jobs.folder(job).exists():  # noqa: ASYNC110  # in a file
                await asyncio.sleep(0.01)
            jobs.close()

        asyncio.run(asyncio.wait_for(do(), 60))

    def test_stop_with_their_worker(self, tmp_path: Path) -> None:
        """And with all their files."""

        async def forever(job: Job) -> Job:
            await asyncio.sleep(3600)
            return job

        async def do() -> None:
            jobs = Jobs(tmp_path / "jobs")
            job = replace(jobs.new("batch", "ann"), state=State.RUNNING)
            jobs.begin(job, forever, lambda _: None)
            await asyncio.sleep(0)
            jobs.close()
            assert not jobs.folder(job).exists()

        asyncio.run(do())


class TestResults:
    @pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1"])
    def test_no_cell_is_a_formula(self, tmp_path: Path, text: str) -> None:
        assert f"'{text}" == harmless(text)
        Results(tmp_path).add([(0, {"reference": text, "decision": "APPROVE"})], [Error(1, text, text)])
        for name, columns in (("results.csv", ["reference"]), ("errors.csv", ["field", "problem"])):
            with (tmp_path / name).open(encoding="utf-8-sig", newline="") as file:
                (row,) = csv.DictReader(file)
            assert {f"'{text}"} == {row[column] for column in columns}

    @pytest.mark.parametrize("text", ["", "A-1", "1=1", "a@b.example"])
    def test_others_are_as_they_were(self, text: str) -> None:
        assert text == harmless(text)


class TestPolicyInWords:
    def test_every_rule_of_every_book(self) -> None:
        """Each condition names its field as people do, and no operator or field's name is left."""
        policy = read_policy(POLICY, CONTRACT).policy
        for rule in policy.rules:
            said = worded(rule, CONTRACT)
            assert len(rule.conditions) == len(said.conditions)
            assert not re.search(r"[<>=_]", " ".join(said.conditions)), said
        assert "“Age in years” is below 18 years" == worded(policy.rules[0], CONTRACT).conditions[0]

    def test_differences(self) -> None:
        document = json.loads(POLICY.read_text(encoding="utf-8"))
        assert [] == self._differences(document)
        document["thresholds"]["approve_below"] = 0.08
        document["version"] = "1.2.0"
        gone = document["rules"].pop()
        document["examples"] = [
            example
            for example in document["examples"]
            if not 0.08 <= example["probability_of_default"] < 0.1 and gone["id"] not in example.get("rules", ())
        ]
        found = {each[0]: each[1:] for each in self._differences(document)}
        assert ("1.1.0", "1.2.0") == found["Version"]
        assert ("10.00%", "8.00%") == found["Approved below a probability of default of"]
        assert "" == found[f"Rule {gone['id']}"][1]
        assert ("expects conditional approval", "") == found["Example “an income beyond the training data”"]

    def _differences(self, draft: dict[str, object]) -> list[tuple[str, str, str]]:
        checked = check(json.dumps(draft), CONTRACT, CATALOGUE)
        assert checked.policy is not None, checked.problems
        found = differences(read_policy(POLICY, CONTRACT).policy, checked.policy, CONTRACT)
        return [(each.what, each.before, each.after) for each in found]

    @pytest.mark.parametrize("draft", ["", "{", "[]", "null", '{"format": 1}', "[" * 5000, '"\\ud800"', "\N{SNOWMAN}"])
    def test_no_draft(self, draft: str) -> None:
        """What is none is told with its place, and never raises."""
        checked = check(draft, CONTRACT, CATALOGUE)
        assert None is checked.policy
        assert checked.problems
        assert not [problem for problem in checked.problems if "/" in problem], "names a folder"

    def test_problems_are_the_loader_s(self, tmp_path: Path) -> None:
        document = json.loads(POLICY.read_text(encoding="utf-8"))
        document["rules"][0]["reason"] = "NOPE"
        document["thresholds"]["reject_from"] = 2
        (tmp_path / POLICY.name).write_text(json.dumps(document))
        (tmp_path / "reason_codes.json").write_bytes(CATALOGUE)
        with pytest.raises(InvalidPolicyError) as info:
            read_policy(tmp_path / POLICY.name, CONTRACT)
        told = [f"{POLICY.name}: {problem}" for problem in check(json.dumps(document), CONTRACT, CATALOGUE).problems]
        assert str(info.value).splitlines() == told


def counted(name: str, value: float, **labels: str) -> Sample:
    return Sample(name, labels, value)


def drifted(counts: tuple[int, int], missing: int = 0) -> Figures:
    """Values of one field, of which the training data has nine in ten in the first bin."""
    return Figures([
        *(counted("credit_risk_drift_values_total", n, field="f", bin=str(i)) for i, n in enumerate(counts)),
        *(counted("credit_risk_drift_expected_ratio", e, field="f", bin=str(i)) for i, e in enumerate((0.9, 0.1))),
        counted("credit_risk_drift_missing_total", missing, field="f"),
        counted("credit_risk_drift_expected_missing_ratio", 0.02, field="f"),
        counted("credit_risk_outside_training_range_total", 3, field="f"),
    ])  # fmt: skip


class TestHealth:
    def test_psi(self) -> None:
        """As the formula of Prometheus's rules has it, and none of few values."""
        (shift,) = shifts(drifted((600, 600)))
        assert 0.8788898309344878 == pytest.approx(shift.psi)  # .4 ln(.5/.9) of the one, .4 ln(.5/.1) of the other
        assert 3 == shift.outside
        (shift,) = shifts(drifted((900, 100), missing=1000))
        assert (0.0, 0.5, 0.48) == (shift.psi, shift.missing, pytest.approx(shift.difference))
        (shift,) = shifts(drifted((900, 99)))
        assert (None, None) == (shift.psi, shift.difference)

    def test_mix(self) -> None:
        assert [None] * 3 == [share for _, _, share in mix(Figures([]))]
        name = "credit_risk_decisions_total"
        counts = [counted(name, n, outcome=outcome) for outcome, n in (("REJECT", 1), ("APPROVE", 3))]
        assert [3, 0, 1] == [number for _, number, _ in mix(Figures(counts))]
        assert [0.75, 0, 0.25] == [share for _, _, share in mix(Figures(counts))]

    def test_challenger(self) -> None:
        assert None is challenged(Figures([]))
        name = "credit_risk_challenger_assessed_total"
        found = challenged(Figures([
            counted("credit_risk_challenger_running", 1, entries="x"),
            counted(name, 7, champion="APPROVE", challenger="APPROVE"),
            counted(name, 2, champion="APPROVE", challenger="REJECT"),
            counted("credit_risk_challenger_dropped_total", 4),
        ]))  # fmt: skip
        assert found is not None
        assert (True, 9, 7, 4) == (found.running, found.assessed, found.agreed, found.missed)

    def test_states(self) -> None:
        def state(figures: Figures, name: str) -> tuple[str, str]:
            (alert,) = [each for each in alerting.alerts(figures, {"f": "Field"}) if each.name == name]
            return alert.state, alert.figure

        assert ("beyond", "PSI 0.88 of “Field”; limit 0.25") == state(drifted((600, 600)), "CreditRiskDrift")
        assert "within" == state(drifted((900, 100)), "CreditRiskDrift")[0]
        assert "too few" == state(drifted((9, 1)), "CreditRiskDrift")[0]
        assert "beyond" == state(drifted((900, 100), 1000), "CreditRiskMissingValues")[0]
        requests = "credit_risk_http_request_duration_seconds_count"
        failing = Figures([
            counted(requests, 998, route="/predict", status="200"),
            counted(requests, 2, route="/predict", status="503"),
            counted(requests, 5000, route="/desk", status="500"),
        ])  # fmt: skip
        assert ("beyond", "0.2%; limit 0.1%") == state(failing, "CreditRiskErrorBudgetBurn")
        assert "within" == state(failing, "CreditRiskShedding")[0]

    def test_limits_are_those_of_the_rules(self) -> None:
        """And every alert has a runbook, at the place that it names."""
        rules = yaml.safe_load((ROOT / "deploy/prometheus/rules/alerts.yml").read_text(encoding="utf-8"))
        by_name: dict[str, str] = {}
        for group in rules["groups"]:
            for rule in group["rules"]:
                by_name[rule["alert"]] = by_name.get(rule["alert"], "") + rule["expr"]
        for name, limit in {
            "CreditRiskDrift": f"> {alerting.PSI:g}",
            "CreditRiskMissingValues": f"> {alerting.MISSING:g}",
            "CreditRiskErrorBudgetBurn": f"* {alerting.ERRORS:g}",
            "CreditRiskShedding": f"> {alerting.SHED:g}",
            "CreditRiskLatencyBudgetBurn": f"* {alerting.SLOW:g}",
            "CreditRiskMemoryNearLimit": f"> {alerting.MEMORY:g}",
            "CreditRiskRecordsSpoolFilling": f"> {alerting.SPOOL:g}",
            "CreditRiskChallengerBehind": f"> {alerting.BEHIND:g} *",
        }.items():
            assert limit in by_name[name]
        for alert in alerting.alerts(Figures([]), {}):
            assert alert.name in by_name
            assert (ROOT / alert.runbook).is_file()


class TestReading:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "contract.json").write_bytes((ROOT / "artifacts" / "model" / "contract.json").read_bytes())
        return tmp_path

    def _write(self, folder: Path, rows: int, **more: Any) -> None:
        table = {name: [value] * rows for name, value in CONTRACT.example.items()}
        pq.write_table(pa.table(table | more), folder / INPUT)

    def test_what_unfolds_without_end(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file of kilobytes that would fill the disk is stopped on the way."""
        monkeypatch.setattr(reading, "MOST_BYTES", 100_000)
        self._write(folder, 100, reference=["r" * 10_000] * 100)
        assert (folder / INPUT).stat().st_size < 10_000
        with pytest.raises(UnreadableInputError, match="leave out what is too long"):
            reading.main(folder, ["5", "1000000"])
        assert sum(part.stat().st_size for part in (folder / PARTS).iterdir()) < 100_000

    def test_long_names(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Of columns that are left alone: a line to the worker stays one that it reads."""
        self._write(folder, 1, **{"n" * 400_000 + str(i): [1] for i in range(5)})
        reading.main(folder, ["5", "1000000"])
        assert max(map(len, capsys.readouterr().out.splitlines())) < 10_000
