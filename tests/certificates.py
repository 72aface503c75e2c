"""Certificates of the tests' own, made by openssl when they are needed."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key.

    Attributes:
        certificate: its PEM file.
        key: the key's.
    """

    certificate: Path
    key: Path


def openssl(*arguments: str | Path) -> None:
    """Run openssl; the test is skipped where it is not installed."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def authority(folder: Path, name: str) -> Pair:
    """A certification authority."""
    pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")  # Python's clients ask for it from 3.13 on
    made = ("-keyout", pair.key, "-out", pair.certificate)
    openssl("req", "-x509", *curve, *made, "-subj", f"/CN={name}", "-days", "2", *usage)
    return pair


def signed(folder: Path, name: str, by: Pair) -> Pair:
    """A certificate for 127.0.0.1, of a server as well as of a client."""
    pair, request, extensions = Pair(folder / f"{name}.pem", folder / f"{name}.key"), folder / "csr", folder / "ext"
    identifiers = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    extensions.write_text(f"subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n{identifiers}")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", *curve, "-keyout", pair.key, "-out", request, "-subj", f"/CN={name}")
    signer = ("-CA", by.certificate, "-CAkey", by.key, "-CAcreateserial", "-days", "2")
    openssl("x509", "-req", "-in", request, *signer, "-extfile", extensions, "-out", pair.certificate)
    return pair


def encrypted(folder: Path, key: Path, password: str) -> Path:
    """The same key behind a password."""
    file = folder / f"encrypted-{key.name}"
    openssl("ec", "-in", key, "-aes256", "-passout", f"pass:{password}", "-out", file)
    return file
