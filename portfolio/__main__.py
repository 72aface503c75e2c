"""A whole portfolio: the answers of the service for millions of rows."""

from __future__ import annotations

import argparse
import signal
import sys
from types import FrameType

from portfolio.commands import compare, monitor, score
from portfolio.commands.options import EXIT_CODES
from records.commands.options import Commands, Refusal, Run, enough

COMMANDS = (score, compare, monitor)
"""In the order in which --help lists them."""


class _Ended(BaseException):
    """By SIGTERM."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command."""
    parser = argparse.ArgumentParser(prog="python -m portfolio", description=__doc__, epilog=EXIT_CODES)
    commands = Commands(parser)
    for command in COMMANDS:
        command.add(commands)
    options = parser.parse_args(arguments)
    # Behind the parser: neither --help nor wrong arguments need what takes a while to import.
    from portfolio.errors import PortfolioError  # noqa: PLC0415

    # A container's first process gets no signal that it doesn't ask for.
    signal.signal(signal.SIGTERM, _end)
    run: Run = options.run
    try:
        code = run(options)
        sys.stdout.flush()
        return code  # noqa: TRY300  # what is flushed may be what fails
    except BrokenPipeError:
        return enough()
    except Refusal as exc:
        print(exc, file=sys.stderr)
        return 1
    except PortfolioError as exc:
        print(exc, file=sys.stderr)
        return exc.exit_code
    except (KeyboardInterrupt, _Ended) as exc:
        print(
            "ended; nothing is half written; run the same command again, and `score` goes on from here", file=sys.stderr
        )
        return 128 + (signal.SIGINT if isinstance(exc, KeyboardInterrupt) else signal.SIGTERM)


def _end(_: int, __: FrameType | None) -> None:
    raise _Ended


if __name__ == "__main__":
    sys.exit(main())
