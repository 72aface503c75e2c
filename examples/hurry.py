"""The shipped Prometheus files with an hour in a minute: the same rules, for somebody who watches.

    python -m examples.hurry FOLDER        # writes a copy of deploy/prometheus there

Every duration is divided by 60: windows, offsets, `for`, intervals, and the seconds that a rate is multiplied by to get
its window's count again. Nothing else is changed: thresholds, names and labels are those that are shipped.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path

SHIPPED = Path(__file__).resolve().parent.parent / "deploy" / "prometheus"

TIMES = 60

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(
    r"(?P<before>\[|offset |^ *(?:for|interval|scrape_interval|scrape_timeout|evaluation_interval): )"
    r"(?P<number>\d+)(?P<unit>[smhdw])\b",
    re.MULTILINE,
)
_COUNT_OF_A_WINDOW = re.compile(r"(?<=\* )(3600|21600)\b")


def hurried(text: str) -> str:
    """A configuration or rule file's text, 60 times as fast; a second is the least."""

    def shorter(found: re.Match[str]) -> str:
        seconds = int(found["number"]) * _SECONDS[found["unit"]]
        return f"{found['before']}{max(1, round(seconds / TIMES))}s"

    return _COUNT_OF_A_WINDOW.sub(lambda found: str(int(found[0]) // TIMES), _DURATION.sub(shorter, text))


def copy(folder: Path) -> Path:
    """Write the hurried copy to a new folder; its prometheus.yml."""
    shutil.copytree(SHIPPED, folder)
    for file in (folder / "prometheus.yml", *(folder / "rules").glob("*.yml")):
        file.write_text(hurried(file.read_text(encoding="utf-8")), encoding="utf-8")
    return folder / "prometheus.yml"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.hurry",
        description="Copy deploy/prometheus with every duration divided by 60.",
        epilog="exit code: 0 copied, 1 the folder exists or can't be written, 2 wrong arguments",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a new one")
    folder = parser.parse_args().folder
    try:
        print(copy(folder))
    except OSError as exc:
        print(f"{folder}: can't be written ({exc.strerror}); name a new folder", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
