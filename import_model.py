"""Verify the artifacts and put them into the BentoML model store: `python import_model.py --help`.

Model and policy are separate entries with versions of their own. Everything is verified before anything is written,
so a refused import leaves the store as it was. Where keys are trusted, one of them must have signed both folders, and
that comes before anything in them is opened.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from serving.vouching import SIGNED_BY, TRUSTED_KEY, TrustedKeyError, key_paths, read_trusted_keys


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="import_model.py",
        description=__doc__.split("\n")[0],
        epilog="exit code: 0 imported, 1 refused, with one line on standard error, 2 wrong arguments",
    )
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="the model artifact (default: artifacts/model)")
    parser.add_argument(
        "--policy", type=Path, metavar="FILE", help="the policy: with --model both are imported, without it this alone"
    )
    parser.add_argument("--catalogue", type=Path, metavar="FILE", help="its reasons (default: those beside it)")
    parser.add_argument(
        "--challenger", action="store_true", help="beside what is served, for CREDIT_RISK_CHALLENGER to name"
    )
    parser.add_argument(
        "--trusted-key", type=Path, action="append", metavar="FILE",
        help="a public key of which there must be signatures; may be given again, and then any one of them will do "
        f"(default: those that {TRUSTED_KEY} names; without any, nobody needs to vouch)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if options.catalogue and not options.policy:
        parser.error("--catalogue belongs to a --policy; name both")
    return options


if __name__ == "__main__":
    parse()  # before the imports below, which take seconds: neither --help nor wrong arguments need them

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")  # no usage statistics leave a lender's machine

import bentoml
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.models import ModelStore
from bentoml._internal.models.model import MODEL_YAML_FILENAME
from bentoml.exceptions import BentoMLException

from decision import InvalidPolicyError, PolicyFiles, read_policy
from decision.files import DEFAULT_BOOK, POLICY_FILE
from engine import check_fit, open_model
from preprocessing.contract import CONTRACT_FILE, Contract, InvalidContractError, read_contract_file
from scoring.artifact import MANIFEST, Artifact, ArtifactError, IncoherentArtifactError, read_artifact
from scoring.estimator import prove_arrays
from serving.entries import MODEL_ENTRY, POLICY_ENTRY
from serving.store import stored_artifact
from signing.folders import FolderError
from signing.sources import Sources, found

ROOT = Path(__file__).resolve().parent
DEFAULT_MODEL = ROOT / "artifacts" / "model"
DEFAULT_POLICY = DEFAULT_BOOK / POLICY_FILE
DEFAULT_CONTRACT = DEFAULT_BOOK / CONTRACT_FILE

STAGING = ".importing-"
"""What the name of a folder begins with that holds an import in progress."""


class ImportRefusedError(ValueError):
    """The store holds something that this import would contradict, or what is to be imported can't be."""


REFUSALS = (
    *(InvalidContractError, InvalidPolicyError, ArtifactError, ImportRefusedError, BentoMLException),
    *(TrustedKeyError, FolderError),
)
"""What the command tells on one line."""


def verify_model(folder: Path) -> Artifact:
    """Verify the model artifact in `folder`: everything that serving checks, and that its arrays are its pickle's.

    The pickle is opened here and never again, and after everything else has passed.

    Raises:
        ArtifactError: the artifact must not be served.
    """
    artifact = read_artifact(folder)
    if artifact.manifest.name != MODEL_ENTRY:
        raise IncoherentArtifactError(
            f"{MANIFEST} names {artifact.manifest.name}, but this service serves {MODEL_ENTRY}; train again"
        )
    open_model(artifact)
    prove_arrays(artifact)
    return artifact


class Entry(NamedTuple):
    """What becomes one entry of the model store.

    Attributes:
        tag: name and version.
        contents: file name to bytes.
        labels: for `bentoml models list`.
        metadata: for `bentoml models get`.
    """

    tag: str
    contents: Mapping[str, bytes]
    labels: dict[str, str]
    metadata: dict[str, Any]


def model_entry(artifact: Artifact, signed_by: str | None = None) -> Entry:
    """A verified artifact, byte for byte, under the manifest's version, and the key that vouched for it."""
    manifest = artifact.manifest
    metadata = {
        "version": manifest.version,
        "created": manifest.created.isoformat(),
        "loan_book": artifact.contract.name,
        "contract": artifact.contract.version,
        "features": list(manifest.features),
        "libraries": dict(manifest.libraries),
        "sha256": artifact.digests,
        **_vouching(signed_by),
    }
    labels = {"kind": "model", "framework": "scikit-learn"}
    return Entry(f"{MODEL_ENTRY}:{manifest.version}", artifact.contents, labels, metadata)


