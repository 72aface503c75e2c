"""`python -m training sign`: vouch for the files of a folder, a model's or a policy's, with a private key."""

from __future__ import annotations

import argparse
import getpass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from serving.vouching import MAKE_A_PAIR, TrustedKey, fingerprint
from signing import SIGNATURE
from signing.signatures import sign, vouched
from training.errors import SigningError


def run(options: argparse.Namespace) -> None:
    """Sign as the options say, and hold the signature against what was signed."""
    folder, key = options.folder, options.key
    private, passphrase = _read(key)
    if key.resolve().parent == folder.resolve():
        raise SigningError(f"{key}: lies in the folder that it is to sign, and would go where that goes; move it away")
    public = private.public_key()
    trusted = TrustedKey(
        key,
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        fingerprint(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
    )
    names = sign(folder, key, passphrase)
    with vouched(folder, [trusted]):
        print(f"signed {len(names)} files: {', '.join(names)}")
    print(f"wrote {folder / SIGNATURE}; the key's sha256 is {trusted.fingerprint}")


def _read(path: Path) -> tuple[EllipticCurvePrivateKey, bytes | None]:
    """The key, and the passphrase that opens it, which is asked for where there is one."""
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise SigningError(f"{path}: can't be read ({exc.strerror}); name the file of a private key") from exc
    passphrase = getpass.getpass(f"passphrase of {path}: ").encode() if b"ENCRYPTED" in content else None
    try:
        key = load_pem_private_key(content, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        wrong = "can't be opened with this passphrase; try again" if passphrase else f"is no private key; {MAKE_A_PAIR}"
        raise SigningError(f"{path}: {wrong}") from exc
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise SigningError(f"{path}: is no key on the curve P-256; {MAKE_A_PAIR}")
    return key, passphrase
