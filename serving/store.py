"""Where the served model and policy come from, and how they are verified on the way in.

Precedence, for each of the two: a path in the settings, the version that the Bento pins, the store's latest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bentoml

from decision import InvalidPolicyError, PolicyFiles, read_policy
from decision.files import POLICY_FILE
from engine import check_fit, open_model
from preprocessing.contract import Contract
from scoring.artifact import (
    Artifact,
    ArtifactError,
    DigestMismatchError,
    MissingFileError,
    read_artifact,
)
from scoring.attribution import Attributor
from scoring.distribution import TrainingDistribution
from scoring.scorer import Scorer
from serving.entries import MODEL_ENTRY, POLICY_ENTRY
from serving.settings import Settings
from serving.vouching import SIGNED_BY, TrustedKeyError, read_trusted_keys


class UnvouchedEntryError(ArtifactError):
    """A trusted key is set, and what is in the store was not signed by it."""


@dataclass(frozen=True)
class Served:
    """A verified model and policy.

    Attributes:
        scorer: the model, its golden applications reproduced in this process.
        attributor: its attributions, which add up on them.
        policy: the policy with its reasons, its examples passed.
        distribution: the training data in bins.
        contents: the very bytes of all files, by name.
        digests: their SHA-256, by name.
        signed_by: the fingerprint of the key that vouched for the model and for the policy; None where none did.
    """

    scorer: Scorer
    attributor: Attributor
    policy: PolicyFiles
    distribution: TrainingDistribution
    contents: dict[str, bytes]
    digests: dict[str, str]
    signed_by: dict[str, str | None]


def load_served(settings: Settings, bento: bentoml.Bento | None) -> Served:
    """Find, verify and open what is to be served.

    Raises:
        ArtifactError: the model must not be served, or isn't there.
        InvalidPolicyError: the policy can't be used, or not with this model.
    """
    artifact, of_model = _model(settings.model_path, bento)
    policy, of_policy = _rules(settings.policy_path, bento, artifact.contract)
    signed_by = {"model": of_model, "policy": of_policy}
    if settings.trusted_key:
        _check_vouched(signed_by, settings.trusted_key)
    scorer, attributor = open_model(artifact)
    check_fit(artifact, policy)
    contents = {**artifact.contents, **policy.contents}
    digests = {**artifact.digests, **policy.digests}
    return Served(scorer, attributor, policy, artifact.distribution, contents, digests, signed_by)


def stored_artifact() -> Artifact:
    """The store's latest model, its pickle unopened.

    Raises:
        ArtifactError: the model is not there, is damaged, or is not what was imported.
    """
    return _artifact(_stored(MODEL_ENTRY, None))


def stored_files(tag: str, keys: Iterable[Path] | None) -> tuple[Path, dict[str, str]]:
    """The folder of an entry of the store, and the SHA-256 of each of its files when it was imported; none is read.

    Args:
        tag: name and version.
        keys: public keys of which one must have vouched for it; None where nobody needs to.

    Raises:
        ArtifactError: it isn't there, or nobody has vouched for it.
    """
    entry = _named(tag)
    metadata = _metadata(entry)
    if keys is not None:
        _check_vouched({tag: metadata.get(SIGNED_BY)}, keys)
    return Path(entry.path), dict(metadata.get("sha256") or {})


def _model(path: Path | None, bento: bentoml.Bento | None) -> tuple[Artifact, str | None]:
    """The model, and the key that vouched for it; nobody does for what a path names."""
    if path is not None:
        return read_artifact(path), None
    entry = _stored(MODEL_ENTRY, bento)
    return _artifact(entry), _metadata(entry).get(SIGNED_BY)


def _rules(path: Path | None, bento: bentoml.Bento | None, contract: Contract) -> tuple[PolicyFiles, str | None]:
    """The same of the policy."""
    if path is not None:
        return read_policy(path, contract), None
    entry = _stored(POLICY_ENTRY, bento)
    return _policy(entry, contract), _metadata(entry).get(SIGNED_BY)


def _artifact(entry: bentoml.Model) -> Artifact:
    """A model of the store.

    The manifest lies beside the files that it vouches for: who changes one can change the other. So the entry's
    metadata, written when everything was verified, must vouch for all of them.
    """
    artifact = read_artifact(Path(entry.path))
    if artifact.digests != _metadata(entry).get("sha256"):
        raise DigestMismatchError(_not_imported(entry))
    return artifact


def _policy(entry: bentoml.Model, contract: Contract) -> PolicyFiles:
    """A policy of the store; it carries no digest of itself, so the entry's metadata vouches for it."""
    policy = read_policy(Path(entry.path) / POLICY_FILE, contract)
    if policy.digests != _metadata(entry).get("sha256"):
        raise InvalidPolicyError(_not_imported(entry))
    return policy


def _check_vouched(signed_by: Mapping[str, str | None], keys: Iterable[Path]) -> None:
    try:
        trusted = {key.fingerprint for key in read_trusted_keys(keys)}
    except TrustedKeyError as exc:
        raise UnvouchedEntryError(str(exc)) from exc
    for what, by in signed_by.items():
        if by not in trusted:
            whom = (
                f"sha256 {by[:12]}… vouched for it, which is none of the trusted keys"
                if by
                else "nobody vouched for it"
            )
            raise UnvouchedEntryError(
                f"the {what} in the store: {whom}; have a trusted key sign its folder, and import it with --trusted-key"
            )


def _metadata(entry: bentoml.Model) -> dict[str, Any]:
    metadata = entry.info.metadata
    return metadata if isinstance(metadata, dict) else {}


def _not_imported(entry: bentoml.Model) -> str:
    return f"{entry.tag} in the store is not what was imported; delete the entry and import again"


def _stored(entry: str, bento: bentoml.Bento | None) -> bentoml.Model:
    pinned = [info.tag for info in bento.info.all_models if info.tag.name == entry] if bento is not None else []
    return _named(str(pinned[0])) if pinned else _named(f"{entry}:latest", exact=False)


def _named(tag: str, *, exact: bool = True) -> bentoml.Model:
    missing = MissingFileError(f"the model store has no usable {tag}; run `python import_model.py`")
    try:
        stored = bentoml.models.get(tag)
    except Exception as exc:  # whatever half a file makes BentoML raise
        raise missing from exc
    if exact and str(stored.tag) != tag:  # the store also finds a tag by its beginning
        raise missing
    return stored