def policy_entry(files: PolicyFiles, signed_by: str | None = None) -> Entry:
    """A verified policy with its catalogue, under the policy's version, and the key that vouched for both."""
    policy = files.policy
    metadata = {
        "version": policy.version,
        "effective_date": policy.effective_date.isoformat(),
        "reason_catalogue": policy.reason_catalogue,
        "sha256": files.digests,
        **_vouching(signed_by),
    }
    return Entry(f"{POLICY_ENTRY}:{policy.version}", files.contents, {"kind": "policy"}, metadata)


def _vouching(signed_by: str | None) -> dict[str, str]:
    return {SIGNED_BY: signed_by} if signed_by else {}  # BentoML takes no null


def save(entries: Sequence[Entry], *, latest: bool = True) -> list[bentoml.Tag]:
    """Save all of `entries` or, where one of them contradicts the store or can't be written, none.

    Everything is written beside the store's entries first and then takes its place by renaming. So no one ever sees
    half an entry, and what is taken back on a failure is what this process put there, never what another has finished
    in the meantime, also on a file system without locks.

    The store's latest version is then the imported one, whether it was there before or not: so one goes back. Where it
    is not to be the `latest`, that stays what it was.

    Returns:
        Their tags. No file is written for an entry that is there already, byte for byte.

    Raises:
        ImportRefusedError: the store holds other bytes under the version of one of them.
    """
    new = [entry for entry in entries if not _is_stored(entry)]
    vouched = [entry for entry in entries if SIGNED_BY in entry.metadata]
    tags = [bentoml.Tag.from_taglike(entry.tag) for entry in entries]
    placed: list[Path] = []
    with _staging() as staging:
        for entry in [*new, *(entry for entry in vouched if entry not in new)]:
            _write(entry, staging)
        to_serve = [tag for tag in tags if latest or not (_store() / tag.latest_path()).exists()]
        for tag in to_serve:
            (staging / f"{tag.name}.latest").write_text(str(tag.version))
        try:
            for entry in new:
                path = bentoml.Tag.from_taglike(entry.tag).path()
                if _place(staging / path, _store() / path, entry):
                    placed.append(_store() / path)
            for entry in vouched:
                _note_key(staging, entry)
            for tag in to_serve:
                (staging / f"{tag.name}.latest").replace(_store() / tag.latest_path())
        except BaseException:
            for place in placed:
                shutil.rmtree(place, ignore_errors=True)
            raise
    return tags


