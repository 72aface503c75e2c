"""A comparison as one HTML file."""

from __future__ import annotations

from collections.abc import Iterator

from portfolio.comparing import plots, report
from portfolio.comparing.borrowing import Assumptions
from portfolio.comparing.comparison import Comparison
from portfolio.comparing.report import Table
from portfolio.comparing.sides import Side
from reporting.elements import figure, paragraph, table
from reporting.page import html_file

HOW = (
    ("expected bad", "mean probability of default"),
    ("observed bad", "share that defaulted among those with an outcome, with its interval at 95% (Wilson, 1927)"),
    ("difference", "of shares of the same applications, with its interval at 95% (Agresti and Min, 2005)"),
    ("approved", "APPROVE: without conditions"),
    ("holds", "applications that a rule holds for, whatever else does"),
    ("decides alone", "of them, those that the PD's band and all other rules would have treated better"),
    ("expected profit", "by the PD, of applications whose amount and terms are known, under the assumptions above"),
    ("observed profit", "by the outcome, of those of them that have one"),
    ("AUC", "over narrow bins of the PD, within which PDs count as equal"),
)

LIMITS = (
    (
        "Whom nobody lent to has no outcome. Where the file holds only loans that were granted, observed rates say "
        "nothing of those whom the other policy would add from among the refused."
    ),
    "Intervals take applications for independent, which those of one month or one region are not.",
    "Profit is a reckoning of one step: no time, prepayment, cost of capital or recovery by degrees.",
)


def page(comparison: Comparison, sides: tuple[Side, Side], by: Assumptions | None) -> str:
    """The file."""
    return html_file("\n".join(_body(comparison, sides, by)))


def _body(comparison: Comparison, sides: tuple[Side, Side], by: Assumptions | None) -> Iterator[str]:
    yield f"<h1>{'Two policies' if comparison.same_model else 'Two models'} over one portfolio</h1>"
    yield from map(paragraph, report.heading(comparison))
    yield from map(paragraph, report.notes(comparison, sides, by))
    yield "<h2>Decisions</h2>"
    yield from figure(plots.decisions_plot(comparison))
    yield from _table(report.shares(comparison))
    yield paragraph(f"Applications, {report.DOWN_ACROSS}:")
    yield from _table(report.swap_matrix(comparison))
    yield "<h2>What becomes of them</h2>"
    yield from figure(plots.tradeoff_plot(comparison))
    yield paragraph("The line is what the PD alone would bring; the marks are A and B with their rules.")
    yield from _table(report.lending(comparison))
    if comparison.changed:
        yield "<h2>Decided otherwise</h2>"
        yield from _table(report.swaps(comparison))
    yield "<h2>By group</h2>"
    yield from figure(plots.approved_plot(comparison))
    yield from figure(plots.bad_plot(comparison))
    yield from _table(report.groups(comparison))
    if comparison.valued is not None:
        yield "<h2>Profit</h2>"
        yield paragraph("What those would bring who get each decision, if they were lent to.")
        yield from _table(report.profit(comparison))
        yield paragraph("Of those approved without conditions:")
        yield from _table(report.group_profit(comparison))
    if any(comparison.rules):
        yield "<h2>Rules</h2>"
        yield from figure(plots.rules_plot(comparison))
        yield from _table(report.rules(comparison))
    if not comparison.same_model:
        yield "<h2>Models</h2>"
        yield from _table(report.models(comparison))
    yield "<h2>How to read it</h2>"
    yield table(("figure", "is"), [list(row) for row in HOW], texts=2)
    yield from map(paragraph, LIMITS)


def _table(found: Table) -> Iterator[str]:
    yield table(found.head, found.rows, texts=found.texts)
