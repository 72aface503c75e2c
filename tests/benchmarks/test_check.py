"""Ratios against those of an earlier run."""

import math
from pathlib import Path

import pytest

from benchmarks.arguments import PARTS, parse
from benchmarks.check import LOSS_OF_A_TRIAL, loss, losses
from benchmarks.command import SECTIONS
from benchmarks.command import run as run_command
from benchmarks.report import FOLDER
from benchmarks.section import Ratio, Section
from benchmarks.spread import Spread, spread


def run(value: float, *, higher_is_better: bool = True, name: str = "a ÷ b") -> dict[str, Section]:
    return {
        "part": Section("Part", (), {name: Ratio(spread([value]), higher_is_better)}, {"absolute": spread([value])})
    }


@pytest.mark.parametrize(
    ("higher_is_better", "now", "expected"),
    [(True, 1.6, 0.2), (True, 2.4, -0.2), (False, 2.4, 0.2), (False, 1.6, -0.2)],
)
def test_a_loss_lies_in_the_bad_direction(higher_is_better: bool, now: float, expected: float) -> None:
    before = Ratio(spread([2.0]), higher_is_better)
    assert loss(before, Ratio(spread([now]), higher_is_better)) == pytest.approx(expected)


def test_a_loss_of_over_15_percent_is_named() -> None:
    assert losses(run(2.0), run(1.69)) == ["a ÷ b: 1.69, was 2, worse by 16%"]


def test_one_round_as_good_as_before_is_no_loss() -> None:
    """A neighbour on the machine spoils rounds, and speeds none up."""
    now = {"part": Section("Part", (), {"a ÷ b": Ratio(spread([1.1, 1.2, 1.75]), higher_is_better=True)})}
    assert losses(run(2.0), now) == []
    worse = {"part": Section("Part", (), {"a ÷ b": Ratio(spread([1.1, 1.2, 1.65]), higher_is_better=True)})}
    assert losses(run(2.0), worse) == ["a ÷ b: 1.2, was 2, worse by 40%"]


def test_a_trial_may_lose_more() -> None:
    assert losses(run(2.0), run(1.1), LOSS_OF_A_TRIAL) == []
    assert losses(run(2.0), run(0.9), LOSS_OF_A_TRIAL) == ["a ÷ b: 0.9, was 2, worse by 55%"]


@pytest.mark.parametrize("now", [1.71, 2.0, 9.0])
def test_a_smaller_loss_and_any_gain_pass(now: float) -> None:
    assert losses(run(2.0), run(now)) == []


def test_where_less_is_better_more_is_a_loss() -> None:
    assert losses(run(2.0, higher_is_better=False), run(1.0, higher_is_better=False)) == []
    assert len(losses(run(2.0, higher_is_better=False), run(2.4, higher_is_better=False))) == 1


def test_what_only_one_run_has_is_left_alone() -> None:
    assert losses({}, run(1.0)) == []
    assert losses(run(1.0), {}) == []
    assert losses(run(2.0, name="another"), run(1.0)) == []


def test_a_ratio_without_a_valid_round_is_no_loss() -> None:
    now = {"part": Section("Part", (), {"a ÷ b": Ratio(Spread(()), higher_is_better=True)})}
    assert math.isnan(loss(run(2.0)["part"].ratios["a ÷ b"], now["part"].ratios["a ÷ b"]))
    assert losses(run(2.0), now) == []


def test_results_are_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run takes minutes, and may be the only one of its kind; nothing is measured either."""
    file = tmp_path / "run1.json"
    file.write_text("measured")
    assert run_command(parse(["--json", str(file)])) == 2
    assert "run1.json exists, and is kept; give --json a new file, or --replace" in capsys.readouterr().err
    assert file.read_text() == "measured"


def test_every_part_is_a_module() -> None:
    """The command line names them without importing them."""
    assert set(PARTS) == {path.stem for path in FOLDER.glob("sections/*.py")} - {"__init__"}
    assert list(SECTIONS) == list(PARTS)
