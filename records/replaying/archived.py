"""A model and policy out of a store's archive, by the digests of their files."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from decision import PolicyFiles, read_policy
from decision.files import CATALOGUE_FILE, POLICY_FILE
from records.errors import NotArchivedError
from records.stores.base import Store
from scoring.artifact import Artifact, read_artifact


def archived_files(store: Store, digests: Mapping[str, str]) -> tuple[Artifact, PolicyFiles]:
    """Read and check them, as they were when they were served.

    Args:
        store: whose archive.
        digests: SHA-256 of each file, by its name.

    Raises:
        NotArchivedError: a file is missing.
        ArtifactError, InvalidPolicyError: what there is can't be used by this version.
    """
    contents = {name: store.archived(digest) for name, digest in digests.items()}
    if missing := sorted(name for name, content in contents.items() if content is None):
        raise NotArchivedError(f"{missing[0]} is missing from the archive, or changed there")
    with tempfile.TemporaryDirectory(prefix="archived-") as folder:
        for name, content in contents.items():
            assert content is not None
            (Path(folder) / name).write_bytes(content)
        artifact = read_artifact(Path(folder))
        return artifact, read_policy(Path(folder) / POLICY_FILE, artifact.contract, Path(folder) / CATALOGUE_FILE)
