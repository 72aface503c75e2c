"""A service starts while newer versions are imported: it serves the old or the new, and is never not ready for it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from decision.files import POLICY_FILE
from scoring.artifact import MANIFEST
from tests.artifacts import POLICY_FOLDER, edit, edit_signed, small_model
from tests.servers import run_python

NEW_MODEL, NEW_POLICY = "9.9.9", "8.8.8"


@pytest.mark.slow
def test_a_start_beside_an_import(tmp_path: Path) -> None:
    """Whichever of the two is interrupted by the other, and at whichever of its steps."""
    old = small_model(tmp_path / "old")
    shutil.copytree(old, tmp_path / "new")
    edit_signed(tmp_path / "new", MANIFEST, lambda manifest: manifest.update(version=NEW_MODEL))
    shutil.copytree(POLICY_FOLDER, tmp_path / "policy")
    edit(tmp_path / "policy" / POLICY_FILE, lambda policy: policy.update(version=NEW_POLICY))
    versions = (
        {json.loads((old / MANIFEST).read_bytes())["version"], NEW_MODEL},
        {json.loads((POLICY_FOLDER / POLICY_FILE).read_bytes())["version"], NEW_POLICY},
    )

    printed = run_python(
        "tests/faults/raced_import.py",
        *(tmp_path / "new", tmp_path / "policy" / POLICY_FILE, tmp_path / "home"),
        home=tmp_path,
        PYTHONPATH=".",
    )

    outcomes = [line.partition(" ") for line in printed.splitlines()]
    assert {"import", "start"} == {way for way, _, _ in outcomes}
    assert len(outcomes) > 20
    for way, _, served in outcomes:
        assert served in {f"{model} {policy}" for model in versions[0] for policy in versions[1]}, way
    assert f"{NEW_MODEL} {NEW_POLICY}" in {served for _, _, served in outcomes}
