"""How models fared, as one HTML file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from records.performance import plots, report
from records.performance.measuring import Performance
from reporting.elements import figure, paragraph, table
from reporting.page import html_file

HOW = (
    ("decisions", "those made in the month (UTC): refused, erased, untold, unmatured and outcomes add up to them"),
    ("refused", "whom the decision refused, whatever was told of them later"),
    ("erased", "approved, and erased or purged since: their PD can't be read"),
    ("untold", "approved, and nothing was told of the loan; a client that asked again has two decisions for one loan"),
    ("unmatured", "approved, and what was told is not final; early defaults among them are not counted either"),
    ("outcomes", "approved, and what became of the loan is final: all other figures are of these"),
    ("expected", "mean probability of default"),
    ("observed", "share that defaulted, with its interval at 95% (Wilson, 1927)"),
    ("than expected", "more or fewer defaults, where the expected rate lies outside of the interval"),
    ("AUC, Gini", "with DeLong's interval (1988) at 95%; Gini is 2 AUC - 1"),
    ("KS", "the largest gap between the cumulative distributions of defaults and others"),
    ("Brier", "mean squared error of the PD, with its interval at 95%"),
    (
        "PSI",
        "of the PDs of all decisions that can be read, against the training data's tenths; none of fewer than 1,000",
    ),
)

LIMITS = (
    report.SELECTED,
    (
        "Intervals take loans for independent. Loans of one month share what the economy does, so that intervals are "
        "too narrow: a month outside of its interval is a reason to look, and no verdict."
    ),
    "Of twenty months of a model that is right, one lies outside of an interval at 95%.",
    "Figures of fewer than 100 outcomes are drawn hollow.",
)


def page(performances: Sequence[Performance]) -> str:
    """The file.

    Args:
        performances: of each model; at least one.
    """
    months = sorted({month for each in performances for month in each.months})
    made = sum(each.total.decisions for each in performances)
    known = sum(each.total.outcomes for each in performances)
    body = [
        "<h1>How the model fares</h1>",
        paragraph(f"{made:,} decisions of {months[0]} to {months[-1]}, of which {known:,} have a final outcome."),
        paragraph(report.SELECTED),
    ]
    for each in performances:
        body += _of_model(each)
    body.append("<h2>How to read it</h2>")
    body.append(table(("figure", "is"), HOW, texts=2))
    body += [paragraph(limit) for limit in LIMITS[1:]]
    return html_file("\n".join(body))


def _of_model(performance: Performance) -> Iterator[str]:
    yield f"<h2>{escape(report.title(performance))}</h2>"
    yield from map(paragraph, report.notes(performance))
    yield "<h3>Expected and observed</h3>"
    yield from figure(plots.rates_plot(performance.months))
    yield table(report.RATES, report.rates(performance))
    yield "<h3>Calibration by band</h3>"
    yield from figure(plots.calibration_plot(performance.total.bands))
    yield table(report.BANDS, report.bands(performance))
    yield "<h3>Ranking</h3>"
    yield from figure(plots.ranking_plot(performance.months))
    yield from figure(plots.shift_plot(performance.months))
    yield table(report.QUALITY, report.quality(performance))
    yield "<h3>What is counted</h3>"
    yield table(report.COUNTS, report.counts(performance))
