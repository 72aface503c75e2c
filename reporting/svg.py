"""Drawing: axes, marks and texts as SVG, the same bytes for the same numbers.

What is drawn has no colour of its own but classes, so that one style serves light, dark and paper.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

STYLE = """
.plot { color: #1b1f24; --model: #0b62c4; --other: #b3541e; --quiet: #6b7280; }
.plot text { font: 13px system-ui, sans-serif; fill: currentColor; }
.plot .grid { stroke: currentColor; stroke-opacity: .15; }
.plot .axis { stroke: currentColor; stroke-opacity: .6; }
.plot .equal { stroke: currentColor; stroke-opacity: .45; stroke-dasharray: 2 3; }
.plot .threshold { stroke: var(--other); stroke-dasharray: 6 3; }
.plot text.threshold { stroke: none; fill: var(--other); }
.plot .model { stroke: var(--model); fill: var(--model); }
.plot .other { stroke: var(--other); fill: var(--other); }
.plot .few { stroke: var(--other); fill: none; }
.plot .ring { stroke: var(--other); fill: var(--paper, #fff); stroke-width: 2; }
.plot .quiet { stroke: none; fill: var(--quiet); fill-opacity: .55; }
.plot path { fill: none; }
.plot path.model { fill: none; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) {
  .plot { color: #e6e8eb; --model: #6cb2ff; --other: #f0a06a; --quiet: #9aa3af; }
}
@media print { .plot { color: #000; --model: #0b62c4; --other: #b3541e; --quiet: #555; } }
"""

WIDTH, HEIGHT = 440, 340

_APART = 28
"""Pixels between ticks, so that their texts don't touch."""


_LETTER, _BETWEEN = 7.2, 26
"""Pixels that a letter of a legend takes, and those between two of its texts."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Values to places on a line.

    Attributes:
        low: value at `start`.
        high: value at `end`.
        start: place, in pixels.
        end: the same.
        log_odds: whether values are probabilities, and places go by their log-odds.
    """

    low: float
    high: float
    start: float
    end: float
    log_odds: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value; one beyond an end is put there."""
        least, most = sorted((self.low, self.high))
        low, high, value = (self._at(each) for each in (self.low, self.high, min(max(value, least), most)))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def _at(self, value: float) -> float:
        return math.log(value / (1 - value)) if self.log_odds else value

    def ticks(self) -> list[float]:
        """Some five round values."""
        if self.log_odds:
            kept: list[float] = []
            for value in (0.5, 0.1, 0.9, 0.01, 0.99, 0.001, 0.999, 0.2, 0.8, 0.03, 0.97):
                if self.low <= value <= self.high and all(abs(self(value) - self(other)) >= _APART for other in kept):
                    kept.append(value)
            return sorted(kept)
        rough = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = power * next(times for times in (1, 2, 5, 10) if times * power >= rough)
        first = math.ceil(self.low / step - 1e-9)
        return [round(i * step, 10) for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture in the making.

    Attributes:
        title: what it shows, for whoever can't see it.
        x: the horizontal scale.
        y: the vertical scale; its start lies below its end.
        height: of the picture.
        parts: of it, so far.
    """

    title: str
    x: Scale
    y: Scale
    height: float = HEIGHT
    parts: list[str] = field(default_factory=list)

    def axes(
        self, x_label: str, y_label: str = "", *, x_names: Mapping[float, str] | None = None, y_ticks: bool = True
    ) -> None:
        """Ticks with lines across, and what the axes are; where values of x have names, these are its ticks."""
        for value, name in (x_names or {tick: f"{tick:g}" for tick in self.x.ticks()}).items():
            self.vertical(value, "grid")
            self.text(self.x(value), self.y.start + 16, name, anchor="middle")
        for value in self.y.ticks() if y_ticks else ():
            self.horizontal(value, "grid")
            self.text(self.x.start - 6, self.y(value) + 4, f"{value:g}", anchor="end")
        self._line(self.x.start, self.y.start, self.x.end, self.y.start, "axis")
        self.text((self.x.start + self.x.end) / 2, self.y.start + 36, x_label, anchor="middle")
        if y_label:
            self.text(6, 14, y_label)

    def vertical(self, value: float, kind: str, label: str = "", *, left: bool = False) -> None:
        """A line at a value of x, from bottom to top; its label stands beside its top."""
        self._line(self.x(value), self.y.start, self.x(value), self.y.end, kind)
        if label:
            beside = -4 if left else 4
            self.text(self.x(value) + beside, self.y.end - 6, label, anchor="end" if left else "start", kind=kind)

    def horizontal(self, value: float, kind: str, label: str = "") -> None:
        """A line at a value of y, from left to right; its label stands above its right end."""
        self._line(self.x.start, self.y(value), self.x.end, self.y(value), kind)
        if label:
            self.text(self.x.end, self.y(value) - 4, label, anchor="end", kind=kind)

    def line(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """Straight from point to point, as values."""
        way = " L".join(f"{self.x(x):.1f} {self.y(y):.1f}" for x, y in points)
        self.parts.append(f'<path class="{kind}" d="M{way}"/>')

    def dot(self, x: float, y: float, kind: str, radius: float = 3.5) -> None:
        """A point, as values."""
        self.parts.append(f'<circle class="{kind}" cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="{radius:g}"/>')

    def bar(self, x: float, y: float, kind: str, thickness: float = 12) -> None:
        """From 0 to a value of x, as high on the page as `y`."""
        left, right = sorted((self.x(0), self.x(x)))
        self.parts.append(
            f'<rect class="{kind}" x="{left:.1f}" y="{self.y(y) - thickness / 2:.1f}" '
            f'width="{right - left:.1f}" height="{thickness:g}"/>'
        )

    def text(self, x: float, y: float, text: str, *, anchor: str = "start", kind: str = "") -> None:
        """A text, in pixels."""
        named = f' class="{kind}"' if kind else ""
        self.parts.append(f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>')

    def legend(self, *kinds: tuple[str, str]) -> None:
        """What dots of each kind are, from the right end on."""
        at = self.x.end
        for kind, text in reversed(kinds):
            at -= _LETTER * len(text)
            self.text(at, 14, text)
            self.parts.append(f'<circle class="{kind}" cx="{at - 9:.1f}" cy="9.5" r="3.5"/>')
            at -= _BETWEEN

    def _line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:  # its ends
        self.parts.append(f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')

    def svg(self) -> str:
        """As an element, for a page that has `STYLE`."""
        return (
            f'<svg class="plot" viewBox="0 0 {WIDTH} {self.height:g}" role="img" '
            f'aria-label="{escape(self.title)}">\n' + "\n".join(self.parts) + "\n</svg>"
        )


def as_file(svg: str) -> bytes:
    """The element as a file of its own."""
    head, body = svg.split(">", 1)
    return f'{head} xmlns="http://www.w3.org/2000/svg">\n<style>{STYLE}</style>{body}\n'.encode()
