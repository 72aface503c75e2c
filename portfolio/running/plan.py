"""What the work is of. A folder of answers holds one plan, and takes no other's answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from portfolio.assessor import Assessor, Options
from portfolio.reading.opening import Opened
from portfolio.running.code import code_digest, libraries

FORMAT = 1

Document = dict[str, Any]

_MEANINGS = {
    "format": "format of plans",
    "input": "input",
    "parts": "--part-rows",
    "options": "options",
    "identity": "model or policy version",
    "digests": "model, policy or contract",
    "code": "code",
    "libraries": "versions of libraries",
}
"""What it is that differs."""


def plan_of(opened: Opened, assessor: Assessor, options: Options, part_rows: int) -> Document:
    """Everything that an answer's bytes depend on; the same wherever and whenever the work is done."""
    source = opened.source
    files = [{"name": f.name, "rows": f.rows, "bytes": f.stamp.size, "sha256": f.sha256} for f in source.files]
    return {
        "format": FORMAT,
        "input": {"kind": source.kind, "rows": source.rows, "files": files},
        "parts": {"count": len(opened.parts), "rows": part_rows},
        "options": asdict(options) | {"keys": list(options.keys)},
        "identity": asdict(assessor.identity),
        "digests": dict(assessor.digests),
        "code": code_digest(),
        "libraries": libraries(),
    }


def encoded(document: Mapping[str, Any]) -> bytes:
    """A document's bytes: the same for the same."""
    return json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False).encode() + b"\n"


def digest_of(plan: Document) -> str:
    """SHA-256 of a plan's bytes, hexadecimal."""
    return sha256(encoded(plan)).hexdigest()


def differences(mine: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What two plans differ in, for people."""
    return [meaning for key, meaning in _MEANINGS.items() if mine.get(key) != other.get(key)]
