"""Verify the artifacts and put them into the BentoML model store: `python import_model.py --help`.

Model and policy are separate entries with versions of their own. Everything is verified before anything is written,
so a refused import leaves the store as it was.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")  # no usage statistics leave a lender's machine

import bentoml
from bentoml.exceptions import BentoMLException, NotFound

from decision import InvalidPolicyError
from scoring.artifact import Artifact, ArtifactError, IncoherentArtifactError, read_artifact, sha256
from scoring.scorer import Scorer
from serving.store import MODEL_ENTRY, POLICY_ENTRY, POLICY_FILE, read_policy, verify_golden

ROOT = Path(__file__).resolve().parent


class ImportRefusedError(ValueError):
    """The store holds something that this import would contradict."""


def import_model(folder: Path) -> bentoml.Tag:
    """Verify the model artifact in `folder` and save it, byte for byte, under the manifest's version.

    Returns:
        The tag in the store; the same one, with nothing written, where the same bytes are already there.

    Raises:
        ArtifactError: the artifact must not be served.
        ImportRefusedError: the store holds other bytes under this version.
    """
    artifact = read_artifact(folder)
    verify_golden(Scorer(artifact))
    manifest = artifact.manifest
    if manifest.name != MODEL_ENTRY:
        raise IncoherentArtifactError(f"the manifest names {manifest.name}; this service serves {MODEL_ENTRY}")
    return _save(
        f"{MODEL_ENTRY}:{manifest.version}",
        artifact.contents,
        labels={"kind": "model", "framework": "scikit-learn"},
        metadata=_metadata(artifact),
    )


def import_policy(path: Path) -> bentoml.Tag:
    """Verify the policy file at `path` and save it under its own version; see `import_model`.

    Raises:
        InvalidPolicyError: the policy can't be used.
        ImportRefusedError: the store holds other bytes under this version.
    """
    content, policy = read_policy(path)
    return _save(
        f"{POLICY_ENTRY}:{policy.version}",
        {POLICY_FILE: content},
        labels={"kind": "policy"},
        metadata={
            "version": policy.version,
            "effective_date": policy.effective_date.isoformat(),
            "sha256": sha256(content),
        },
    )


def _metadata(artifact: Artifact) -> dict[str, Any]:
    manifest = artifact.manifest
    return {
        "version": manifest.version,
        "created": manifest.created.isoformat(),
        "features": list(manifest.features),
        "libraries": dict(manifest.libraries),
        "sha256": artifact.digests,
    }


def _save(tag: str, contents: Mapping[str, bytes], *, labels: dict[str, str], metadata: dict[str, Any]) -> bentoml.Tag:
    there = _stored(tag, contents)
    if there == contents:
        return bentoml.Tag.from_taglike(tag)
    if there is not None and there.keys() == contents.keys():
        raise ImportRefusedError(f"the store holds {tag} with other bytes; give the changed artifact its own version")
    if there is not None:
        # An import that was killed half-way leaves an incomplete entry, which nothing can have served.
        print(f"{tag} in the store is incomplete; importing it again", file=sys.stderr)
        bentoml.models.delete(tag)
    with bentoml.models.create(tag, labels=labels, metadata=metadata) as model:
        for name, content in contents.items():
            Path(model.path_of(name)).write_bytes(content)
    return model.tag


def _stored(tag: str, names: Iterable[str]) -> dict[str, bytes] | None:
    """A store entry's files of these names; empty where the entry is damaged, None where there is none."""
    try:
        model = bentoml.models.get(tag)
    except NotFound:
        return None
    except BentoMLException:
        return {}
    if str(model.tag) != tag:  # the store also finds a tag by its beginning
        return None
    paths = {name: Path(model.path_of(name)) for name in names}
    return {name: path.read_bytes() for name, path in paths.items() if path.is_file()}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 when all was imported, 1 when it was refused, with one line on standard error."""
    parser = argparse.ArgumentParser(prog="import_model.py", description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, default=ROOT / "artifacts" / "model", help="folder of the model artifact")
    parser.add_argument(
        "--policy", type=Path, help="import this policy file alone (default: the model, and artifacts/policy)"
    )
    options = parser.parse_args(arguments)
    default_policy = ROOT / "artifacts" / "policy" / POLICY_FILE
    try:
        if options.policy is not None:
            tags = [import_policy(options.policy)]
        else:
            read_policy(default_policy)  # before the model is saved: either both are imported or neither
            tags = [import_model(options.model), import_policy(default_policy)]
    except InvalidPolicyError as exc:
        return _refuse(f"{options.policy or default_policy}: " + "; ".join(str(exc).splitlines()))
    except (ArtifactError, ImportRefusedError, BentoMLException) as exc:
        return _refuse(str(exc))
    for tag in tags:
        print(tag)
    return 0


def _refuse(message: str) -> int:
    print(f"import refused: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
