from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from training.errors import OutputError
from training.staging import writing

OWNED = {"model", "card"}


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


class TestWriting:
    def test_new(self, tmp_path: Path) -> None:
        """A folder that was not there is made, with its parents, and nothing else is left beside it."""
        target = tmp_path / "deep" / "artifact"

        with writing(target, OWNED, replace=True) as folder:
            (folder / "model").write_text("new")
            assert not target.exists()

        assert contents(tmp_path) == {"deep/artifact/model": "new"}
        assert [target] == list(target.parent.iterdir())

    def test_old_one_goes_as_a_whole(self, tmp_path: Path) -> None:
        """Files of the old folder that the new one lacks are gone."""
        target = tmp_path / "artifact"
        target.mkdir()
        (target / "model").write_text("old")
        (target / "card").write_text("old")

        with writing(target, OWNED, replace=True) as folder:
            (folder / "model").write_text("new")
            assert contents(target) == {"model": "old", "card": "old"}

        assert contents(tmp_path) == {"artifact/model": "new"}

    def test_failure_changes_nothing(self, tmp_path: Path) -> None:
        """After an exception the old folder is as it was, and nothing is left beside it."""
        target = tmp_path / "artifact"
        target.mkdir()
        (target / "model").write_text("old")

        def fail() -> None:
            with writing(target, OWNED, replace=True) as folder:
                (folder / "model").write_text("half")
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail()

        assert contents(tmp_path) == {"artifact/model": "old"}
        assert [target] == list(tmp_path.iterdir())

    def test_failed_swap(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """When the new folder can't be moved in, the old one is moved back."""
        target = tmp_path / "artifact"
        target.mkdir()
        (target / "model").write_text("old")
        rename = Path.rename

        def fail_for_the_new(self: Path, to: Path) -> Path:
            if self.name == "new":
                raise OSError(28, "No space left on device")
            return rename(self, to)

        monkeypatch.setattr(Path, "rename", fail_for_the_new)
        refused = pytest.raises(OutputError, match=r"can't be written \(No space left")
        with refused, writing(target, OWNED, replace=True) as folder:
            (folder / "model").write_text("new")

        assert contents(tmp_path) == {"artifact/model": "old"}

    def test_somebody_elses_files(self, tmp_path: Path) -> None:
        """A folder with other files in it is refused: they would be lost."""
        (tmp_path / "thesis.tex").write_text("years of work")

        refused = pytest.raises(OutputError, match=r"holds thesis\.tex, which training did not write")
        with refused, writing(tmp_path, OWNED, replace=True):
            pytest.fail("must not be entered")

        assert contents(tmp_path) == {"thesis.tex": "years of work"}

    def test_a_file(self, tmp_path: Path) -> None:
        """A file is no folder."""
        target = tmp_path / "artifact"
        target.write_text("a file")

        refused = pytest.raises(OutputError, match=r"can't be written \(Not a directory\); give --out another folder")
        with refused, writing(target, OWNED, replace=True):
            pytest.fail("must not be entered")

    def test_an_old_one_is_kept(self, tmp_path: Path) -> None:
        """Unless it may go, it stays as it is, and that is said before any work is done."""
        target = tmp_path / "artifact"
        target.mkdir()
        (target / "model").write_text("old")

        refused = pytest.raises(OutputError, match=r"exists, and is kept; give --out a new folder, or --replace")
        with refused, writing(target, OWNED):
            pytest.fail("must not be entered")

        assert contents(tmp_path) == {"artifact/model": "old"}

    def test_one_that_came_meanwhile_is_kept(self, tmp_path: Path) -> None:
        """Training takes minutes, in which somebody else may have written the same folder."""
        target = tmp_path / "artifact"

        refused = pytest.raises(OutputError, match=r"can't be written \(Directory not empty\); give --out another")
        with refused, writing(target, OWNED) as folder:
            (folder / "model").write_text("mine")
            target.mkdir()
            (target / "model").write_text("theirs")

        assert contents(tmp_path) == {"artifact/model": "theirs"}

    def test_an_empty_one_is_new(self, tmp_path: Path) -> None:
        """There is nothing in it to keep."""
        with writing(tmp_path, OWNED) as folder:
            (folder / "model").write_text("new")

        assert contents(tmp_path) == {"model": "new"}


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """Not as a traceback; what was begun is gone."""

    def fill() -> None:
        with writing(tmp_path / "artifact", OWNED):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OutputError, match=r"No space left on device\); make room"):
        fill()
    assert [] == list(tmp_path.iterdir())


def test_a_mount_point_is_refused_before_anything_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda path: path == tmp_path)
    with pytest.raises(OutputError, match="is a mount point"), writing(tmp_path, OWNED):
        pytest.fail("it was begun")


def test_ctrl_c_between_the_two_moves_keeps_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "artifact"
    target.mkdir()
    (target / "model").write_text("old")
    rename = Path.rename

    def interrupted(path: Path, to: Path) -> Path:
        if path.name == "new":
            raise KeyboardInterrupt
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), writing(target, OWNED, replace=True) as folder:
        (folder / "model").write_text("new")
    assert contents(tmp_path) == {"artifact/model": "old"}
