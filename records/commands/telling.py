"""What is told of decisions one by one: that the applicant was notified, and that a decision must be kept."""

from __future__ import annotations

import argparse
import getpass

from records.commands.options import Commands, Refusal, add_naming, as_date, show_told, the_ledger, the_named, the_ring


def add(commands: Commands) -> None:
    """Declare the commands."""
    notified = commands.add(
        "notified", _notified, "tell on which day the applicant was notified; from then on time runs"
    )
    add_naming(notified)
    notified.add_argument("--on", required=True, metavar="DATE", help="such as 2026-11-30")
    notified.add_argument("--correct", action="store_true", help="a correction: in place of what was told before")
    hold = commands.add("hold", _hold, "keep decisions from being purged, for a reason")
    release = commands.add("release", _release, "end a hold")
    for command, reason in ((hold, "why, such as a case's number"), (release, "why it has ended")):
        add_naming(command)
        command.add_argument("--reason", required=True, help=reason)
        command.add_argument("--by", help="who says so (default: this account)")
    release.add_argument("--hold", metavar="REASON", help="for which it was held; needed where there are several")


def _notified(options: argparse.Namespace) -> int:
    from records.events.telling import Teller

    day, ledger, ring = as_date(options.on), the_ledger(options), the_ring(options)
    entries = the_named(options, ledger, ring)
    return show_told(Teller(ledger, ring).notified(entries, day, correct=options.correct), options)


def _hold(options: argparse.Namespace) -> int:
    from records.events.telling import Teller

    reason, by = _said(options)
    ledger, ring = the_ledger(options), the_ring(options)
    return show_told(Teller(ledger, ring).hold(the_named(options, ledger, ring), reason, by), options)


def _release(options: argparse.Namespace) -> int:
    from records.events.telling import Teller

    reason, by = _said(options)
    ledger, ring = the_ledger(options), the_ring(options)
    entries = the_named(options, ledger, ring)
    return show_told(Teller(ledger, ring).release(entries, reason, by, options.hold), options)


def _said(options: argparse.Namespace) -> tuple[str, str]:
    if not options.reason.strip():
        raise Refusal("--reason: say why; whoever reads it later has nothing else")
    try:
        return options.reason, options.by or getpass.getuser()
    except (KeyError, OSError):
        raise Refusal("this account has no name; say by --by who says so") from None
