"""The model artifact: a folder of files, and the manifest that vouches for every one of them.

Reading goes in this order: manifest, digests, library versions, coherence; all from the very bytes whose digest was
checked. Importing and serving both come through here. Nothing here opens the pickle: see `scoring.estimator`.

    ArtifactError
    +-- MissingFileError          a file is not there, or can't be read
    +-- DigestMismatchError       a file's bytes are not those the manifest vouches for
    +-- IncompatibleVersionError  the libraries here are not those the model was trained with
    +-- IncoherentArtifactError   manifest, schema, model and golden applications contradict each other
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from preprocessing.base import Direction
from preprocessing.contract import CONTRACT_FILE, Contract, InvalidContractError, read_contract
from preprocessing.documents import InvalidDocumentError, Strict, read_document
from preprocessing.documents import Model as Document
from preprocessing.features import FeatureSchema, SchemaFile
from scoring.attribution import Tables
from scoring.calibration import Calibration
from scoring.distribution import TrainingDistribution
from scoring.trees import Trees

MANIFEST = "model_metadata.json"
MODEL = "gradient_boosting_model.joblib"
ENSEMBLE = "ensemble.npz"
SCHEMA = "feature_schema.json"
GOLDEN = "golden_applications.json"
CALIBRATION = "calibration.json"
TABLES = "attribution_tables.npz"
DISTRIBUTION = "training_distribution.json"
CARD = "model_card.md"

NEEDED = frozenset({MODEL, ENSEMBLE, CONTRACT_FILE, SCHEMA, CALIBRATION, GOLDEN, TABLES, DISTRIBUTION})
"""What the manifest must vouch for."""

REBUILD = "rebuild the tables with `python -m training rebuild-tables`"
"""The remedy where only the reference population or its tables are wrong."""

PINNED_LIBRARIES = ("numpy",)
"""Whose versions must equal those in the manifest: no PD is promised across versions of these."""


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


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class ReferencePopulation(Strict):
    """Whom attributions compare an applicant with: marginally approved applicants of the training data.

    Attributes:
        size: applicants.
        pd_from: their PDs lie from here …
        pd_below: … to below here.
        policy_version: the policy that approves them.
        base_value: their mean margin, in log-odds before calibration.
    """

    size: Annotated[int, Field(ge=1)]
    pd_from: Annotated[float, Field(ge=0, lt=1)]
    pd_below: Annotated[float, Field(gt=0, le=1)]
    policy_version: str
    base_value: float


class Manifest(Strict):
    """`model_metadata.json`: what the model is, what it was made of, and the digest of every other file.

    Attributes:
        format: of this file.
        features: the columns in the order in which the model was fitted.
        directions: of fields, column by column proven from the trees for every input; see `scoring.directions`.
        missing_is_worst: fields that it is never better to leave out.
        libraries: distribution name to version, as installed when the model was fitted.
        reference_population: whom attributions compare with.
        artifacts: file name to SHA-256, hexadecimal.
        training_data: source, digest and row counts of the data.
        evaluation: the split, the seed, and the metrics with their spread over folds.
    """

    format: Literal[3]
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    version: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
    created: date
    estimator: str
    parameters: dict[str, int | float | str | None]
    features: list[str]
    directions: dict[str, Direction]
    missing_is_worst: list[str]
    libraries: dict[str, str]
    training_data: dict[str, Any]
    evaluation: dict[str, Any]
    reference_population: ReferencePopulation
    artifacts: dict[str, Sha256]


class GoldenApplication(Strict):
    """A hand-written application and the probability of default that the model gives it."""

    name: str
    application: dict[str, Any]
    probability_of_default: Annotated[float, Field(ge=0, le=1)]


class GoldenApplications(Strict):
    """`golden_applications.json`."""

    format: Literal[1]
    applications: Annotated[list[GoldenApplication], Field(min_length=1)]


@dataclass(frozen=True)
class Artifact:
    """A verified artifact, held as bytes so that what was checked is what is used.

    Attributes:
        manifest: the parsed manifest.
        schema: what the contract makes of an application, with the cleaning constants.
        golden: applications with the PDs that the model must reproduce.
        trees: the model itself.
        calibration: from the trees' log-odds to calibrated ones.
        tables: attributions by leaf and pattern, against the reference population.
        distribution: the training data in bins.
        contents: file name to bytes, the manifest included.
    """

    manifest: Manifest
    schema: FeatureSchema
    golden: GoldenApplications
    trees: Trees
    calibration: Calibration
    tables: Tables
    distribution: TrainingDistribution
    contents: Mapping[str, bytes]

    @property
    def contract(self) -> Contract:
        """The loan book's."""
        return self.schema.contract

    @property
    def digests(self) -> dict[str, str]:
        """File name to SHA-256 of every file, the manifest included; the others' it vouches for."""
        return dict(sorted({**self.manifest.artifacts, MANIFEST: sha256(self.contents[MANIFEST])}.items()))


