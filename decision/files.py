"""Reading a policy and its reason catalogue from their files, and everything that can be wrong with them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from decision.policy import CATEGORY_FIELDS, NUMBER_FIELDS, Example, Policy
from decision.reasons import ReasonCatalogue

POLICY_FILE = "decision_policy.json"
CATALOGUE_FILE = "reason_codes.json"

PROJECT_CATALOGUE = Path(__file__).resolve().parent.parent / "artifacts" / "policy" / CATALOGUE_FILE

WHOLE = "as a whole"
"""The place of what is wrong between parts."""

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
    catalogue, catalogue_bytes, problems = _read(ReasonCatalogue, catalogue_path)
    policy, policy_bytes, of_policy = _read(Policy, path)
    problems += of_policy
    if of_policy:
        policy = _sound_parts(policy_bytes)
        besides = _told(path, [f"{WHOLE}: {problem}" for problem in policy.problems()] if policy else [])
        problems += [line for line in besides if line not in problems]
    if policy and catalogue:
        problems += _told(path, _disagreements(policy, catalogue))
    if problems or policy is None or catalogue is None:
        raise InvalidPolicyError("\n".join(problems))
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


def _told(path: Path, problems: list[str]) -> list[str]:
    return [f"{path.name}: {problem}" for problem in problems]


def _read(model: type[Model], path: Path) -> tuple[Model | None, bytes, list[str]]:
    """What a file holds, its bytes, and everything that is wrong with it by itself."""
    try:
        content = path.read_bytes()
    except OSError as exc:
        unreadable = f"{path.name or path}: can't be read from {path.parent} ({exc.strerror}); name a file that can"
        return None, b"", [unreadable]
    twice: set[str] = set()

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        twice.update(key for key in keys if keys.count(key) > 1)
        return dict(pairs)

    try:
        json.loads(content, object_pairs_hook=note)
        # Strict validation takes dates, tuples and enums from JSON text only, not from a decoded document.
        value, problems = model.model_validate_json(content), []
    except ValidationError as exc:
        value, problems = None, _problems(exc)
    except (ValueError, RecursionError) as exc:
        value, problems = None, [f"not valid JSON: {exc}"]
    if twice:
        problems.append(f"not valid JSON: a key is stated twice in one object: {', '.join(sorted(twice))}; keep one")
    return value, content, _told(path, problems)


def _problems(invalid: ValidationError) -> list[str]:
    errors = invalid.errors(include_url=False)
    # Beside a wrong item, pydantic also reports its list as too short without it.
    inner = {error["loc"][:length] for error in errors for length in range(1, len(error["loc"]))}
    return [
        f"{'.'.join(map(str, error['loc'])) or WHOLE}: {line}{_REMEDIES.get(error['type'], '')}"
        for error in errors
        if not (error["type"] == "too_short" and error["loc"] in inner)
        for line in error["msg"].removeprefix("Value error, ").splitlines()
    ]


def _sound_parts(content: bytes) -> Policy | None:
    """A policy that is wrong in some places, without them: so that what is wrong besides can be told as well.

    None where thresholds, scale or a rule are among them, since then it decides nothing.
    """
    try:
        document = json.loads(content)
        parts = {
            name: TypeAdapter(field.rebuild_annotation()).validate_json(json.dumps(document[name]), strict=True)
            for name, field in Policy.model_fields.items()
            if name in ("thresholds", "score", "rules")
        }
        parts["examples"] = tuple(_sound_examples(document.get("examples")))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return Policy.model_construct(reason_catalogue=document.get("reason_catalogue"), **parts)


def _sound_examples(documents: Any) -> Iterator[Example]:
    for document in documents if isinstance(documents, list) else []:
        with suppress(ValidationError):
            yield Example.model_validate_json(json.dumps(document))
