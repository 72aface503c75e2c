"""Results as JSON, as Markdown between two marks of RESULTS.md, and as a plot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.section import Section, Table, read_section
from benchmarks.targets import table

FOLDER = Path(__file__).resolve().parent
RESULTS = FOLDER / "results.json"
PAGE = FOLDER / "RESULTS.md"
PLOT = FOLDER / "results.svg"

BEGIN = "<!-- python -m benchmarks: begin -->"
END = "<!-- python -m benchmarks: end -->"


@dataclass(frozen=True, slots=True)
class Results:
    """One run's outcome.

    Attributes:
        machine: what it ran on, and when.
        options: rounds and seconds.
        sections: by name.
    """

    machine: dict[str, str]
    options: dict[str, float]
    sections: dict[str, Section]


def write(results: Results, file: Path) -> None:
    """Write as JSON."""
    document: dict[str, Any] = {
        "machine": results.machine,
        "options": results.options,
        "sections": {name: section.document() for name, section in results.sections.items()},
    }
    file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read(file: Path) -> Results:
    """What `write` wrote."""
    document = json.loads(file.read_text(encoding="utf-8"))
    sections = {name: read_section(section) for name, section in document["sections"].items()}
    return Results(document["machine"], document["options"], sections)


def markdown(runs: Sequence[Results]) -> str:
    """The targets with a column for each run, then every part of the last run."""
    last = runs[-1]
    machine = Table(("machine", ""), tuple(last.machine.items()))
    options = (
        f"{last.options['rounds']:g} rounds of {last.options['seconds']:g} s, the servers taking turns. A value is the "
        "median, with the least and the most in brackets."
    )
    parts = [machine.markdown(), options, "### Targets", table(*(run.sections for run in runs)).markdown()]
    for section in last.sections.values():
        parts += [f"### {section.title}", section.markdown()]
    return "\n\n".join(parts)


def render(runs: Sequence[Results], page: Path = PAGE) -> None:
    """Put the tables into the page, between its marks, and draw the plot."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page.name} lacks the lines {BEGIN} and {END}; put them where the tables belong")
    page.write_text(f"{before}{begin}\n\n{markdown(runs)}\n\n{end}{after}", encoding="utf-8")


def draw(sections: Mapping[str, Section], file: Path = PLOT) -> None:
    """Throughput by server, and latency by load, as one SVG; nothing where a part was not run."""
    if not {"throughput", "latency"} <= sections.keys():
        return
    import matplotlib as mpl  # noqa: PLC0415  # slow to import, and only drawn at the end

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "benchmarks"  # the same figures give the same file
    mpl.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
    rates = {
        name.removesuffix("/32"): value
        for name, value in sections["throughput"].figures.items()
        if name.endswith("/32") and value.rounds
    }
    ordered = sorted(rates, key=lambda name: rates[name].median)
    medians = [rates[name].median for name in ordered]
    ranges = [
        [rates[name].median - min(rates[name].rounds) for name in ordered],
        [max(rates[name].rounds) - rates[name].median for name in ordered],
    ]
    left.barh(ordered, medians, xerr=ranges, color="#4c72b0")
    left.set_xlabel("requests/s, 32 connections")
    shares = ("30%", "60%", "90%")
    for server, style in (("bundle", "-"), ("floor", "--")):
        for quantile, color in (("p50", "#4c72b0"), ("p99", "#dd8452"), ("p999", "#c44e52")):
            points = [sections["latency"].figures.get(f"{server}/{share}/{quantile}_ms") for share in shares]
            if all(point is not None and point.rounds for point in points):
                values = [point.median for point in points if point is not None]
                right.plot(shares, values, style, color=color, marker="o", label=f"{server} {quantile}")
    right.set_yscale("log")
    right.set_xlabel("load, share of the bundle's saturation")
    right.set_ylabel("ms from the due time")
    if right.lines:
        right.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(file, format="svg", metadata={"Date": None})
    plt.close(figure)
