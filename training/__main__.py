"""`python -m training`: the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from training.arguments import parse

COMMANDS = {
    "train": "training.command",
    "draft": "training.draft",
    "compare-policies": "training.portfolio",
    "rebuild-tables": "training.rebuild",
}
"""The module whose `run` does it. Imported when the arguments are right: it takes seconds."""


def main(argv: Sequence[str] | None = None) -> int:
    """Do as the arguments say; the exit code."""
    command, options = parse(sys.argv[1:] if argv is None else argv)
    code: int = import_module(COMMANDS[command]).run(options)
    return code


if __name__ == "__main__":
    sys.exit(main())
