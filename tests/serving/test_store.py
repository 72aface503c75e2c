from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bentoml
import numpy as np
import pytest
import yaml

from decision import InvalidPolicyError, PolicyFiles, read_policy
from decision.files import CATALOGUE_FILE, POLICY_FILE
from engine import GOLDEN_TOLERANCE, check_fit, open_model
from import_model import Entry, model_entry, policy_entry, save
from scoring.artifact import (
    GOLDEN,
    MANIFEST,
    MODEL,
    Artifact,
    ArtifactError,
    DigestMismatchError,
    IncoherentArtifactError,
    MissingFileError,
    read_artifact,
    sha256,
)
from scoring.scorer import Scorer
from serving.settings import Settings
from serving.store import MODEL_ENTRY, POLICY_ENTRY, Served, load_served
from tests.applications import CONTRACT
from tests.artifacts import MODEL_FOLDER, POLICY_FOLDER, edit, edit_signed, small_model
from tests.stores import model_store

Change = dict[str, Any]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models 9.0.1, 9.0.10 and 9.0.11, and policies of the same versions."""
    root = tmp_path_factory.mktemp("artifacts")
    for version in ("9.0.1", "9.0.10", "9.0.11"):
        change = {"version": version}
        edit(small_model(root / "model" / version) / MANIFEST, lambda manifest, change=change: manifest.update(change))
        shutil.copytree(POLICY_FOLDER, root / "policy" / version)
        edit(root / "policy" / version / POLICY_FILE, lambda policy, change=change: policy.update(change))
    return root


@pytest.fixture(scope="module")
def artifact(folders: Path) -> Artifact:
    return read_artifact(folders / "model" / "9.0.1")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    with model_store(tmp_path / "home") as models:
        yield models


def entries(folders: Path, version: str) -> list[Entry]:
    return [
        model_entry(read_artifact(folders / "model" / version)),
        policy_entry(read_policy(folders / "policy" / version / POLICY_FILE, CONTRACT)),
    ]


def pin(**versions: str) -> Any:
    """What load_served reads of a Bento: the tags that it was built with."""
    tags = [bentoml.Tag(name, version) for name, version in versions.items()]
    return SimpleNamespace(info=SimpleNamespace(all_models=[SimpleNamespace(tag=tag) for tag in tags]))


def served_versions(served: Served) -> tuple[str, str]:
    return served.scorer.manifest.version, served.policy.policy.version


@pytest.mark.usefixtures("store")
class TestPrecedence:
    def test_latest(self, folders: Path) -> None:
        """From a checkout the store's latest are served, by time of import and not by number."""
        save(entries(folders, "9.0.10"))
        save(entries(folders, "9.0.1"))
        assert served_versions(load_served(Settings(), None)) == ("9.0.1", "9.0.1")

    def test_pin_before_latest(self, folders: Path) -> None:
        """A Bento serves what it was built with, each of the two by itself."""
        save(entries(folders, "9.0.1"))
        save(entries(folders, "9.0.10"))
        bento = pin(**{"other_model": "7", MODEL_ENTRY: "9.0.1", POLICY_ENTRY: "9.0.10"})
        assert served_versions(load_served(Settings(), bento)) == ("9.0.1", "9.0.10")
        assert served_versions(load_served(Settings(), pin(**{POLICY_ENTRY: "9.0.1"}))) == ("9.0.10", "9.0.1")

    def test_path_before_pin(self, folders: Path) -> None:
        """A path in the settings is served before anything else, each of the two by itself."""
        save(entries(folders, "9.0.1"))
        bento = pin(**{MODEL_ENTRY: "9.0.1", POLICY_ENTRY: "9.0.1"})
        model = Settings(model_path=folders / "model" / "9.0.10")
        policy = Settings(policy_path=folders / "policy" / "9.0.10" / POLICY_FILE)
        assert served_versions(load_served(model, bento)) == ("9.0.10", "9.0.1")
        assert served_versions(load_served(policy, bento)) == ("9.0.1", "9.0.10")

    def test_paths_need_no_store(self, folders: Path) -> None:
        """With both paths set the store may be empty."""
        paths = Settings(
            model_path=folders / "model" / "9.0.1", policy_path=folders / "policy" / "9.0.10" / POLICY_FILE
        )
        assert served_versions(load_served(paths, None)) == ("9.0.1", "9.0.10")

    def test_digests(self, folders: Path) -> None:
        """What is served is told by the digest of every one of its files."""
        model, policy = entries(folders, "9.0.1")
        save([model, policy])
        assert load_served(Settings(), None).digests == model.metadata["sha256"] | policy.metadata["sha256"]


