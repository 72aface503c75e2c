"""Decisions on record: find them, show them, and prove that they are what was written."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack

from records.commands import (
    challenge,
    checkpoint,
    erase,
    export,
    find,
    key,
    migrate,
    outcome,
    performance,
    purge,
    replay,
    reseal,
    show,
    telling,
    verify,
)
from records.commands.options import EXIT_CODES, Commands, Refusal, Run, enough

COMMANDS = (
    key,
    show,
    find,
    verify,
    checkpoint,
    replay,
    challenge,
    telling,
    outcome,
    performance,
    export,
    purge,
    erase,
    reseal,
    migrate,
)
"""In the order in which --help lists them."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command."""
    parser = argparse.ArgumentParser(prog="python -m records", description=__doc__, epilog=EXIT_CODES)
    commands = Commands(parser)
    for command in COMMANDS:
        command.add(commands)
    options = parser.parse_args(arguments)
    # Behind the parser: neither --help nor wrong arguments need what takes a while to import.
    from records.errors import RecordsError  # noqa: PLC0415

    try:
        with ExitStack() as options.opened:
            run: Run = options.run
            code = run(options)
            sys.stdout.flush()
            return code
    except BrokenPipeError:
        return enough()
    except (Refusal, RecordsError) as exc:
        print(exc, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
