"""Making and checking signatures, by the public interface of the `model_signing` package."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_signing import hashing, signing, verifying

from scoring.artifact import sha256
from serving.vouching import TrustedKey
from signing import SIGNATURE
from signing.folders import FolderError, copy_plain_files

_LARGEST = 1 << 20
"""Bytes of a signature: some two hundred for each file are usual."""

_NAMED = 3


class UnvouchedError(FolderError):
    """None of the trusted keys vouches for a folder as it is."""


@dataclass(frozen=True)
class Vouched:
    """A folder that a key vouches for.

    Attributes:
        folder: a copy of it, which is what was verified; without the signature.
        signed_by: the key's fingerprint.
    """

    folder: Path
    signed_by: str


def sign(folder: Path, key: Path, passphrase: bytes | None = None) -> list[str]:
    """Sign all files of `folder`, put the signature into it, and give their names.

    Raises:
        FolderError: it holds something that can't be signed.
    """
    with tempfile.TemporaryDirectory() as work:
        copy = Path(work, "files")
        copy.mkdir()
        names = [name for name in copy_plain_files(folder, copy) if name != SIGNATURE]
        (copy / SIGNATURE).unlink(missing_ok=True)
        made = Path(work, SIGNATURE)
        signer = signing.Config().use_elliptic_key_signer(
            private_key=key,
            password=passphrase,  # type: ignore[arg-type]  # it says text, and takes bytes alone
        )
        signer.set_hashing_config(_everything()).sign(copy, made)
        _write(folder / SIGNATURE, made.read_bytes())
    return names


@contextmanager
def vouched(folder: Path, keys: Sequence[TrustedKey]) -> Iterator[Vouched]:
    """A copy of `folder` for which one of `keys` vouches. Nothing of it has been opened.

    Raises:
        FolderError: the folder can't be read, or holds more than plain files.
        UnvouchedError: it is not signed, not as it was signed, or not by any of `keys`.
    """
    with tempfile.TemporaryDirectory() as work:
        copy, signature = Path(work, "files"), Path(work, SIGNATURE)
        copy.mkdir()
        names = copy_plain_files(folder, copy)
        if SIGNATURE not in names:
            raise UnvouchedError(
                f"{SIGNATURE}: is not in {folder}, so nobody has signed that; sign it: python -m training sign "
                f"{folder} --key FILE"
            )
        (copy / SIGNATURE).rename(signature)
        _check_files(folder, copy, _claims(folder, signature))
        signed_by = next((key.fingerprint for key in keys if _verifies(copy, signature, key)), None)
        if signed_by is None:
            trusted = ", ".join(f"{key.path} with sha256 {key.fingerprint[:12]}…" for key in keys)
            raise UnvouchedError(
                f"{SIGNATURE}: of {folder} was not made by a trusted key ({trusted}); have one of these sign the "
                "folder, or trust the key that did"
            )
        yield Vouched(copy, signed_by)


def _everything() -> hashing.Config:
    """All files, git's own too."""
    return (
        hashing.Config()
        .use_file_serialization(hashing_algorithm="sha256")
        .set_ignored_paths(paths=(), ignore_git_paths=False)
    )


def _verifies(folder: Path, signature: Path, key: TrustedKey) -> bool:
    public = signature.with_name("key.pem")
    public.write_bytes(key.pem)
    verifier = verifying.Config().use_elliptic_key_verifier(public_key=public).set_hashing_config(_everything())
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # where it warns of older signatures
            verifier.verify(folder, signature)
    except Exception:  # noqa: BLE001  # whatever the bytes of a stranger happen to make the library raise
        return False
    return True


def _claims(folder: Path, signature: Path) -> dict[str, str]:
    """The files that a signature speaks of, with their SHA-256; whether it is true is not known yet."""
    with signature.open("rb") as file:
        content = file.read(_LARGEST + 1)
    try:
        if len(content) > _LARGEST:
            raise ValueError("larger than any signature")  # noqa: TRY301  # one refusal for all of them
        payload: Any = json.loads(base64.b64decode(json.loads(content)["dsseEnvelope"]["payload"], validate=True))
        predicate = payload["predicate"]
        if predicate["serialization"]["method"] != "files":
            raise ValueError("of parts of files")  # noqa: TRY301  # the same
        return {
            str(resource["name"]): str(resource["digest"])
            for resource in predicate["resources"]
            if resource["algorithm"] == "sha256"
        }
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise UnvouchedError(
            f"{SIGNATURE}: in {folder} is no signature as OpenSSF model signing makes them; sign the folder again"
        ) from exc


def _check_files(folder: Path, copy: Path, claims: dict[str, str]) -> None:
    """Tell which file is not as it was signed. Also those are looked at that a signature may leave out."""
    there = {path.name: sha256(path.read_bytes()) for path in copy.iterdir()}
    if added := there.keys() - claims.keys():
        raise UnvouchedError(f"{_few(added)}: in {folder} but not signed; remove what was added, or sign again")
    if missing := claims.keys() - there.keys():
        raise UnvouchedError(f"{_few(missing)}: signed but not in {folder}; restore what is missing, or sign again")
    if altered := {name for name, digest in claims.items() if there[name] != digest}:
        raise UnvouchedError(f"{_few(altered)}: altered since {folder} was signed; restore what was, or sign again")


def _few(names: Collection[str]) -> str:
    told = ", ".join(ascii(name)[1:-1] for name in sorted(names)[:_NAMED])
    return told if len(names) <= _NAMED else f"{told} and {len(names) - _NAMED} more"


def _write(path: Path, content: bytes) -> None:
    """In one step: a signature is there as a whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_bytes(content)
        new.replace(path)
    except OSError as exc:
        new.unlink(missing_ok=True)
        raise FolderError(f"{path}: can't be written ({exc.strerror}); sign a folder that can") from exc
