from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scoring.artifact import read_artifact
from tests.training.loans import Row, WriteCsv
from training.__main__ import main
from training.arguments import BOOK
from training.recipe import Recipe

ROOT = Path(__file__).parents[2]


@pytest.fixture
def quick(small: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.book._recipe", lambda _: small)


@pytest.mark.usefixtures("quick")
class TestSuccess:
    def test_writes_and_tells(
        self, rows: list[Row], write_csv: WriteCsv, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The artifact is written; what was dropped, the metrics and the digests are printed, the warning on stderr."""
        rows[0]["person_age"] = 144
        path, out = write_csv([*rows, rows[5]]), tmp_path / "model"

        code = main(["--data", str(path), "--out", str(out), "--date", "2026-02-03", "--version", "2.0.0", "--quick"])

        printed = capsys.readouterr()
        artifact = read_artifact(out)
        assert code == 0
        assert "read 401 rows; dropped 1 outside the contract and 1 duplicates; 399 left" in printed.out
        assert "1: person_age: Input should be less than or equal to 120" in printed.out
        assert all(f"{digest}  {name}" in printed.out for name, digest in artifact.digests.items())
        assert "warning:" in printed.err
        assert artifact.manifest.training_data["sha256"] in printed.err
        assert (artifact.manifest.version, artifact.manifest.created.isoformat()) == ("2.0.0", "2026-02-03")

    @pytest.mark.slow
    def test_nothing_is_replaced_unasked(
        self,
        rows: list[Row],
        write_csv: WriteCsv,
        trained: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Without --out it is a new folder, named after the version; what is there stays until --replace says so."""
        data = ["--data", str(write_csv(rows)), "--book", str(BOOK.resolve())]
        monkeypatch.chdir(tmp_path)
        out = shutil.copytree(trained, tmp_path / "trained" / "1.0.0")
        first = read_artifact(out)

        assert main([*data, "--date", "2020-01-01"]) == 1
        assert "trained/1.0.0: exists, and is kept; give --out a new folder, or --replace" in capsys.readouterr().err
        assert read_artifact(out).digests == first.digests
        assert main([*data, "--date", "2020-01-01", "--replace"]) == 0
        assert read_artifact(out).manifest.created.isoformat() == "2020-01-01"

    def test_ignored_columns_are_named(
        self, rows: list[Row], write_csv: WriteCsv, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A column that the model does not know is left out aloud."""
        path = write_csv(({**row, "branch": 1} for row in rows), (*rows[0], "branch"))

        assert main(["--data", str(path), "--out", str(tmp_path / "model"), "--quick"]) == 0

        assert "ignored column branch" in capsys.readouterr().err


class TestErrors:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (None, "can't be read (No such file or directory); give --data the path of the file"),
            (b"person_age,person_income\n30,1000\n", "has no column person_home_ownership"),
            (b"\x1f\x8b\x08\xff\xfe", "is not CSV text in utf-8; give --data the CSV file itself, unpacked"),
        ],
    )
    def test_one_line(
        self, tmp_path: Path, content: bytes | None, message: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Bad data is one line on stderr with the remedy, exit code 1 and no output folder."""
        path = tmp_path / "loans.csv"
        if content is not None:
            path.write_bytes(content)

        code = main(["--data", str(path), "--out", str(tmp_path / "model")])

        (line,) = capsys.readouterr().err.splitlines()
        assert code == 1
        assert line.startswith("error: ")
        assert message in line
        assert not (tmp_path / "model").exists()

    def test_process(self, tmp_path: Path) -> None:
        """As a process it exits with 1, without a traceback."""
        done = subprocess.run(
            [sys.executable, "-m", "training", "--data", tmp_path / "nowhere.csv", "--out", tmp_path / "model"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert len(done.stderr.splitlines()) == 1
        assert done.stdout == ""

    def test_folder_of_somebody_else(
        self, rows: list[Row], write_csv: WriteCsv, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """--out is checked before anything is fitted."""
        code = main(["--data", str(write_csv(rows)), "--out", str(tmp_path)])

        assert code == 1
        assert "holds loans.csv, which training did not write" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("option", "message"),
        [(["--date", "yesterday"], "write it as YYYY-MM-DD"), (["--version", "v2"], "write it as X.Y.Z")],
    )
    def test_usage(self, option: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
        """A malformed date or version is a usage error."""
        with pytest.raises(SystemExit) as stopped:
            main(["--data", "loans.csv", *option])

        assert stopped.value.code == 2
        assert message in capsys.readouterr().err
