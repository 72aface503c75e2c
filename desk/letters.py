"""The letter by which an applicant is told of a decision, from a template of the lender's.

It is Jinja2 in a sandbox, and is tried when it is read: a mistake in it is told with its line before anybody needs it.
Whatever it says beside them, it has to state the reasons, each in the words of the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from jinja2 import DictLoader, StrictUndefined, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from decision import Outcome
from desk.rendering import TEMPLATES, plain

DEFAULT = TEMPLATES / "notice.html"
"""In plain language, after the parts of the sample form C-1 of Regulation B (12 CFR part 1002, appendix C)."""

MOST_BYTES = 262_144


class LetterError(Exception):
    """A template that can't be used. The message names the file, the line as far as it is known, and the remedy."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a letter may state.

    Attributes:
        decision: what was decided, CONDITIONAL_APPROVAL or REJECT.
        reasons: principal ones, as the applicant is told them.
        decided: the day of the decision, UTC.
        today: the day of the letter, the same.
        decision_id: of the record.
        reference: the caller's own; empty where there is none.
        score: the probability of default on the policy's scale.
        score_minimum: the scale's worst.
        score_maximum: the scale's best.
        application: what was stated, by field, as texts.
    """

    decision: str
    reasons: Sequence[str]
    decided: date
    today: date
    decision_id: str
    reference: str
    score: int
    score_minimum: int
    score_maximum: int
    application: Mapping[str, str]


_BLANK = Markup(
    '<span class="{}" contenteditable="plaintext-only" role="textbox" aria-multiline="{}" aria-label="{}">[{}]</span>'
)


class _AnyText(dict[str, str]):
    """Stands for an application of whichever book: has a text for each name."""

    def __missing__(self, _: str) -> str:
        return "1"


_TRIALS = tuple(
    Facts(outcome, reasons, date(2026, 11, 30), date(2026, 12, 1), "019ac0de-0000-7000-8000-000000000000", reference,
          561, 300, 850, _AnyText())
    for outcome, reasons, reference in (
        (Outcome.REJECT.value, [f"Reason {number} & its <words>" for number in range(1, 5)], "loan-4711"),
        (Outcome.CONDITIONAL_APPROVAL.value, ["The only reason"], ""),
    )
)  # fmt: skip


class Letter:
    """A template that has been tried.

    Args:
        source: of the template.
        name: by which it is told of.

    Raises:
        LetterError: it can't be used.
    """

    def __init__(self, source: str, name: str) -> None:
        self._name = name
        environment = ImmutableSandboxedEnvironment(
            loader=DictLoader({name: source}),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals["blank"] = blank
        try:
            self._template = environment.get_template(name)
        except TemplateSyntaxError as exc:
            raise LetterError(f"{name}, line {exc.lineno}: {exc.message}") from None
        for facts in _TRIALS:
            self.written(facts)

    def written(self, facts: Facts) -> Markup:
        """The letter, HTML.

        Raises:
            LetterError: the template can't be rendered with these facts, or leaves out a reason.
        """
        stated: dict[str, Any] = {name: getattr(facts, name) for name in Facts.__slots__}
        stated |= {name: _day(stated[name]) for name in ("decided", "today")}
        try:
            text = self._template.render(stated)
        except Exception as exc:  # noqa: BLE001  # a template may raise anything, and whoever wrote it is told
            line = _line(exc)
            raise LetterError(f"{self._name}{'' if line is None else f', line {line}'}: {exc}") from None
        at = 0
        for reason in facts.reasons:
            at = text.find(str(escape(reason)), at)
            if at < 0:
                raise LetterError(f"{self._name}: leaves out a reason; write each of `reasons`, in order and as it is")
        return Markup(text)  # noqa: S704  # the lender's own, whose values are escaped


def read_letter(path: Path | None) -> Letter:
    """The lender's letter, or this package's where there is none.

    Raises:
        LetterError: it can't be used.
    """
    path = path or DEFAULT
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as exc:
        raise LetterError(f"{path} can't be read ({exc.strerror}); name a Jinja2 template") from None
    if len(content) > MOST_BYTES:
        raise LetterError(f"{path} is larger than {MOST_BYTES} bytes; leave pictures out")
    try:
        return Letter(content.decode(), path.name)
    except UnicodeDecodeError:
        raise LetterError(f"{path} is no UTF-8; save it as that") from None


def blank(what: str, lines: int = 1) -> Markup:
    """What whoever sends the letter writes into it: it is neither sent to the service nor kept.

    Args:
        what: has to be written there.
        lines: how many it may take.
    """
    many = lines > 1
    return _BLANK.format("blank lines" if many else "blank", "true" if many else "false", what, what)


def texts(fields: Mapping[str, Any]) -> dict[str, str]:
    """Values of an application as texts; empty where one isn't stated."""
    return {name: _text(value) for name, value in fields.items()}


def _text(value: Any) -> str:
    if value is None:
        return ""
    return plain(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _day(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
           "December")  # fmt: skip


def _line(exc: BaseException) -> int | None:
    """The template's line in which something was raised: Jinja2 puts it into the traceback."""
    line, trace = None, exc.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in {"<template>", "<unknown>"}:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
