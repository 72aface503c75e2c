"""A loan book's folder: what people write for it, and all that training needs beside the data.

contract.json             its fields
decision_policy.json      what its lender does with a probability of default
reason_codes.json         what its applicants are told
golden_applications.json  applications on which a process proves that it scores as training did
recipe.json               parameters of the model that differ from the project's; optional
notes.md                  what was measured on one file by hand, for the model card; optional
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from decision import PolicyFiles, read_policy
from decision.files import POLICY_FILE
from preprocessing.application import Application, InvalidApplicationError
from preprocessing.contract import CONTRACT_FILE, Contract, read_contract
from preprocessing.documents import InvalidDocumentError, Model, Strict, read_document
from training.errors import BookError
from training.recipe import Recipe, RecipeFile

GOLDEN_FILE = "golden_applications.json"
NOTES_FILE = "notes.md"
RECIPE_FILE = "recipe.json"


class Golden(NamedTuple):
    """One golden application: what it is for, as it is sent, and as the contract reads it."""

    name: str
    document: dict[str, Any]
    application: Application


@dataclass(frozen=True, slots=True)
class Notes:
    """What people measured on one file.

    Attributes:
        sha256: of the file; on any other, the notes don't hold and are not printed.
        source: which file it is.
        sections: heading to Markdown, to follow the model card's section of that heading.
    """

    sha256: str = ""
    source: str = ""
    sections: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Book:
    """A checked folder.

    Attributes:
        contract: parsed.
        contract_bytes: as the artifact takes it along.
        policy: with its catalogue.
        golden: at least one.
        recipe: the model's.
        notes: empty where there are none.
    """

    contract: Contract
    contract_bytes: bytes
    policy: PolicyFiles
    golden: tuple[Golden, ...]
    recipe: Recipe
    notes: Notes


class _GoldenSource(Strict):
    name: str
    application: dict[str, Any]


class _GoldenFile(Strict):
    applications: Annotated[list[_GoldenSource], Field(min_length=1)]


def read_book(folder: Path, policy: Path | None = None, *, directions: bool = True) -> Book:
    """Read and check a loan book's folder.

    Args:
        folder: of the book.
        policy: another policy file than the folder's.
        directions: whether the contract is to keep its fields' directions.

    Raises:
        BookError: a file can't be read, or the golden applications or notes can't be used.
        InvalidContractError: the contract can't be used.
        InvalidPolicyError: the policy or its catalogue can't be used, or not with this contract.
    """
    content = _read(folder / CONTRACT_FILE)
    contract = read_contract(content)
    if not directions:
        content = undirected(content)
        contract = read_contract(content)
    files = read_policy(policy or folder / POLICY_FILE, contract)
    golden, recipe = _golden(folder / GOLDEN_FILE, contract), _recipe(folder / RECIPE_FILE)
    return Book(contract, content, files, golden, recipe, _notes(folder / NOTES_FILE))


def undirected(content: bytes) -> bytes:
    """A contract's file without its fields' directions, and without what stands on them."""
    document = json.loads(content)
    for field in document["fields"]:
        for key in ("direction", "standing", "actionable"):
            field.pop(key, None)
        if field.get("nullable"):
            field["missing"] = "own"
    return json.dumps(document, indent=2, ensure_ascii=False).encode()


def _golden(path: Path, contract: Contract) -> tuple[Golden, ...]:
    source = _document(_GoldenFile, path)
    golden, problems = [], []
    for i, entry in enumerate(source.applications):
        try:
            golden.append(Golden(entry.name, entry.application, contract.parse(entry.application)))
        except InvalidApplicationError as exc:
            problems += [f"applications.{i}.{'.'.join(map(str, e.loc))}: {e.msg}" for e in exc.errors]
    if problems:
        raise BookError("\n".join(f"{path.name}: {problem}" for problem in problems))
    return tuple(golden)


def _recipe(path: Path) -> Recipe:
    return Recipe.of(_document(RecipeFile, path) if path.is_file() else RecipeFile(format=1))


_HEAD = re.compile(r"---\nsha256: ([0-9a-f]{64})\nsource: (.+)\n---\n")


def _notes(path: Path) -> Notes:
    if not path.is_file():
        return Notes()
    text = _read(path).decode("utf-8", errors="replace")
    head = _HEAD.match(text)
    if head is None:
        raise BookError(
            f"{path.name}: must begin with a line ---, then `sha256: ` of the file it speaks of, then `source: ` and "
            "which file that is, then a line ---"
        )
    parts = re.split(r"^## (.+)$", text[head.end() :], flags=re.MULTILINE)
    sections = tuple((title.strip(), body.strip()) for title, body in zip(parts[1::2], parts[2::2], strict=True))
    return Notes(head[1], head[2].strip(), sections)


def _document(model: type[Model], path: Path) -> Model:
    try:
        return read_document(model, _read(path))
    except InvalidDocumentError as exc:
        raise BookError("\n".join(f"{path.name}: {problem}" for problem in exc.problems)) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise BookError(f"{path.name}: can't be read from {path.parent} ({exc.strerror}); add it") from exc
