"""What of pip's configuration holds for uv."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.servers import ROOT

_spec = importlib.util.spec_from_file_location("install", ROOT / "setup" / "install.py")
assert _spec is not None
assert _spec.loader is not None
install = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(install)

SYSTEM = "/etc/ssl/certs/ca-certificates.crt"
TRUSTED = {"UV_SYSTEM_CERTS": "true"}


def test_what_pip_says_of_its_configuration(tmp_path: Path) -> None:
    """The command's own section goes before the general one, a variable before both."""
    configuration = tmp_path / "pip.conf"
    configuration.write_text(
        "[global]\nindex-url = https://general.example/simple\nproxy = http://general.example:3128\n"
        "find-links = /general\n[install]\nindex-url = https://own.example/simple\nproxy = http://own.example:3128\n"
        "[download]\nproxy = http://other.example\n"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        env=kept | {"PIP_CONFIG_FILE": str(configuration), "PIP_INDEX_URL": "https://variable.example/simple"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = install.effective(listing)
    assert ("https://variable.example/simple", "http://own.example:3128", "/general") == (
        found["index-url"],
        found["proxy"],
        found["find-links"],
    )


@pytest.mark.parametrize(
    ("pip", "uv"),
    [
        ({"index-url": "https://a.example/simple"}, {"UV_DEFAULT_INDEX": "https://a.example/simple"}),
        (
            {"extra-index-url": "https://a.example\nhttps://b.example"},
            {"UV_INDEX": "https://a.example https://b.example", "UV_INDEX_STRATEGY": "unsafe-best-match"},
        ),
        ({"find-links": "/a /b"}, {"UV_FIND_LINKS": "/a,/b"}),
        ({"trusted-host": "a.example b.example"}, {"UV_INSECURE_HOST": "a.example b.example"}),
        ({"proxy": "http://p.example"}, {"HTTPS_PROXY": "http://p.example", "HTTP_PROXY": "http://p.example"}),
        ({"cert": "/ca.pem"}, {"SSL_CERT_FILE": "/ca.pem"}),
        ({"client-cert": "/me.pem"}, {"SSL_CLIENT_CERT": "/me.pem"}),
        ({"timeout": "30"}, {}),
    ],
)
def test_what_uv_is_told(pip: dict[str, str], uv: dict[str, str]) -> None:
    assert uv | TRUSTED == install.uv_environment(pip, {}, SYSTEM)


@pytest.mark.parametrize("stated", ["UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_what_is_said_to_uv_itself_goes_first(stated: str) -> None:
    environ = {stated: "https://uv.example", "UV_SYSTEM_CERTS": "false"}
    assert install.uv_environment({"index-url": "https://pip.example"}, environ, SYSTEM) == {}


def test_without_the_systems_certificates_uv_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert install.uv_environment({}, {}, None) == {}
    monkeypatch.setattr("sys.platform", "darwin")  # where they are no file
    assert TRUSTED == install.uv_environment({}, {}, None)


@pytest.mark.parametrize(
    ("environ", "added"),
    [
        ({}, {"PIP_CERT": SYSTEM}),
        ({"SSL_CERT_FILE": "/company.pem"}, {"PIP_CERT": "/company.pem"}),
        ({"REQUESTS_CA_BUNDLE": "/own.pem"}, {}),
    ],
)
def test_what_an_old_pip_trusts(environ: dict[str, str], added: dict[str, str]) -> None:
    assert added == install.pip_environment(environ, SYSTEM)


def test_uv_reads_what_it_is_told(tmp_path: Path) -> None:
    """The real uv, with pip told of a folder and no index: it looks there, asks no network and says what is missing."""
    lock = tmp_path / "lock.txt"
    lock.write_text(f"not-to-be-had==1.0 --hash=sha256:{'0' * 64}\n")
    result = subprocess.run(
        [sys.executable, ROOT / "setup" / "install.py", lock],
        env=os.environ | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (1, True) == (
        result.returncode,
        "not-to-be-had was not found in the provided package locations" in result.stderr,
    )


def test_what_pip_does_otherwise_does_not_count(tmp_path: Path) -> None:
    """A configuration that would have packages elsewhere, or nowhere, is none of an environment's."""
    packages = tmp_path / "packages"
    packages.mkdir()
    wheel(packages, "")
    configuration = tmp_path / "pip.conf"
    configuration.write_text(
        f"[global]\nuser = true\ntarget = {tmp_path}/target\nprefix = {tmp_path}/prefix\ndry-run = true\n"
        "require-hashes = true\n"
    )
    settings = {"no-index": "true", "find-links": str(packages)}
    home = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    environment = install.reaching(settings, os.environ | {"PIP_CONFIG_FILE": str(configuration)})
    subprocess.run([home / "bin" / "python", "-m", "pip", "install", "tiny"], env=environment, check=True)
    assert list(home.rglob("tiny.py"))


def test_a_configuration_that_pip_cannot_read_is_told(tmp_path: Path) -> None:
    """By pip, in its words."""
    configuration = tmp_path / "pip.conf"
    configuration.write_text("no section\n")
    result = subprocess.run(
        [sys.executable, ROOT / "setup" / "install.py", "requirements.txt"],
        env=os.environ | {"PIP_CONFIG_FILE": str(configuration)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    assert str(configuration) in result.stderr


def wheel(folder: Path, content: str) -> str:
    """A package, and the digest of its file."""
    with ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as package:
        package.writestr("tiny.py", content)
        package.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        package.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        package.writestr("tiny-1.0.dist-info/RECORD", "")
    return sha256((folder / "tiny-1.0-py3-none-any.whl").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("pinned", "said"),
    [
        ("tiny==1.0 --hash=sha256:{expected}", "Hash mismatch for `tiny==1.0"),
        ("tiny==1.0", "In `--require-hashes` mode, all requirements must have a hash"),
    ],
    ids=["other bytes", "no digest"],
)
def test_what_is_no_file_of_the_lock_is_refused(tmp_path: Path, pinned: str, said: str) -> None:
    """Whoever answers for the index can't have other code installed."""
    expected = wheel(tmp_path, "honest = True")
    wheel(tmp_path, "honest = False")
    lock = tmp_path / "lock.txt"
    lock.write_text(pinned.format(expected=expected) + "\n")
    result = subprocess.run(
        [sys.executable, ROOT / "setup" / "install.py", lock],
        env=os.environ | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    assert said in result.stderr
