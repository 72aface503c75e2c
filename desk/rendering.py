"""Templates, and how numbers and texts are written in them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

TEMPLATES = Path(__file__).parent / "templates"


class Rendering:
    """Makes HTML from the templates; whatever they are given is escaped.

    Args:
        static: a file of the desk to its name with its digest, under which it may be kept.
    """

    def __init__(self, static: Mapping[str, str]) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        filters = {"number": number, "percent": percent, "signed": signed, "value": value, "moment": moment}
        self._environment.filters |= filters
        self._environment.globals |= {"static": static.__getitem__}

    def render(self, template: str, context: Mapping[str, Any]) -> str:
        """A template's text."""
        return self._environment.get_template(template).render(context)


def plain(number: float, digits: int = 6) -> str:
    """A number with points and commas as in English, which the page's script rewrites in the reader's own format."""
    rounded = round(number, digits)
    text = f"{rounded:,.{digits}f}".rstrip("0").rstrip(".") if digits else f"{rounded:,.0f}"
    return "0" if text == "-0" else text


def number(value: float, digits: int = 6) -> Markup:
    """A number as an element that says what it is to machines."""
    return Markup('<data class="n" value="{}">{}</data>').format(value, plain(value, digits))


def percent(share: float, digits: int = 1) -> Markup:
    """A share of one in percent; one that is not nothing is never written as 0 or 100."""
    return Markup('<data class="p" value="{}" data-digits="{}">{}</data>').format(
        share, digits, percentage(share, digits)
    )


def percentage(share: float, digits: int = 1) -> str:
    """The same as a text."""
    least = 10.0**-digits
    of_hundred = share * 100
    if 0 < of_hundred < least:
        return f"< {least:g}%"
    if 100 - least < of_hundred < 100:
        return f"> {100 - least:g}%"
    return f"{of_hundred:.{digits}f}%"


def signed(value: float) -> Markup:
    """A number of log-odds with its sign."""
    return Markup('<data class="s" value="{}">{}</data>').format(value, signed_text(value))


def signed_text(value: float) -> str:
    """The same as a text."""
    return f"{chr(0x2212) if value < 0 else '+'}{abs(value):.2f}"


def moment(seconds: float) -> Markup:
    """A time, of Unix; the page's script writes it in the reader's zone."""
    stated = datetime.fromtimestamp(seconds, UTC)
    text = f"{stated:%Y-%m-%d %H:%M} UTC"
    return Markup('<time datetime="{}">{}</time>').format(stated.isoformat(timespec="seconds"), text)


def value(stated: Any) -> Markup:
    """A value of an application, whatever it is."""
    if stated is None:
        return Markup('<span class="none">not stated</span>')
    if isinstance(stated, int | float) and not isinstance(stated, bool):
        return number(stated)
    return escape(str(stated))