@pytest.mark.usefixtures("store")
class TestMissing:
    def test_empty_store(self) -> None:
        """An empty store is an error that says how to fill it."""
        with pytest.raises(MissingFileError, match=rf"{MODEL_ENTRY}:latest; run `python import_model\.py`$"):
            load_served(Settings(), None)

    def test_no_policy(self, folders: Path) -> None:
        """A store without a policy is the same error about the policy."""
        save(entries(folders, "9.0.1")[:1])
        with pytest.raises(MissingFileError, match=rf"{POLICY_ENTRY}:latest; run `python import_model\.py`$"):
            load_served(Settings(), None)

    @pytest.mark.parametrize("entry", [MODEL_ENTRY, POLICY_ENTRY])
    @pytest.mark.parametrize("others", [["9.0.10"], ["9.0.10", "9.0.11"]], ids=len)
    def test_pinned_version(self, folders: Path, entry: str, others: list[str]) -> None:
        """Where the pinned version is gone, no other is served in its place, one of a longer number neither."""
        for version in others:
            save(entries(folders, version))
        with pytest.raises(MissingFileError, match=f"{entry}:9.0.1;"):
            load_served(Settings(), pin(**{entry: "9.0.1"}))

    @pytest.mark.parametrize("content", [None, b"", b"name: x", b"\t{"])
    @pytest.mark.parametrize("entry", [MODEL_ENTRY, POLICY_ENTRY])
    def test_damaged_entry(self, folders: Path, store: Path, entry: str, content: bytes | None) -> None:
        """An entry that an import was killed on is an error like a missing one, and no crash."""
        save(entries(folders, "9.0.1"))
        description = store / entry / "9.0.1" / "model.yaml"
        description.unlink() if content is None else description.write_bytes(content)
        with pytest.raises(MissingFileError, match=f"{entry}:latest; run"):
            load_served(Settings(), None)

    def test_settings_name_nothing(self, tmp_path: Path) -> None:
        """A path to nothing is an error, and the store is not asked instead."""
        with pytest.raises(MissingFileError, match=f"{MANIFEST}: can't be read from {tmp_path}"):
            load_served(Settings(model_path=tmp_path), None)


@pytest.mark.usefixtures("store")
class TestVerification:
    def test_model_is_verified_again(self, folders: Path, store: Path) -> None:
        """One byte changed in the store since the import keeps the model from being opened."""
        save(entries(folders, "9.0.1"))
        file = store / MODEL_ENTRY / "9.0.1" / MODEL
        file.write_bytes(file.read_bytes()[:-1] + b"?")
        with pytest.raises(ArtifactError, match=f"{MODEL}: its sha256 is"):
            load_served(Settings(), None)

    @pytest.mark.parametrize("named", [MODEL, GOLDEN], ids=["the model", "what it is tested by"])
    def test_a_model_that_vouches_for_itself(self, folders: Path, store: Path, named: str) -> None:
        """Who changes a file can change the manifest beside it: the digests of the import are held against both."""
        save(entries(folders, "9.0.1"))
        folder = store / MODEL_ENTRY / "9.0.1"
        (folder / named).write_bytes((folder / named).read_bytes() + b"\n")
        edit(folder / MANIFEST, lambda m: m["artifacts"].update({named: sha256((folder / named).read_bytes())}))
        read_artifact(folder)  # by itself it is as good as before
        refused = rf"^{MODEL_ENTRY}:9\.0\.1 in the store is not what was imported; delete the entry and import again$"
        with pytest.raises(DigestMismatchError, match=refused):
            load_served(Settings(), None)

    @pytest.mark.parametrize("entry", [MODEL_ENTRY, POLICY_ENTRY])
    @pytest.mark.parametrize("metadata", [{}, {"sha256": {}}, {"sha256": "abc"}])
    def test_an_entry_that_nobody_vouches_for(
        self, folders: Path, store: Path, entry: str, metadata: dict[str, Any]
    ) -> None:
        """Without the digests of an import an entry was made by something else, and is not served."""
        save(entries(folders, "9.0.1"))
        description = store / entry / "9.0.1" / "model.yaml"
        description.write_text(yaml.safe_dump(yaml.safe_load(description.read_text()) | {"metadata": metadata}))
        with pytest.raises((DigestMismatchError, InvalidPolicyError), match=f"{entry}:9.0.1 in the store is not what"):
            load_served(Settings(), None)

    def test_policy_is_verified(self, folders: Path, tmp_path: Path) -> None:
        """A policy that can't be used is refused, from wherever it came."""
        policy = tmp_path / POLICY_FILE
        shutil.copy(POLICY_FOLDER / CATALOGUE_FILE, tmp_path)
        policy.write_text("{}")
        settings = Settings(model_path=folders / "model" / "9.0.1", policy_path=policy)
        with pytest.raises(InvalidPolicyError, match=POLICY_FILE):
            load_served(settings, None)

    def test_model_and_policy_must_fit(self, artifact: Artifact) -> None:
        """A policy that rejects applicants like the model's reference population could not give them reasons."""
        files = read_policy(POLICY_FOLDER / POLICY_FILE, CONTRACT)
        edge = artifact.manifest.reference_population.pd_below

        def approving_below(threshold: float) -> PolicyFiles:
            thresholds = files.policy.thresholds.model_copy(update={"approve_below": threshold})
            return replace(files, policy=files.policy.model_copy(update={"thresholds": thresholds}))

        check_fit(artifact, approving_below(edge))
        with pytest.raises(InvalidPolicyError, match=r"^thresholds\.approve_below: .*; rebuild the tables"):
            check_fit(artifact, approving_below(float(np.nextafter(edge, 0))))

    def test_every_scored_field_needs_a_reason(self, artifact: Artifact) -> None:
        """A factor that no reason takes up would be left out of what the applicant is told."""
        files = read_policy(POLICY_FOLDER / POLICY_FILE, CONTRACT)
        fewer = [entry for entry in files.catalogue.reasons if entry.code != "INTEREST_RATE"]
        lacking = replace(files, catalogue=files.catalogue.model_copy(update={"reasons": tuple(fewer)}))
        with pytest.raises(InvalidPolicyError, match="no reason takes up loan_int_rate; add each"):
            check_fit(artifact, lacking)


