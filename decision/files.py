"""Reading a policy and its reason catalogue from their files, and everything that can be wrong with them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from decision.policy import Example, Policy
from decision.reasons import CatalogueEntry, ReasonCatalogue
from preprocessing.contract import Contract
from preprocessing.documents import WHOLE, InvalidDocumentError, Model, printable, read_document
from preprocessing.fields import AnyField

POLICY_FILE = "decision_policy.json"
CATALOGUE_FILE = "reason_codes.json"

DEFAULT_BOOK = Path(__file__).resolve().parent.parent / "artifacts" / "policy"
"""The project's own loan book; absent from a Bento."""


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


def read_policy(path: Path, contract: Contract, catalogue_path: Path | None = None) -> PolicyFiles:
    """Read and check a policy file for a loan book, with the catalogue at `catalogue_path` or beside it.

    Raises:
        InvalidPolicyError: naming the place and the remedy of everything that is wrong.
    """
    catalogue_path = catalogue_path or path.parent / CATALOGUE_FILE
    context = {"contract": contract}
    catalogue, catalogue_bytes, problems = _read(ReasonCatalogue, catalogue_path)
    policy, policy_bytes, of_policy = _read(Policy, path, context)
    problems += of_policy
    if of_policy:
        policy = _sound_parts(policy_bytes, context)
        besides = _told(path, [f"{WHOLE}: {problem}" for problem in policy.problems(contract)] if policy else [])
        problems += [line for line in besides if line not in problems]
    if policy and catalogue:
        problems += _told(path, _disagreements(policy, catalogue, contract))
    if problems or policy is None or catalogue is None:
        raise InvalidPolicyError("\n".join(problems))
    return PolicyFiles(policy, catalogue, {POLICY_FILE: policy_bytes, CATALOGUE_FILE: catalogue_bytes})


def beside_or_default(policy: Path, name: str = CATALOGUE_FILE) -> Path:
    """The file of this name in the policy's own folder; where there is none, the project's own."""
    beside, default = policy.parent / name, DEFAULT_BOOK / name
    return default if default.is_file() and not beside.is_file() else beside


def _disagreements(policy: Policy, catalogue: ReasonCatalogue, contract: Contract) -> Iterator[str]:
    if policy.reason_catalogue != catalogue.version:
        yield (
            f"reason_catalogue: asks for version {policy.reason_catalogue} but the catalogue is {catalogue.version}; "
            "name the one that the reasons are from"
        )
    for i, rule in enumerate(policy.rules):
        if rule.reason not in catalogue.codes:
            yield f"rules.{i}.reason: unknown reason code {rule.reason!r}; use one of {', '.join(catalogue.codes)}"
    known = {field.name: field for field in contract.fields if field.for_rules}
    for entry in catalogue.reasons:
        for name in (entry.field, *entry.scores):
            if name not in known:
                yield f"reason code {entry.code}: unknown field {name!r}; use one of {', '.join(sorted(known))}"
        if entry.field in known:
            field = known[entry.field]
            values = {*field.choices, *field.states}
            if strange := sorted(entry.text_by_value.keys() - values):
                unknown = ", ".join(map(printable, strange))
                yield f"reason code {entry.code}: text_by_value: {field.name} has no value {unknown}; remove it"
        for name in entry.scores:
            yield from _says_which(entry, known.get(name))


def _says_which(entry: CatalogueEntry, field: AnyField | None) -> Iterator[str]:
    """Where no direction says what is worse, only the applicant's own category tells what counted."""
    if field is None or not field.choices or field.direction is not None:
        return
    place = f"reason code {entry.code}: "
    if field.name != entry.field:
        yield (
            f"{place}scores {field.name}, a category without a direction, but is reported under {entry.field}, so that "
            f"no text can say which it is; give {field.name} a reason of its own"
        )
    elif silent := [choice for choice in field.choices if choice not in entry.text_by_value]:
        named = ", ".join(map(printable, silent))
        yield f"{place}text_by_value: say what an applicant is told whose {field.name} is {named}"


def _told(path: Path, problems: Iterable[str]) -> list[str]:
    return [f"{path.name}: {problem}" for problem in problems]


def _read(
    model: type[Model], path: Path, context: dict[str, Any] | None = None
) -> tuple[Model | None, bytes, list[str]]:
    """What a file holds, its bytes, and everything that is wrong with it by itself."""
    try:
        content = path.read_bytes()
    except OSError as exc:
        unreadable = f"{path.name or path}: can't be read from {path.parent} ({exc.strerror}); name a file that can"
        return None, b"", [unreadable]
    try:
        return read_document(model, content, context), content, []
    except InvalidDocumentError as exc:
        return None, content, _told(path, exc.problems)


def _sound_parts(content: bytes, context: dict[str, Any]) -> Policy | None:
    """A policy that is wrong in some places, without them: so that what is wrong besides can be told as well.

    None where thresholds, scale or a rule are among them, since then it decides nothing.
    """
    try:
        document = json.loads(content)
        parts = {
            name: TypeAdapter(field.rebuild_annotation()).validate_json(
                json.dumps(document[name]), strict=True, context=context
            )
            for name, field in Policy.model_fields.items()
            if name in ("thresholds", "score", "rules")
        }
        parts["examples"] = tuple(_sound_examples(document.get("examples"), context))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return Policy.model_construct(reason_catalogue=document.get("reason_catalogue"), **parts)


def _sound_examples(documents: Any, context: dict[str, Any]) -> Iterator[Example]:
    for document in documents if isinstance(documents, list) else []:
        with suppress(ValidationError):
            yield Example.model_validate_json(json.dumps(document), context=context)
