"""Whose keys vouch for what is served. By fingerprints alone, so that serving needs nothing that checks signatures.

A signature is checked once, by the import, which notes in the store by which key it was made.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TRUSTED_KEY = "CREDIT_RISK_TRUSTED_KEY"
"""The setting that names the trusted keys, to the service and to the import."""

SIGNED_BY = "signed_by"
"""In a store entry's metadata: the fingerprint of the key that vouched for it, where one did."""

MAKE_A_PAIR = "docs/security.md says how to make a pair of keys"

_PEM = re.compile(rb"-----BEGIN ([A-Z ]+)-----([A-Za-z0-9+/=\s]+)-----END \1-----")
_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200") + b"\x04"
"""What every public key on P-256 begins with, as SubjectPublicKeyInfo with its point not compressed."""

_P256_BYTES = 91


class TrustedKeyError(ValueError):
    """A trusted key can't be used; the message is one line with the remedy."""


@dataclass(frozen=True)
class TrustedKey:
    """A public key on P-256.

    Attributes:
        path: the file it was read from.
        pem: what stood in it.
        fingerprint: SHA-256 of its SubjectPublicKeyInfo in DER, hexadecimal.
    """

    path: Path
    pem: bytes
    fingerprint: str


def fingerprint(public_key: bytes) -> str:
    """By which a key is known: hexadecimal SHA-256 of its SubjectPublicKeyInfo in DER."""
    return hashlib.sha256(public_key).hexdigest()


def key_paths(stated: str) -> tuple[Path, ...]:
    """The files that the setting names, separated by commas; none where it is empty.

    Raises:
        TrustedKeyError: it is not empty and names none.
    """
    paths = tuple(Path(name) for name in map(str.strip, stated.split(",")) if name)
    if stated and not paths:
        raise TrustedKeyError(f"{stated!a} names no file; name those of public keys, separated by commas")
    return paths


def read_trusted_keys(paths: Iterable[Path]) -> tuple[TrustedKey, ...]:
    """Read the public keys, each from a file in PEM.

    Raises:
        TrustedKeyError: a file can't be read, or holds anything else.
    """
    return tuple(map(_read, paths))


def _read(path: Path) -> TrustedKey:
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise TrustedKeyError(
            f"trusted key {path}: can't be read ({exc.strerror}); name the file of a public key"
        ) from exc
    blocks = _PEM.findall(content)
    if len(blocks) != 1:
        raise TrustedKeyError(f"trusted key {path}: is no public key in PEM; {MAKE_A_PAIR}")
    kind, encoded = blocks[0]
    if kind.endswith(b"PRIVATE KEY"):
        raise TrustedKeyError(
            f"trusted key {path}: is a private key, which stays with who signs; name the public one "
            "(openssl pkey -pubout)"
        )
    try:
        public_key = base64.b64decode(b"".join(encoded.split()), validate=True)
    except binascii.Error:
        public_key = b""
    if kind != b"PUBLIC KEY" or len(public_key) != _P256_BYTES or not public_key.startswith(_P256):
        raise TrustedKeyError(f"trusted key {path}: is no public key on the curve P-256; {MAKE_A_PAIR}")
    return TrustedKey(path, content, fingerprint(public_key))
