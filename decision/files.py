"""Reading a policy and its reason catalogue from their files, and everything that can be wrong with them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from decision.policy import CATEGORY_FIELDS, NUMBER_FIELDS, Policy
from decision.reasons import ReasonCatalogue

POLICY_FILE = "decision_policy.json"
CATALOGUE_FILE = "reason_codes.json"

PROJECT_CATALOGUE = Path(__file__).resolve().parent.parent / "artifacts" / "policy" / CATALOGUE_FILE

_REMEDIES = {"extra_forbidden": "; remove it", "missing": "; add it"}

Model = TypeVar("Model", bound=BaseModel)


class InvalidPolicyError(ValueError):
    """A policy that can't be used; the message names every place and the remedy, one line each."""


@dataclass(frozen=True)
class PolicyFiles:
    """A checked policy with its catalogue, and the bytes they were read from.

    Attributes:
        policy: thresholds, rules, scale.
        catalogue: the reasons.
        contents: file name to bytes.
    """

    policy: Policy
    catalogue: ReasonCatalogue
    contents: dict[str, bytes]

    @property
    def digests(self) -> dict[str, str]:
        """File name to hexadecimal SHA-256."""
        return {name: hashlib.sha256(content).hexdigest() for name, content in self.contents.items()}


def read_policy(path: Path, catalogue_path: Path | None = None) -> PolicyFiles:
    """Read and check a policy file, with the catalogue at `catalogue_path` or beside it.

    Raises:
        InvalidPolicyError: naming the place and the remedy of everything that is wrong.
    """
    catalogue_path = catalogue_path or path.parent / CATALOGUE_FILE
    catalogue_bytes, policy_bytes = _read(catalogue_path), _read(path)
    catalogue = _parse(ReasonCatalogue, catalogue_path, catalogue_bytes)
    policy = _parse(Policy, path, policy_bytes)
    problems = _disagreements(policy, catalogue)
    if problems:
        raise InvalidPolicyError("\n".join(f"{path.name}: {problem}" for problem in problems))
    return PolicyFiles(policy, catalogue, {POLICY_FILE: policy_bytes, CATALOGUE_FILE: catalogue_bytes})


def beside_or_default(policy: Path) -> Path:
    """The catalogue in the policy's own folder; where it has none, the project's."""
    beside = policy.parent / CATALOGUE_FILE
    return PROJECT_CATALOGUE if PROJECT_CATALOGUE.is_file() and not beside.is_file() else beside


def _disagreements(policy: Policy, catalogue: ReasonCatalogue) -> list[str]:
    problems = []
    if policy.reason_catalogue != catalogue.version:
        problems.append(
            f"reason_catalogue: asks for version {policy.reason_catalogue} but the catalogue is {catalogue.version}; "
            "name the one that the reasons are from"
        )
    problems += [
        f"rules.{i}.reason: unknown reason code {rule.reason!r}; use one of {', '.join(catalogue.codes)}"
        for i, rule in enumerate(policy.rules)
        if rule.reason not in catalogue.codes
    ]
    known = NUMBER_FIELDS | CATEGORY_FIELDS.keys()
    problems += [
        f"reason code {entry.code}: unknown field {field!r}; use one of {', '.join(sorted(known))}"
        for entry in catalogue.reasons
        for field in (entry.field, *entry.scores)
        if field not in known
    ]
    return problems


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise InvalidPolicyError(
            f"{path.name or path}: can't be read from {path.parent} ({exc.strerror}); name a file that can"
        ) from exc


def _parse(model: type[Model], path: Path, content: bytes) -> Model:
    try:
        json.loads(content, object_pairs_hook=_no_duplicate_keys)
        # Strict validation takes dates, tuples and enums from JSON text only, not from a decoded document.
        return model.model_validate_json(content)
    except ValidationError as exc:
        errors = exc.errors(include_url=False)
        # Beside a wrong item, pydantic also reports its list as too short without it.
        inner = {error["loc"][:length] for error in errors for length in range(1, len(error["loc"]))}
        problems = [
            f"{path.name}: {'.'.join(map(str, error['loc'])) or 'as a whole'}: "
            + error["msg"].removeprefix("Value error, ")
            + _REMEDIES.get(error["type"], "")
            for error in errors
            if not (error["type"] == "too_short" and error["loc"] in inner)
        ]
        raise InvalidPolicyError("\n".join(problems)) from exc
    except (ValueError, RecursionError) as exc:
        raise InvalidPolicyError(f"{path.name}: not valid JSON: {exc}") from exc


def _no_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise ValueError(f"a key is stated twice in one object: {', '.join(twice)}; keep one")
    return dict(pairs)