@contextmanager
def _staging() -> Iterator[Path]:
    """A folder for an import in progress, in the store itself, since nothing is renamed from one disk to another."""
    folder = Path(tempfile.mkdtemp(prefix=STAGING, dir=_store()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(entry: Entry, staging: Path) -> None:
    with bentoml.models.create(
        entry.tag, labels=entry.labels, metadata=entry.metadata, _model_store=ModelStore(staging)
    ) as model:
        for name, content in entry.contents.items():
            Path(model.path_of(name)).write_bytes(content)


def _place(staged: Path, place: Path, entry: Entry) -> bool:
    """Whether the entry has taken its place; False where another import has put the same there meanwhile."""
    place.parent.mkdir(exist_ok=True)
    with suppress(OSError):  # something is there
        staged.rename(place)
        return True
    if _is_stored(entry):
        return False
    if place.exists():
        print(f"{entry.tag} in the store is incomplete; importing it again", file=sys.stderr)
        shutil.rmtree(place)
    staged.rename(place)
    return True


def _note_key(staging: Path, entry: Entry) -> None:
    """Note the key that vouches for an entry where the store had its very bytes already, from nobody or another key."""
    if signed_by(entry.tag) != entry.metadata[SIGNED_BY]:
        description = Path(bentoml.Tag.from_taglike(entry.tag).path(), MODEL_YAML_FILENAME)
        (staging / description).replace(_store() / description)


def signed_by(tag: bentoml.Tag | str) -> str | None:
    """The fingerprint of the key that vouched for what the store has; None where none did."""
    noted = bentoml.models.get(tag).info.metadata.get(SIGNED_BY)
    return str(noted) if noted else None


def _latest_artifact() -> Artifact | None:
    """The model that the store would serve, if it has one."""
    try:
        bentoml.models.get(f"{MODEL_ENTRY}:latest")
    except BentoMLException:
        return None
    return stored_artifact()


def _is_stored(entry: Entry) -> bool:
    """Whether the store holds `entry` completely; False where it holds none of it, or what a killed import left."""
    try:
        stored = bentoml.models.get(entry.tag)
    except Exception:  # noqa: BLE001  # whatever half a file makes BentoML raise
        return False
    if str(stored.tag) != entry.tag:  # the store also finds a tag by its beginning
        return False
    paths = {name: Path(stored.path_of(name)) for name in entry.contents}
    there = {name: path.read_bytes() for name, path in paths.items() if path.is_file()}
    if there == entry.contents:
        # Without these digests the service would refuse what is there.
        return bool(stored.info.metadata.get("sha256") == entry.metadata["sha256"])
    if all(content.startswith(there.get(name, b"")) for name, content in entry.contents.items()):
        return False
    raise ImportRefusedError(f"the store holds {entry.tag} with other bytes; give the changed artifact its own version")


def _store() -> Path:
    return Path(BentoMLContainer.model_store_dir.get())


@contextmanager
def _alone() -> Iterator[None]:
    """One import at a time: two at once could each find no other loan book in the store, and both be saved.

    The lock is on the store's folder, leaves nothing there, and ends with the process however that ends. What a killed
    import was writing then is nobody's any more.
    """
    store = _store()
    folder = os.open(store, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(folder, fcntl.LOCK_EX)
            for left in store.glob(f"{STAGING}*"):
                shutil.rmtree(left)
        yield
    finally:
        os.close(folder)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 when all was imported, 1 when it was refused, with one line on standard error."""
    options = parse(arguments)
    policy = options.policy or DEFAULT_POLICY
    try:
        keys = read_trusted_keys(options.trusted_key or key_paths(os.environ.get(TRUSTED_KEY, "")))
        with _alone(), ExitStack() as copies:
            if options.policy and not options.model:
                tags = _import_policy(
                    found(None, policy, options.catalogue, keys, copies), latest=not options.challenger
                )
            else:
                sources = found(options.model or DEFAULT_MODEL, policy, options.catalogue, keys, copies)
                tags = _import_both(sources, latest=not options.challenger)
    except REFUSALS as exc:
        print(f"import refused: {'; '.join(str(exc).splitlines())}", file=sys.stderr)
        return 1
    except OSError as exc:
        remedy = "make room in the model store, or set BENTOML_HOME to another"
        print(f"import refused: {_reason(exc)}; {remedy}", file=sys.stderr)
        return 1
    for tag in tags:
        print(tag)
    _tell_who_vouches(tags)
    return 0


def _reason(failure: OSError) -> object:
    """Of all that shutil could not copy, the first says why."""
    if not isinstance(failure, shutil.Error):
        return failure
    [((_, _, reason), *_)] = failure.args
    return reason


def _tell_who_vouches(tags: Sequence[bentoml.Tag]) -> None:
    by_key: dict[str | None, list[str]] = {}
    for tag in tags:
        by_key.setdefault(signed_by(tag), []).append(str(tag))
    for key, vouched in by_key.items():
        who = f"the key sha256 {key} vouches" if key else "no key is trusted: nobody vouches"
        print(f"{who} for {' and '.join(vouched)}", file=sys.stderr)


def _import_both(sources: Sources, *, latest: bool) -> list[bentoml.Tag]:
    # Everything is verified before anything is saved: either both are imported or neither.
    assert sources.model is not None
    folder, model_by = sources.model
    artifact = verify_model(folder)
    _check_loan_book(artifact.contract)
    policy = read_policy(sources.policy, artifact.contract, sources.catalogue)
    check_fit(artifact, policy)
    return save([model_entry(artifact, model_by), policy_entry(policy, sources.policy_by)], latest=latest)


def _import_policy(sources: Sources, *, latest: bool) -> list[bentoml.Tag]:
    artifact = _latest_artifact()
    contract = artifact.contract if artifact is not None else read_contract_file(DEFAULT_CONTRACT)
    policy = read_policy(sources.policy, contract, sources.catalogue)
    if artifact is not None:
        check_fit(artifact, policy)
    return save([policy_entry(policy, sources.policy_by)], latest=latest)


def _check_loan_book(contract: Contract) -> None:
    """A store serves one loan book: another's policies would be refused by it, or worse, fit by chance."""
    try:
        metadata = bentoml.models.get(f"{MODEL_ENTRY}:latest").info.metadata
    except Exception:  # noqa: BLE001  # nothing there, or what a killed import left
        return
    served = metadata.get("loan_book") if isinstance(metadata, dict) else None
    if isinstance(served, str) and served != contract.name:
        raise ImportRefusedError(
            f"the store serves the loan book {served}, and this model is of {contract.name}; set BENTOML_HOME to a "
            "store of its own"
        )


if __name__ == "__main__":
    sys.exit(main())
