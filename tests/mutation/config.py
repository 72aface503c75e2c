"""What is mutated, how, and which tests have to notice; and why some mutants survive."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CONFIG: dict[str, Any] = tomllib.loads((HERE / "config.toml").read_text(encoding="utf-8"))
SURVIVORS: list[dict[str, str]] = tomllib.loads((HERE / "survivors.toml").read_text(encoding="utf-8"))["survivor"]


@cache
def source(module: str) -> str:
    """A module as it was when it was first read: somebody may be working on it."""
    return (ROOT / module).read_text(encoding="utf-8")


def modules() -> list[str]:
    """The modules under mutation."""
    found = {path.relative_to(ROOT).as_posix() for glob in CONFIG["modules"] for path in ROOT.glob(glob)}
    return sorted(found)


def stages(module: str) -> list[list[str]]:
    """What pytest is given for a mutant of a module, one after the other until one fails; the module's own first."""
    further: list[list[str]] = next(entry["stages"] for entry in CONFIG["tests"] if fnmatch(module, entry["modules"]))
    own = Path("tests") / Path(module).parent / f"test_{Path(module).stem}.py"
    return [[own.as_posix()], *further] if len(own.parts) > 2 and (ROOT / own).is_file() else further
