"""Reading a policy and its reason catalogue from their files, and everything that can be wrong with them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decision.policy import Policy
from decision.reasons import ReasonCatalogue
from preprocessing.contract import Contract
from preprocessing.documents import InvalidDocumentError, Model, printable, read_document

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
    catalogue_bytes, policy_bytes = _read(catalogue_path), _read(path)
    catalogue = _parse(ReasonCatalogue, catalogue_path, catalogue_bytes)
    policy = _parse(Policy, path, policy_bytes, {"contract": contract})
    if problems := list(_disagreements(policy, catalogue, contract)):
        raise InvalidPolicyError("\n".join(f"{path.name}: {problem}" for problem in problems))
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
            values = {*getattr(field, "choices", ()), *getattr(field, "codes", ())}
            if strange := sorted(entry.text_by_value.keys() - values):
                unknown = ", ".join(map(printable, strange))
                yield f"reason code {entry.code}: text_by_value: {field.name} has no value {unknown}; remove it"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise InvalidPolicyError(
            f"{path.name or path}: can't be read from {path.parent} ({exc.strerror}); name a file that can"
        ) from exc


def _parse(model: type[Model], path: Path, content: bytes, context: dict[str, Any] | None = None) -> Model:
    try:
        return read_document(model, content, context)
    except InvalidDocumentError as exc:
        raise InvalidPolicyError("\n".join(f"{path.name}: {problem}" for problem in exc.problems)) from None
