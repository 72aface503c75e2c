"""The applications of a body as they came, byte for byte, so that they can be kept one by one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic_core import to_json

_FLAT = re.compile(rb'\{(?:[^{}"]++|"(?:[^"\\]++|\\.)*+")*+\}', re.DOTALL)
"""An object with no other in it, as an application is one. Possessive: what doesn't match is found out in one pass."""


def received(body: bytes, rows: Sequence[Any]) -> list[str]:
    """Each row of a JSON list as it stands in the body.

    Where a row holds another object or is none, so that it can't be an application, the rows are written anew; also
    where it held another object by a name that it has again, so that it can.

    Args:
        body: valid JSON, UTF-8.
        rows: the same, decoded.
    """
    objects = all(isinstance(row, dict) for row in rows)
    if objects and body.count(b"{") == body.count(b"}") == len(rows):  # so that none stands in a text
        return [f"{{{text.partition('}')[0]}}}" for text in str(body, "utf-8").split("{")[1:]]
    texts = _FLAT.findall(body)
    within = sum([text.count(b"{") for text in texts])
    if not objects or len(texts) != len(rows) or within != body.count(b"{") or not all(map(_is_flat, rows)):
        texts = [to_json(row) for row in rows]
    return [str(text, "utf-8") for text in texts]


def _is_flat(row: dict[str, Any]) -> bool:
    return not any(isinstance(value, dict | list) for value in row.values())
