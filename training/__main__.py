"""`python -m training`: the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from training.arguments import parse

COMMANDS = {
    "train": "training.command",
    "draft": "training.draft",
    "rebuild-tables": "training.rebuild",
    "sign": "training.signing",
}
"""The module whose `run` does it. Imported when the arguments are right: it takes seconds."""


def main(argv: Sequence[str] | None = None) -> int:
    """Do as the arguments say; 0 when done, 1 when refused, with one line on standard error."""
    command, options = parse(sys.argv[1:] if argv is None else argv)
    run = import_module(COMMANDS[command]).run
    refusals = import_module("training.errors").REFUSALS
    try:
        run(options)
    except refusals as exc:
        print(f"error: {'; '.join(str(exc).splitlines())}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
