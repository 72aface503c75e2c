"""HELOC's loan book, where its data is: a model trained as the book says, asked for the data's own applications."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.applications import NUMBER, SEED, Case, cases_of
from benchmarks.environments import FOLDER, ROOT
from benchmarks.peers.assessing import load_engine
from benchmarks.servers import Kind, everything
from engine import open_model
from preprocessing.application import InvalidApplicationError
from preprocessing.contract import CONTRACT_FILE, Contract, read_contract
from scoring.artifact import ArtifactError, read_artifact
from tests.books import BOOKS, DATA, REAL
from training.tables import number, read_table

BOOK, DATA_FILE = BOOKS["heloc"], REAL / DATA["heloc"]
POLICY = BOOK / "decision_policy.json"
MADE_BY = ("preprocessing", "training")
"""What a trained model depends on, beside book and data; an artifact of another form is refused when it is opened."""


def missing() -> str | None:
    """Why there is nothing to measure, if so."""
    return None if DATA_FILE.exists() else f"{DATA_FILE.name} is not on this machine"


@cache
def trained() -> Path:
    """The model's folder: trained once, and again where something has changed that it is made of."""
    made_of = [DATA_FILE, *sorted(BOOK.iterdir())]
    made_of += [path for folder in MADE_BY for path in sorted((ROOT / folder).rglob("*.py"))]
    digest = sha256(b"".join(path.read_bytes() for path in made_of)).hexdigest()
    folder, stamp = FOLDER / "heloc_model" / "model", FOLDER / "heloc_model" / "made_of.sha256"
    if not stamp.exists() or stamp.read_text(encoding="ascii") != digest or not _opens(folder):
        print("training HELOC's model …", file=sys.stderr)
        folder.parent.mkdir(parents=True, exist_ok=True)
        (folder.parent / ".gitignore").write_text("*", encoding="ascii")
        options = ("--data", DATA_FILE, "--book", BOOK, "--out", folder, "--replace", "--quick")
        command = [sys.executable, "-m", "training", *options]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)  # noqa: S603  # its own command
        stamp.write_text(digest, encoding="ascii")
    return folder


def _opens(folder: Path) -> bool:
    try:
        open_model(read_artifact(folder))
    except ArtifactError:
        return False
    return True


def documents(contract: Contract) -> Iterator[dict[str, Any]]:
    """The data's rows in an order drawn once, as they would be sent; those that the contract refuses left out."""
    sources = {field.name: field.source for field in contract.fields if field.name != contract.reference}
    rows = [row.cells for row in read_table(DATA_FILE, contract.file).rows]
    random.Random(SEED).shuffle(rows)  # noqa: S311  # the same in every run
    for cells in rows:
        document = {name: number(str(cells[source])) for name, source in sources.items()}
        try:
            contract.parse(document)
        except InvalidApplicationError:
            continue
        yield document


@cache
def mix() -> tuple[Case, ...]:
    """As many applications as the default book is asked for."""
    contract = read_contract((BOOK / CONTRACT_FILE).read_bytes())
    drawn = islice(documents(contract), NUMBER)
    return tuple(cases_of(drawn, load_engine(trained(), POLICY), trained()))


def heloc() -> Kind:
    """The service with HELOC's model and policy."""
    paths = {"CREDIT_RISK_MODEL_PATH": str(trained()), "CREDIT_RISK_POLICY_PATH": str(POLICY)}
    return everything("heloc", mix, **paths)