def sha256(content: bytes) -> str:
    """Hexadecimal SHA-256 of `content`."""
    return hashlib.sha256(content).hexdigest()


def read_artifact(folder: Path) -> Artifact:
    """Read and verify a model artifact; its pickle is bytes like others.

    Raises:
        ArtifactError: see the module's tree.
    """
    manifest_bytes = _read(folder / MANIFEST)
    manifest = _parse(Manifest, MANIFEST, manifest_bytes)
    missing = NEEDED - manifest.artifacts.keys()
    if missing:
        raise IncoherentArtifactError(f"{MANIFEST} vouches for no {', '.join(sorted(missing))}; train again")
    contents = {MANIFEST: manifest_bytes}
    for name, expected in manifest.artifacts.items():
        if not _FILE_NAME.fullmatch(name):
            raise IncoherentArtifactError(f"{MANIFEST} names {name!r}, which is not a plain file name; train again")
        contents[name] = _read(folder / name)
        actual = sha256(contents[name])
        if actual != expected:
            raise DigestMismatchError(
                f"{name}: its sha256 is {actual[:12]}… but {MANIFEST} vouches for {expected[:12]}…; "
                "restore the file, or train again"
            )
    check_libraries(manifest, PINNED_LIBRARIES)
    schema = _read_schema(manifest, contents)
    golden = _parse(GoldenApplications, GOLDEN, contents[GOLDEN])
    distribution = _parse(TrainingDistribution, DISTRIBUTION, contents[DISTRIBUTION])
    calibration = _parse(Calibration, CALIBRATION, contents[CALIBRATION])
    trees = _read_trees(schema, contents[ENSEMBLE])
    tables = _read_tables(manifest, contents[TABLES])
    return Artifact(manifest, schema, golden, trees, calibration, tables, distribution, contents)


def check_libraries(manifest: Manifest, libraries: Sequence[str]) -> None:
    """Check that these libraries are here as they were in training.

    Raises:
        IncompatibleVersionError: one of them isn't.
    """
    for library in libraries:
        trained, here = manifest.libraries.get(library), installed_version(library)
        if trained != here:
            remedy = f"install {library}=={trained}, or train again" if trained else "train again"
            raise IncompatibleVersionError(
                f"{MANIFEST}: trained with {library} {trained or 'of unknown version'}, but {here} is here; {remedy}"
            )


def _read_schema(manifest: Manifest, contents: Mapping[str, bytes]) -> FeatureSchema:
    try:
        contract = read_contract(contents[CONTRACT_FILE])
    except InvalidContractError as exc:
        raise IncoherentArtifactError(f"{'; '.join(str(exc).splitlines())}; train again with this code") from exc
    file = _parse(SchemaFile, SCHEMA, contents[SCHEMA])
    try:
        schema = FeatureSchema(contract, file.cleaning)
    except ValueError as exc:
        raise IncoherentArtifactError(f"{SCHEMA}: {exc}; train again") from exc
    if (manifest.directions, manifest.missing_is_worst) != (contract.directions, list(contract.missing_is_worst)):
        raise IncoherentArtifactError(f"{MANIFEST} states other directions than {CONTRACT_FILE}; train again")
    for name, features in ((SCHEMA, file.features), (MANIFEST, manifest.features)):
        if features != schema.features:
            raise IncoherentArtifactError(
                f"{name} lists other features than {CONTRACT_FILE} makes, or in another order "
                f"({len(features)} and {len(schema.features)}); train again"
            )
    return schema


def _read_trees(schema: FeatureSchema, content: bytes) -> Trees:
    try:
        trees = Trees.from_bytes(content)
    except ValueError as exc:
        raise IncoherentArtifactError(f"{ENSEMBLE}: {exc}; restore it, or train again") from exc
    if trees.columns != len(schema.features):
        raise IncoherentArtifactError(
            f"{ENSEMBLE} was fitted on {trees.columns} features but {SCHEMA} lists {len(schema.features)}; train again"
        )
    return trees


def _read_tables(manifest: Manifest, content: bytes) -> Tables:
    try:
        tables = Tables.from_bytes(content)
    except ValueError as exc:
        raise IncoherentArtifactError(f"{TABLES}: {exc}; {REBUILD}") from exc
    if tables.base_value != manifest.reference_population.base_value:
        raise IncoherentArtifactError(
            f"{TABLES} and {MANIFEST} state different base values of the reference population; {REBUILD}"
        )
    return tables


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise MissingFileError(
            f"{path.name}: can't be read from {path.parent} ({exc.strerror}); restore it, or run `python -m training`"
        ) from exc


def _parse(model: type[Document], name: str, content: bytes) -> Document:
    try:
        return read_document(model, content)
    except InvalidDocumentError as exc:
        raise IncoherentArtifactError(
            f"{name}: {'; '.join(exc.problems)}; restore the file, or train again with this code"
        ) from exc
