"""The model artifact: a folder of files, and the manifest that vouches for every one of them.

Reading goes in this order: manifest, digests, library versions, coherence, golden applications; the pickle is opened
last, and from the very bytes whose digest was checked. Importing and serving both come through here.

    ArtifactError
    +-- MissingFileError          a file is not there, or can't be read
    +-- DigestMismatchError       a file's bytes are not those the manifest vouches for
    +-- IncompatibleVersionError  the libraries here are not those the model was trained with
    +-- IncoherentArtifactError   manifest, schema, model and golden applications contradict each other
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import joblib
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sklearn.ensemble import GradientBoostingClassifier

from preprocessing.features import FeatureSchema

MANIFEST = "model_metadata.json"
MODEL = "gradient_boosting_model.joblib"
SCHEMA = "feature_schema.json"
GOLDEN = "golden_applications.json"
CARD = "model_card.md"

PINNED_LIBRARIES = ("scikit-learn", "numpy", "joblib")
"""Whose versions must equal those in the manifest: a pickle carries no promise across versions of these."""


class ArtifactError(ValueError):
    """An artifact that must not be served; the message is one line with the remedy."""


class MissingFileError(ArtifactError):
    """A file of the artifact is missing or unreadable."""


class DigestMismatchError(ArtifactError):
    """A file's bytes differ from those the manifest vouches for."""


class IncompatibleVersionError(ArtifactError):
    """A library here differs from the one the model was trained with."""


class IncoherentArtifactError(ArtifactError):
    """Parts of the artifact contradict each other."""


Model = TypeVar("Model", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Manifest(_Strict):
    """`model_metadata.json`: what the model is, what it was made of, and the digest of every other file.

    Attributes:
        format: of this file.
        features: the columns in the order in which the model was fitted.
        libraries: distribution name to version, as installed when the model was fitted.
        artifacts: file name to SHA-256, hexadecimal.
        training_data: source, digest and row counts of the data.
        evaluation: the split, the seed, and the metrics with their spread over folds.
    """

    format: Literal[1]
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    version: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
    created: date
    estimator: str
    parameters: dict[str, int | float | str | None]
    features: list[str]
    libraries: dict[str, str]
    training_data: dict[str, Any]
    evaluation: dict[str, Any]
    artifacts: dict[str, Sha256]


class GoldenApplication(_Strict):
    """A hand-written application and the probability of default that the model gives it."""

    name: str
    application: dict[str, Any]
    probability_of_default: Annotated[float, Field(ge=0, le=1)]


class GoldenApplications(_Strict):
    """`golden_applications.json`."""

    format: Literal[1]
    applications: Annotated[list[GoldenApplication], Field(min_length=1)]


@dataclass(frozen=True)
class Artifact:
    """A verified artifact, held as bytes so that what was checked is what is used.

    Attributes:
        manifest: the parsed manifest.
        schema: features and cleaning constants.
        golden: applications with the PDs that the model must reproduce.
        contents: file name to bytes, the manifest included.
    """

    manifest: Manifest
    schema: FeatureSchema
    golden: GoldenApplications
    contents: Mapping[str, bytes]

    @property
    def digests(self) -> dict[str, str]:
        """File name to SHA-256 of every file, the manifest included."""
        return {name: sha256(content) for name, content in sorted(self.contents.items())}


def sha256(content: bytes) -> str:
    """Hexadecimal SHA-256 of `content`."""
    return hashlib.sha256(content).hexdigest()


def read_artifact(folder: Path) -> Artifact:
    """Read and verify a model artifact without opening its pickle.

    Raises:
        ArtifactError: see the module's tree.
    """
    manifest_bytes = _read(folder / MANIFEST)
    manifest = _parse(Manifest, MANIFEST, manifest_bytes)
    missing = {MODEL, SCHEMA, GOLDEN} - manifest.artifacts.keys()
    if missing:
        raise IncoherentArtifactError(f"{MANIFEST} vouches for no {', '.join(sorted(missing))}; train again")
    contents = {MANIFEST: manifest_bytes}
    for name, expected in manifest.artifacts.items():
        if Path(name).name != name:
            raise IncoherentArtifactError(f"{MANIFEST} names {name!r}, which is not a plain file name; train again")
        contents[name] = _read(folder / name)
        actual = sha256(contents[name])
        if actual != expected:
            raise DigestMismatchError(
                f"{name}: its sha256 is {actual[:12]}… but {MANIFEST} vouches for {expected[:12]}…; "
                "restore the file, or train again"
            )
    _check_libraries(manifest)
    schema = _parse(FeatureSchema, SCHEMA, contents[SCHEMA])
    if schema.features != manifest.features:
        raise IncoherentArtifactError(
            f"{SCHEMA} and {MANIFEST} list different features or another order "
            f"({len(schema.features)} and {len(manifest.features)}); train again"
        )
    golden = _parse(GoldenApplications, GOLDEN, contents[GOLDEN])
    return Artifact(manifest, schema, golden, contents)


def load_estimator(artifact: Artifact) -> GradientBoostingClassifier:
    """Open the pickle of a verified artifact.

    Raises:
        IncoherentArtifactError: the model is not what the manifest and the schema describe.
    """
    model = joblib.load(io.BytesIO(artifact.contents[MODEL]))
    if not isinstance(model, GradientBoostingClassifier):
        raise IncoherentArtifactError(f"{MODEL} holds a {type(model).__name__}, not a GradientBoostingClassifier")
    if model.n_features_in_ != len(artifact.schema.features):
        raise IncoherentArtifactError(
            f"{MODEL} was fitted on {model.n_features_in_} features but {SCHEMA} lists "
            f"{len(artifact.schema.features)}; train again"
        )
    if list(model.classes_) != [0, 1]:
        raise IncoherentArtifactError(
            f"{MODEL} was not fitted on the classes 0 (repaid) and 1 (defaulted); train again"
        )
    return model


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise MissingFileError(
            f"{path.name}: can't be read from {path.parent} ({exc.strerror}); restore it, or run `python -m training`"
        ) from exc


def _parse(model: type[Model], name: str, content: bytes) -> Model:
    try:
        return model.model_validate_json(content)
    except ValidationError as exc:
        error = exc.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, error["loc"]))
        message = error["msg"].removeprefix("Value error, ")
        raise IncoherentArtifactError(f"{name}{f' at {place}' if place else ''}: {message}") from exc


def _check_libraries(manifest: Manifest) -> None:
    for library in PINNED_LIBRARIES:
        trained, here = manifest.libraries.get(library), installed_version(library)
        if trained != here:
            raise IncompatibleVersionError(
                f"{MANIFEST}: trained with {library} {trained or 'of unknown version'} but {here} is installed; "
                f"install {library}=={trained}, or train again"
            )
