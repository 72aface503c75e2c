"""Keys, and what they have signed: DSSE envelopes (github.com/secure-systems-lab/dsse, version 1.0.2).

An envelope carries the signed bytes themselves, so that nothing has to be brought into a canonical form. Keys are on
P-256 (ECDSA with SHA-256) or Ed25519, in PEM, and known by the SHA-256 of their SubjectPublicKeyInfo.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from preprocessing.documents import InvalidDocumentError, Strict, read_document
from records.errors import CheckpointError

TYPE = "application/vnd.credit-risk.records-checkpoint+json"

_MAKE_ONE = "make a pair as docs/records-proof.md says"

PrivateKey = EllipticCurvePrivateKey | Ed25519PrivateKey
PublicKey = EllipticCurvePublicKey | Ed25519PublicKey


class _Signature(Strict):
    keyid: str
    sig: str


class Envelope(Strict):
    """A statement and its signatures, in Base64 as DSSE has them."""

    payload: str
    payloadType: str  # noqa: N815  # DSSE's name
    signatures: tuple[_Signature, ...]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key.

    Attributes:
        key: itself.
        name: its fingerprint, which is that of its public one.
    """

    key: PrivateKey
    name: str

    @property
    def public(self) -> PublicKey:
        """The key that its signatures are verified by."""
        return self.key.public_key()

    def sign(self, statement: bytes) -> bytes:
        """An envelope, on one line."""
        message = _message(statement)
        if isinstance(self.key, Ed25519PrivateKey):
            signature = self.key.sign(message)
        else:
            signature = self.key.sign(message, ECDSA(SHA256()))
        envelope = Envelope(
            payload=base64.b64encode(statement).decode(),
            payloadType=TYPE,
            signatures=(_Signature(keyid=self.name, sig=base64.b64encode(signature).decode()),),
        )
        return envelope.model_dump_json().encode() + b"\n"


class TrustedKeys:
    """Public keys, any of which vouches for a statement.

    Args:
        keys: the keys.
    """

    def __init__(self, keys: Iterable[PublicKey]) -> None:
        self._keys = {_name(key): key for key in keys}

    def __or__(self, key: PublicKey) -> TrustedKeys:
        """These and another."""
        return TrustedKeys([*self._keys.values(), key])

    def opened(self, line: bytes) -> tuple[bytes, str]:
        """What an envelope carries, and the name of the key that signed it.

        Raises:
            CheckpointError: it is no envelope, or none of the keys has signed it.
        """
        try:
            envelope = read_document(Envelope, line)
            statement = base64.b64decode(envelope.payload, validate=True)
            signatures = [base64.b64decode(each.sig, validate=True) for each in envelope.signatures]
        except (InvalidDocumentError, binascii.Error, ValueError):
            raise CheckpointError("is no signed checkpoint") from None
        if envelope.payloadType != TYPE:
            raise CheckpointError("is a signed statement of another kind")
        for name, key in self._keys.items():
            if any(_verifies(key, signature, statement) for signature in signatures):
                return statement, name
        named = ", ".join(f"{each.keyid[:12]}…" for each in envelope.signatures) or "nobody"
        trusted = ", ".join(f"{name[:12]}…" for name in self._keys)
        raise CheckpointError(f"was changed, or is not signed by a trusted key ({trusted}); it names {named}")


def read_signing_key(path: Path) -> SigningKey:
    """The private key of a file.

    Raises:
        CheckpointError: it can't be used.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o007:
                raise CheckpointError(f"{path}: anyone may read it; chmod o= {path}")
            content = file.read()
        key = load_pem_private_key(content, None)
    except OSError as exc:
        raise CheckpointError(f"{path}: {exc.strerror}; {_MAKE_ONE}") from exc
    except TypeError:
        raise CheckpointError(f"{path}: has a passphrase, for which a job can't be asked; keep one without") from None
    except (ValueError, UnsupportedAlgorithm):
        raise CheckpointError(f"{path}: is no private key in PEM; {_MAKE_ONE}") from None
    if isinstance(key, Ed25519PrivateKey) or (
        isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1)
    ):
        return SigningKey(key, _name(key.public_key()))
    raise CheckpointError(f"{path}: is neither on P-256 nor Ed25519; {_MAKE_ONE}")


def read_trusted_keys(paths: Iterable[Path]) -> TrustedKeys:
    """The public keys of files.

    Raises:
        CheckpointError: one can't be used.
    """
    return TrustedKeys(map(_read_public, paths))


def _read_public(path: Path) -> PublicKey:
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as exc:
        raise CheckpointError(f"{path}: {exc.strerror}; name the file of a public key") from exc
    except (ValueError, UnsupportedAlgorithm):
        raise CheckpointError(
            f"{path}: is no public key in PEM; openssl pkey -pubout makes it of the private one"
        ) from None
    if isinstance(key, Ed25519PublicKey) or (
        isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
    ):
        return key
    raise CheckpointError(f"{path}: is neither on P-256 nor Ed25519; {_MAKE_ONE}")


def _verifies(key: PublicKey, signature: bytes, statement: bytes) -> bool:
    message = _message(statement)
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, message)
        else:
            key.verify(signature, message, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _message(statement: bytes) -> bytes:
    """What is signed: DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %b %d %b" % (len(TYPE), TYPE.encode(), len(statement), statement)


def _name(key: PublicKey) -> str:
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
