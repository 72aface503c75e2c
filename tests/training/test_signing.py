"""`python -m training sign`."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from signing import SIGNATURE
from signing.signatures import vouched
from tests.signing.keys import Pair, write_pair
from training.__main__ import main
from training.export import OWNED
from training.staging import writing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policy").mkdir()
    for name in ("decision_policy.json", "reason_codes.json"):
        (tmp_path / "policy" / name).write_text(name)
    return tmp_path / "policy"


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return write_pair(tmp_path / "keys", "release")


def sign(folder: Path, key: Path) -> int:
    return main(["sign", str(folder), "--key", str(key)])


def test_says_what_it_vouches_for(folder: Path, pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    """Which files, and by which fingerprint those who trust the key will see it."""
    assert sign(folder, pair.private) == 0
    assert capsys.readouterr().out.splitlines() == [
        "signed 2 files: decision_policy.json, reason_codes.json",
        f"wrote {folder / SIGNATURE}; the key's sha256 is {pair.fingerprint}",
    ]
    with vouched(folder, [pair.trusted]) as found:
        assert pair.fingerprint == found.signed_by


def test_with_a_passphrase(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for, since others read command lines and environments."""
    pair = write_pair(tmp_path / "keys", "release", passphrase=b"correct horse")
    asked = []
    monkeypatch.setattr(getpass, "getpass", lambda prompt: asked.append(prompt) or "correct horse")
    assert sign(folder, pair.private) == 0
    assert [f"passphrase of {pair.private}: "] == asked
    with vouched(folder, [pair.trusted]):
        pass


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "not there": (lambda keys: keys / "none", "can't be read (No such file or directory)"),
    "a folder": (lambda keys: keys, "can't be read (Is a directory)"),
    "public": (lambda keys: write_pair(keys, "k").public, "is no private key; "),
    "RSA": (
        lambda keys: write_pair(keys, "k", rsa.generate_private_key(65537, 2048)).private,
        "is no key on the curve P-256; ",
    ),
    "P-384": (
        lambda keys: write_pair(keys, "k", ec.generate_private_key(ec.SECP384R1())).private,
        "is no key on the curve P-256; ",
    ),
    "another passphrase": (
        lambda keys: write_pair(keys, "k", passphrase=b"correct horse").private,
        "can't be opened with this passphrase; ",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_keys(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    """On one line with the remedy; nothing is signed."""
    monkeypatch.setattr(getpass, "getpass", lambda _: "wrong horse")
    make, problem = REFUSED[what]
    (tmp_path / "keys").mkdir()
    key = make(tmp_path / "keys")
    assert sign(folder, key) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {key}: {problem}")
    assert not (folder / SIGNATURE).exists()


def test_a_key_among_what_it_signs(folder: Path, pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    """It would go along with the folder, to everybody."""
    key = pair.private.rename(folder / "release.key")
    assert sign(folder, key) == 1
    assert capsys.readouterr().err.startswith(f"error: {key}: lies in the folder that it is to sign")
    assert not (folder / SIGNATURE).exists()


def test_folders_that_cannot_be_signed(folder: Path, pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "link").symlink_to(pair.public)
    assert sign(folder, pair.private) == 1
    assert capsys.readouterr().err.startswith("error: link: is no plain file, and only those are signed; ")
    assert sign(folder / "none", pair.private) == 1
    assert capsys.readouterr().err.startswith(f"error: {folder / 'none'}: can't be read or copied (No such file")
    assert {"decision_policy.json", "reason_codes.json", "link"} == {path.name for path in folder.iterdir()}


def test_a_signed_model_can_be_replaced(folder: Path, pair: Pair) -> None:
    """Its signature goes with it."""
    for path in folder.iterdir():
        path.unlink()
    (folder / "model_card.md").write_text("old")
    sign(folder, pair.private)
    with writing(folder, OWNED, replace=True) as new:
        (new / "model_card.md").write_text("new")
    assert ["model_card.md"] == [path.name for path in folder.iterdir()]
