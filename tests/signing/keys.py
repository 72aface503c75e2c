"""Pairs of keys, made anew for each run: no private key is in the repository."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from serving.vouching import TrustedKey, fingerprint

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Pair(NamedTuple):
    """Files of a private key and its public one, and by what it is known."""

    private: Path
    public: Path
    fingerprint: str

    @property
    def trusted(self) -> TrustedKey:
        return TrustedKey(self.public, self.public.read_bytes(), self.fingerprint)


def write_pair(folder: Path, name: str, key: PrivateKey | None = None, passphrase: bytes | None = None) -> Pair:
    """A pair on P-256, unless another key is given."""
    folder.mkdir(exist_ok=True)
    key = key or ec.generate_private_key(ec.SECP256R1())
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    private, public = folder / f"{name}.key", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Pair(private, public, fingerprint(der))