class TestOpenModel:
    def test_shipped(self) -> None:
        """The artifact in the repository does here what it did in training."""
        artifact = read_artifact(MODEL_FOLDER)
        scorer, attributor = open_model(artifact)
        assert isinstance(scorer, Scorer)
        margin = np.array([artifact.manifest.reference_population.base_value])
        assert attributor.base_value == artifact.calibration.apply(margin)[0]

    @pytest.mark.parametrize("off", [2e-9, 0.1])
    def test_golden_pd_off(self, tmp_path: Path, off: float) -> None:
        """A golden PD that is off by more than processors differ is refused, and the file is named."""
        folder = small_model(tmp_path / "model")

        def shift(document: Change) -> None:
            golden = document["applications"][2]
            golden["probability_of_default"] += off if golden["probability_of_default"] < 0.5 else -off

        edit_signed(folder, GOLDEN, shift)
        with pytest.raises(IncoherentArtifactError, match=rf"^{GOLDEN}: .* more than {GOLDEN_TOLERANCE}; train again$"):
            open_model(read_artifact(folder))

    def test_golden_pd_off_by_less(self, tmp_path: Path) -> None:
        """A golden PD that is off by less is the processor's doing."""
        folder = small_model(tmp_path / "model")

        def shift(document: Change) -> None:
            golden = document["applications"][2]
            golden["probability_of_default"] += 9e-10 if golden["probability_of_default"] < 0.5 else -9e-10

        edit_signed(folder, GOLDEN, shift)
        open_model(read_artifact(folder))

    def test_not_a_number(self, artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
        """A deviation that is no number is refused: comparing it with anything is false."""
        monkeypatch.setattr(Scorer, "golden_deviation", lambda _: float("nan"))
        with pytest.raises(IncoherentArtifactError, match="is off by nan"):
            open_model(artifact)

    def test_tables_of_another_model(self, artifact: Artifact) -> None:
        """Attribution tables that do not belong to the model's leaves are refused."""
        short = replace(artifact.tables, values=artifact.tables.values[:-1])
        with pytest.raises(IncoherentArtifactError, match="rebuild the tables"):
            open_model(replace(artifact, tables=short))

    def test_tables_that_do_not_add_up(self, artifact: Artifact) -> None:
        """Attributions that miss the log-odds of a golden application are refused."""
        shifted = replace(artifact.tables, base_value=artifact.tables.base_value + 1e-8)
        with pytest.raises(IncoherentArtifactError, match=r"miss its log-odds by \d.*e-08; rebuild the tables"):
            open_model(replace(artifact, tables=shifted))
