"""Parts, receipts and the manifest: what is done stays done, and the end is the same however it is reached."""

from __future__ import annotations

import io
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from portfolio.assessor import Assessor
from portfolio.commands.score import closing_table
from portfolio.errors import BusyError, InputChangedError, OtherWorkError, TooManyBadError
from portfolio.running.plan import encoded
from portfolio.running.progress import Progress
from portfolio.running.run import run
from portfolio.running.scoring import score_part
from tests.portfolio.portfolios import (
    Here,
    answers,
    files_of,
    opened,
    quarantine,
    rows_of,
    scored,
    silent,
    write_parquet,
)


@pytest.fixture(scope="module")
def portfolio_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 rows, of which 27 are wrong."""
    return write_parquet(tmp_path_factory.mktemp("in") / "a.parquet", rows_of(1000, every=37))


@pytest.fixture(scope="module")
def undisturbed(assessor: Assessor, portfolio_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its answers."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    scored(assessor, portfolio_file, out, 130)
    return out


class TestResumed:
    def test_it_goes_on_where_it_was_ended(
        self, assessor: Assessor, portfolio_file: Path, undisturbed: Path, tmp_path: Path
    ) -> None:
        """Whatever was half written is gone, and every file is the same byte for byte."""
        job = opened(assessor, portfolio_file, tmp_path / "out", 130)
        with pytest.raises(KeyboardInterrupt):
            run(job, Here(only=3), silent)
        assert 3 == len(list((tmp_path / "out" / "receipts").iterdir()))
        assert not (tmp_path / "out" / "manifest.json").exists()
        (tmp_path / "out" / "answers" / f".part-000007.parquet.{'a' * 16}").touch()
        ran = run(opened(assessor, portfolio_file, tmp_path / "out", 130), Here(backwards=True), silent)
        assert 3 == ran.kept
        assert files_of(undisturbed) == files_of(tmp_path / "out")

    @pytest.mark.parametrize(
        "damage",
        [
            "torn answers",
            "other answers",
            "no answers",
            "torn quarantine",
            "no receipt",
            "torn receipt",
            "false receipt",
        ],
    )
    def test_a_part_that_is_not_whole_is_made_anew(
        self, assessor: Assessor, portfolio_file: Path, undisturbed: Path, tmp_path: Path, damage: str
    ) -> None:
        out = shutil.copytree(undisturbed, tmp_path / "out")
        what, name = damage.split()
        suffix = "json" if name == "receipt" else "parquet"
        path = out / {"receipt": "receipts"}.get(name, name) / f"part-000003.{suffix}"
        if what == "no":
            path.unlink()
        elif what == "torn":
            path.write_bytes(path.read_bytes()[:-10])
        elif what == "false":
            receipt = json.loads(path.read_bytes())
            path.write_text(json.dumps(receipt | {"answered": receipt["answered"] + 1}), encoding="utf-8")
        else:
            shutil.copy(out / "answers" / "part-000002.parquet", path)
        (out / "manifest.json").unlink()
        assert 7 == scored(assessor, portfolio_file, out, 130).kept
        assert files_of(undisturbed) == files_of(out)

    def test_what_is_done_is_not_done_again(self, assessor: Assessor, portfolio_file: Path, undisturbed: Path) -> None:
        before = {p: p.stat().st_ino for p in undisturbed.rglob("*.parquet")}
        assert 8 == scored(assessor, portfolio_file, undisturbed, 130).kept
        assert before == {p: p.stat().st_ino for p in undisturbed.rglob("*.parquet")}

    @pytest.mark.parametrize(
        ("other", "told"), [("input", "input"), ("options", "options"), ("part rows", "--part-rows"), ("code", "code")]
    )
    def test_other_work_is_refused(
        self, assessor: Assessor, portfolio_file: Path, undisturbed: Path, tmp_path: Path, other: str, told: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """And nothing of what is there is touched."""
        path, options, part_rows = portfolio_file, {}, 130
        if other == "input":
            path = write_parquet(tmp_path / "a.parquet", rows_of(1000, seed=2))
        elif other == "options":
            options = {"reasons": False}
        elif other == "part rows":
            part_rows = 131
        else:
            monkeypatch.setattr("portfolio.running.plan.code_digest", lambda: "another")
        before = files_of(undisturbed)
        with pytest.raises(OtherWorkError, match=f"holds the answers of another .*{told}.*; name another folder"):
            scored(assessor, path, undisturbed, part_rows, **options)
        assert before == files_of(undisturbed)

    def test_a_folder_of_other_files_is_refused(self, assessor: Assessor, portfolio_file: Path, tmp_path: Path) -> None:
        (tmp_path / "mine.txt").touch()
        with pytest.raises(OtherWorkError, match="holds other files; name a folder that is empty"):
            scored(assessor, portfolio_file, tmp_path)
        assert ["mine.txt"] == [path.name for path in tmp_path.iterdir()]

    def test_two_at_once(self, assessor: Assessor, portfolio_file: Path, tmp_path: Path) -> None:
        """The second is refused, while the first works."""
        job = opened(assessor, portfolio_file, tmp_path / "out")
        with job.work.output.held(job.plan), pytest.raises(BusyError, match="another process works in it; wait for it"):
            scored(assessor, portfolio_file, tmp_path / "out")
        assert 0 == scored(assessor, portfolio_file, tmp_path / "out").kept

    def test_a_part_that_is_done_many_times_at_once(
        self, assessor: Assessor, portfolio_file: Path, undisturbed: Path, tmp_path: Path
    ) -> None:
        """As where a cluster believes a worker lost that isn't."""
        job = opened(assessor, portfolio_file, tmp_path / "out", 130)
        with job.work.output.held(job.plan), ThreadPoolExecutor(4) as threads:
            receipts = list(threads.map(lambda _: score_part(job.work, job.opened.parts[2]), range(12)))
        assert [receipts[0]] * 12 == receipts
        scored(assessor, portfolio_file, tmp_path / "out", 130)
        assert files_of(undisturbed) == files_of(tmp_path / "out")

    def test_an_input_that_changes_before_the_end_has_no_manifest(self, assessor: Assessor, tmp_path: Path) -> None:
        class Meanwhile(Here):
            def run(self, *arguments: Any) -> Any:
                yield from super().run(*arguments)
                write_parquet(path, rows_of(300, seed=2))

        path = write_parquet(tmp_path / "a.parquet", rows_of(300))
        with pytest.raises(InputChangedError, match="has changed since the work on it began"):
            run(opened(assessor, path, tmp_path / "out"), Meanwhile(), silent)
        assert not (tmp_path / "out" / "manifest.json").exists()
        with pytest.raises(OtherWorkError, match="another input"):
            scored(assessor, path, tmp_path / "out")


