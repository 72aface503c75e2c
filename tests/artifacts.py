"""Copies of the shipped artifacts, to be changed by tests: with the manifest's digests put right, or left wrong."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib

from scoring.artifact import MANIFEST, MODEL, sha256

ROOT = Path(__file__).parents[1]
MODEL_FOLDER = ROOT / "artifacts" / "model"
POLICY_FOLDER = ROOT / "artifacts" / "policy"

Edit = Callable[[dict[str, Any]], Any]


def copy_model(target: Path) -> Path:
    """The manifest and the files that it vouches for, in a new folder `target`."""
    target.mkdir(parents=True)
    manifest = json.loads((MODEL_FOLDER / MANIFEST).read_bytes())
    for name in (MANIFEST, *manifest["artifacts"]):
        shutil.copyfile(MODEL_FOLDER / name, target / name)
    return target


def edit(file: Path, change: Edit) -> None:
    """Let `change` alter the JSON document in `file`."""
    document = json.loads(file.read_bytes())
    change(document)
    file.write_text(json.dumps(document, indent=2), encoding="utf-8")


def sign(folder: Path) -> None:
    """Make the manifest vouch for the files as they are now."""

    def put_right(manifest: dict[str, Any]) -> None:
        manifest["artifacts"] = {name: sha256((folder / name).read_bytes()) for name in manifest["artifacts"]}

    edit(folder / MANIFEST, put_right)


def edit_signed(folder: Path, name: str, change: Edit) -> None:
    """Alter a JSON file of the artifact and make the manifest vouch for the outcome."""
    edit(folder / name, change)
    if name != MANIFEST:
        sign(folder)


def replace_model(folder: Path, model: object) -> None:
    """Put `model` in the place of the artifact's, and make the manifest vouch for it."""
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    (folder / MODEL).write_bytes(buffer.getvalue())
    sign(folder)
