"""Public keys as files: what is one, and by what it is known."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from serving.vouching import TrustedKeyError, read_trusted_keys
from tests.signing.keys import write_pair


def test_known_by_what_openssl_says(tmp_path: Path) -> None:
    """The fingerprint is the SHA-256 of the public key in DER."""
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("no openssl")
    pair = write_pair(tmp_path, "release")
    der = subprocess.run(
        [openssl, "pkey", "-pubin", "-in", pair.public, "-outform", "DER"], capture_output=True, check=True
    ).stdout
    digest = subprocess.run([openssl, "dgst", "-sha256"], input=der, capture_output=True, check=True).stdout
    (key,) = read_trusted_keys([pair.public])
    assert digest.decode().split()[-1] == key.fingerprint == pair.fingerprint


def test_several(tmp_path: Path) -> None:
    pairs = [write_pair(tmp_path, name) for name in ("old", "new")]
    assert [pair.fingerprint for pair in pairs] == [
        key.fingerprint for key in read_trusted_keys(pair.public for pair in pairs)
    ]


def compressed(folder: Path) -> Path:
    """The same curve, and a point as OpenSSL writes it on request: a key would have two fingerprints."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    der = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + point
    assert isinstance(load_der_public_key(der), ec.EllipticCurvePublicKey)
    encoded = base64.b64encode(der).decode()
    (folder / "key.pem").write_text(f"-----BEGIN PUBLIC KEY-----\n{encoded}\n-----END PUBLIC KEY-----\n")
    return folder / "key.pem"


def written(content: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / "key.pem").write_bytes(content)
        return folder / "key.pem"

    return write


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "not there": (lambda folder: folder / "key.pem", "can't be read (No such file or directory)"),
    "a folder": (lambda folder: folder, "can't be read (Is a directory)"),
    "empty": (written(b""), "is no public key in PEM"),
    "noise": (written(bytes(range(256)) * 100), "is no public key in PEM"),
    "no base64": (
        written(b"-----BEGIN PUBLIC KEY-----\nAAA\n-----END PUBLIC KEY-----\n"),
        "is no public key on the curve",
    ),
    "private": (lambda folder: write_pair(folder, "k").private, "is a private key, which stays with who signs"),
    "RSA": (
        lambda folder: write_pair(folder, "k", rsa.generate_private_key(65537, 2048)).public,
        "is no public key on the curve P-256",
    ),
    "P-384": (
        lambda folder: write_pair(folder, "k", ec.generate_private_key(ec.SECP384R1())).public,
        "is no public key on the curve P-256",
    ),
    "secp256k1": (
        lambda folder: write_pair(folder, "k", ec.generate_private_key(ec.SECP256K1())).public,
        "is no public key on the curve P-256",
    ),
    "compressed": (compressed, "is no public key on the curve P-256"),
    "two in one": (
        lambda folder: written(b"".join(write_pair(folder, name).public.read_bytes() for name in "ab"))(folder),
        "is no public key in PEM",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(tmp_path: Path, what: str) -> None:
    """Whatever is no public key on P-256 is named, with the remedy, on one line."""
    make, problem = REFUSED[what]
    path = make(tmp_path)
    with pytest.raises(TrustedKeyError) as info:
        read_trusted_keys([path])
    assert str(info.value).startswith(f"trusted key {path}: {problem}")
    assert str(info.value).isprintable()
    assert "; " in str(info.value), "no remedy"
