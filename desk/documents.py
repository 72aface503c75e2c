"""From a form's texts to the application's JSON: what a person has typed, and nothing made of it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic_core import to_json

from preprocessing.contract import Contract
from preprocessing.fields import Integer, Number, Ratio

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
"""A number as JSON writes it."""

_SPACES = re.compile(r"[\s\u2019']+")
"""What people part thousands by that can't be meant otherwise, as a comma or a point could be."""


def document(contract: Contract, form: Mapping[str, str]) -> bytes:
    """The application that a form holds.

    A number that is none stays a text, for the contract to refuse in its own words; what is left empty is left out.

    Args:
        contract: the fields.
        form: texts by their names; others are passed over, and what is computed from them too.
    """
    members = []
    for field in contract.fields:
        text = form.get(field.name, "").strip()
        if text and not isinstance(field, Ratio):
            is_number = isinstance(field, Number | Integer)
            bare = _SPACES.sub("", text)
            value = bare.encode() if is_number and _NUMBER.fullmatch(bare) else to_json(text)
            members.append(to_json(field.name) + b":" + value)
    return b"{" + b",".join(members) + b"}"


def texts(contract: Contract, form: Mapping[str, str]) -> dict[str, str]:
    """What a form holds of an application, as it was typed."""
    return {field.name: form[field.name] for field in contract.fields if form.get(field.name)}


def by_field(contract: Contract, errors: tuple[Mapping[str, object], ...]) -> dict[str, str]:
    """What is wrong with each field; what is computed from others is at the fault of those."""
    wrong: dict[str, str] = {}
    for error in errors:
        name, message = str(error["loc"][0]), str(error["msg"])  # type: ignore[index]  # a list, by the contract
        wrong.setdefault(name if name in contract.by_name else "", message)
    return wrong
