"""The demo's rules are the shipped ones, with an hour in a minute."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from examples.hurry import SHIPPED, TIMES, copy, hurried
from tests.servers import HANG_SECONDS, ROOT

DURATION = re.compile(r"(?<![\w:])\d+(?:s|m|h|d|w)\b")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
RULES = sorted((SHIPPED / "rules").glob("*.yml"))


def durations(document: object) -> list[int]:
    """Every duration in a file's values, in seconds; an alert's label names its window, and stays."""
    text = re.sub(r"'window': '\w+'", "", str(document))
    return [int(found[:-1]) * SECONDS[found[-1]] for found in DURATION.findall(text)]


@pytest.mark.parametrize("file", [SHIPPED / "prometheus.yml", *RULES], ids=lambda file: file.stem)
def test_every_duration_is_shorter_and_nothing_else_differs(file: Path) -> None:
    """But for the durations, and the seconds of a window that a rate is multiplied by, it is the same document."""
    shipped = yaml.safe_load(file.read_text(encoding="utf-8"))
    fast = yaml.safe_load(hurried(file.read_text(encoding="utf-8")))
    assert [max(1, round(seconds / TIMES)) for seconds in durations(shipped)] == durations(fast)

    def but_for_time(document: object) -> str:
        return re.sub(r"\* (?:3600|21600|60|360) ", "* window ", DURATION.sub("duration", str(document)))

    assert but_for_time(shipped) == but_for_time(fast)


def test_a_rate_is_still_multiplied_by_its_window() -> None:
    assert "rate(x[60s]) * 60 >= 10" == hurried("rate(x[1h]) * 3600 >= 10")
    assert "rate(x[360s]) * 360 >= 10" == hurried("rate(x[6h]) * 21600 >= 10")


def test_the_command_keeps_what_is_there(tmp_path: Path) -> None:
    """It writes a new folder, and never into one that somebody has."""
    assert copy(tmp_path / "new").read_text(encoding="utf-8").count("scrape_interval: 1s") == 1
    again = subprocess.run(
        [sys.executable, "-m", "examples.hurry", tmp_path / "new"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    assert 1 == again.returncode
    assert "File exists" in again.stderr