class TestBad:
    def test_more_than_allowed_ends_it_early(self, assessor: Assessor, portfolio_file: Path, tmp_path: Path) -> None:
        """27 of 1,000 are; when more are bad than may be at all, no further part is begun."""
        out = tmp_path / "out"
        with pytest.raises(TooManyBadError, match=r"11 rows have no answer so far, more than 0\.01 of all 1000"):
            run(opened(assessor, portfolio_file, out, 130), Here(), silent, 0.01)
        assert 3 == len(list((out / "receipts").iterdir()))
        assert 3 == run(opened(assessor, portfolio_file, out, 130), Here(), silent, 0.027).kept

    def test_only_bad_rows(self, assessor: Assessor, tmp_path: Path) -> None:
        path = write_parquet(tmp_path / "a.parquet", rows_of(250, every=1))
        manifest = scored(assessor, path, tmp_path / "out").manifest
        assert (250, 0, 250) == (manifest["rows"], manifest["answered"], manifest["quarantined"])
        assert 0 == answers(tmp_path / "out").num_rows
        assert list(range(250)) == sorted({row for row, _, _ in quarantine(tmp_path / "out")})

    def test_values_are_told_only_where_they_are_asked_for(
        self, assessor: Assessor, portfolio_file: Path, tmp_path: Path
    ) -> None:
        scored(assessor, portfolio_file, tmp_path / "out", values=True)
        told = [
            row for p in sorted((tmp_path / "out" / "quarantine").iterdir()) for row in pq.read_table(p).to_pylist()
        ]
        assert "CASTLE" in {row["value"] for row in told}

    def test_no_value_is_in_any_other_file(self, undisturbed: Path) -> None:
        for path in undisturbed.rglob("*.parquet"):
            assert "CASTLE" not in str(pq.read_table(path).to_pylist())
        for path in undisturbed.rglob("*.json"):
            assert "CASTLE" not in path.read_text()


class TestManifest:
    def test_it_says_what_each_part_has_come_to(self, undisturbed: Path) -> None:
        manifest = json.loads((undisturbed / "manifest.json").read_bytes())
        assert 1000 == sum(part["rows"] for part in manifest["parts"]) == manifest["rows"]
        assert 1000 == manifest["answered"] + manifest["quarantined"]
        assert manifest["answered"] == answers(undisturbed).num_rows == sum(manifest["decisions"].values())
        found: dict[tuple[str | None, str], int] = {}
        for _, field, kind in quarantine(undisturbed):
            found[field, kind] = found.get((field, kind), 0) + 1
        assert found == {(wrong["field"], wrong["kind"]): wrong["count"] for wrong in manifest["wrong"]}
        assert encoded(manifest) == (undisturbed / "manifest.json").read_bytes()

    def test_the_closing_table(self, undisturbed: Path) -> None:
        lines = closing_table(json.loads((undisturbed / "manifest.json").read_bytes()), 2)
        assert "1,000 rows in 8 parts, 2 of them before" == lines[0]
        assert any(line.split() == ["quarantined", "27", "2.70%"] for line in lines)
        assert lines[-1].endswith("credit_risk_gradient_boosting 2.0.0, policy 1.1.0")


class TestProgress:
    def test_a_line_now_and_then_where_there_is_no_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Rows, rows a second, time left and bad rows; a part that is begun anew counts once."""
        now = 0.0
        monkeypatch.setattr("portfolio.running.progress.time.monotonic", lambda: now)
        stream = io.StringIO()
        with Progress(10_000, done=1000, bad=5, stream=stream) as progress:
            progress.at(1, 500, 2)
            now = 30.0
            progress.at(2, 500, 0)
            now = 60.0
            progress.lost(1)
            progress.finished(2, 1000, 1)
            now = 119.0
            progress.tick()
            now = 120.0
            progress.finished(1, 2000, 3)
        first, second = stream.getvalue().splitlines()
        assert first == " 15% of 10,000 rows, 8 a second, 17:00 left, 5 bad"
        assert second == " 40% of 10,000 rows, 25 a second, 4:00 left, 9 bad"

    def test_a_bar_on_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = 0.0
        monkeypatch.setattr("portfolio.running.progress.time.monotonic", lambda: now)

        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        stream = Terminal()
        with Progress(200, stream=stream) as progress:
            now = 1.0
            progress.at(0, 100, 1)
        assert (
            stream.getvalue()
            == "\r\x1b[K[###############               ]  50% of 200 rows, 100 a second, 0:01 left, 1 bad\r\x1b[K"
        )
