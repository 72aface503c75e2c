"""A folder, its signature, and everything that can be wrong with the two."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from model_signing import hashing, signing

from signing import SIGNATURE
from signing.folders import FolderError
from signing.signatures import UnvouchedError, sign, vouched
from tests.signing.keys import Pair, write_pair

FILES = {"alpha.json": b'{"a": 1}', "beta.npz": bytes(range(256)), "gamma.md": b"", ".hidden": b"here too"}

Folders = Callable[[], Path]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    folder = tmp_path_factory.mktemp("keys")
    return {name: write_pair(folder, name) for name in ("ours", "next", "theirs")}


@pytest.fixture
def folder(tmp_path: Path, pairs: dict[str, Pair]) -> Path:
    """A folder that the key "ours" has signed."""
    return signed(tmp_path / "folder", pairs["ours"])


def signed(folder: Path, pair: Pair, files: dict[str, bytes] = FILES) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    assert sorted(files) == sign(folder, pair.private)
    return folder


def refusal(folder: Path, *pairs: Pair) -> str:
    with pytest.raises(FolderError) as info, vouched(folder, [pair.trusted for pair in pairs]):
        pass
    message = str(info.value)
    assert message.isprintable(), "not one line"
    assert "; " in message, "no remedy"
    return message


class TestVouched:
    def test_a_copy_of_what_was_signed(self, folder: Path, pairs: dict[str, Pair]) -> None:
        """Of what was verified, which nobody else can change; gone afterwards."""
        with vouched(folder, [pairs["ours"].trusted]) as found:
            assert pairs["ours"].fingerprint == found.signed_by
            assert FILES == {path.name: path.read_bytes() for path in found.folder.iterdir()}
            assert 0o700 == found.folder.parent.stat().st_mode & 0o777
            (folder / "alpha.json").write_bytes(b"changed meanwhile")
            assert FILES["alpha.json"] == (found.folder / "alpha.json").read_bytes()
        assert not found.folder.parent.exists()

    @pytest.mark.parametrize("signer", ["ours", "next"])
    def test_by_any_of_the_trusted(self, tmp_path: Path, pairs: dict[str, Pair], signer: str) -> None:
        """So one key follows another."""
        folder = signed(tmp_path / "folder", pairs[signer])
        with vouched(folder, [pairs["ours"].trusted, pairs["next"].trusted]) as found:
            assert pairs[signer].fingerprint == found.signed_by

    def test_signed_anew(self, folder: Path, pairs: dict[str, Pair]) -> None:
        """Another signature takes the place of the first."""
        sign(folder, pairs["next"].private)
        assert {*FILES, SIGNATURE} == {path.name for path in folder.iterdir()}
        with vouched(folder, [pairs["next"].trusted]) as found:
            assert pairs["next"].fingerprint == found.signed_by

    def test_a_link_to_the_folder(self, folder: Path, pairs: dict[str, Pair], tmp_path: Path) -> None:
        (tmp_path / "latest").symlink_to(folder)
        with vouched(tmp_path / "latest", [pairs["ours"].trusted]) as found:
            assert FILES["alpha.json"] == (found.folder / "alpha.json").read_bytes()


class TestOthersTools:
    def test_verifies_what_is_signed_here(self, folder: Path, pairs: dict[str, Pair]) -> None:
        """OpenSSF's own command does, and sees a change."""
        command = [sys.executable, "-m", "model_signing", "verify", "key", folder, "--signature", folder / SIGNATURE]
        command += ["--public_key", pairs["ours"].public]
        assert 0 == subprocess.run(command, capture_output=True, check=False).returncode
        (folder / "alpha.json").write_bytes(b"{}")
        assert 0 != subprocess.run(command, capture_output=True, check=False).returncode

    def test_what_it_signs_is_taken(self, folder: Path, pairs: dict[str, Pair]) -> None:
        """Also with a key that never leaves its hardware, say."""
        (folder / SIGNATURE).unlink()
        command = [sys.executable, "-m", "model_signing", "sign", "key", folder, "--signature", folder / SIGNATURE]
        command += ["--private_key", pairs["ours"].private]
        subprocess.run(command, capture_output=True, check=True)
        with vouched(folder, [pairs["ours"].trusted]) as found:
            assert pairs["ours"].fingerprint == found.signed_by

    def test_files_left_out_of_a_signature(self, folder: Path, pairs: dict[str, Pair]) -> None:
        """They can be left out, and verify whatever is in them: not here."""
        everything_else = hashing.Config().set_ignored_paths(paths=["beta.npz", SIGNATURE])
        signer = signing.Config().use_elliptic_key_signer(private_key=pairs["ours"].private)
        signer.set_hashing_config(everything_else).sign(folder, folder / SIGNATURE)
        assert refusal(folder, pairs["ours"]).startswith(f"beta.npz: in {folder} but not signed; ")

    def test_signatures_of_parts_of_files(self, folder: Path, pairs: dict[str, Pair]) -> None:
        (folder / SIGNATURE).unlink()
        parts = hashing.Config().use_shard_serialization(shard_size=8)
        signer = signing.Config().use_elliptic_key_signer(private_key=pairs["ours"].private)
        signer.set_hashing_config(parts).sign(folder, folder / SIGNATURE)
        assert "is no signature as OpenSSF model signing makes them" in refusal(folder, pairs["ours"])


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


class TestFiles:
    @pytest.mark.parametrize("name", sorted(name for name in FILES if FILES[name]))
    def test_one_bit_of_any(self, folder: Path, pairs: dict[str, Pair], name: str) -> None:
        flip(folder / name, -1)
        assert refusal(folder, pairs["ours"]).startswith(f"{name}: altered since {folder} was signed; ")

    @pytest.mark.parametrize("name", FILES)
    def test_one_removed(self, folder: Path, pairs: dict[str, Pair], name: str) -> None:
        (folder / name).unlink()
        assert refusal(folder, pairs["ours"]).startswith(f"{name}: signed but not in {folder}; ")

    @pytest.mark.parametrize("name", ["zeta.py", "a\nb", ".gitignore"])
    def test_one_added(self, folder: Path, pairs: dict[str, Pair], name: str) -> None:
        (folder / name).write_bytes(b"")
        told = ascii(name)[1:-1]
        assert refusal(folder, pairs["ours"]).startswith(f"{told}: in {folder} but not signed; ")

    def test_many_added(self, folder: Path, pairs: dict[str, Pair]) -> None:
        """Three are named."""
        for i in range(5):
            (folder / f"new{i}").write_bytes(b"")
        assert refusal(folder, pairs["ours"]).startswith(f"new0, new1, new2 and 2 more: in {folder} but not signed; ")

    def test_two_swapped(self, folder: Path, pairs: dict[str, Pair]) -> None:
        """The same bytes under other names."""
        (folder / "alpha.json").rename(folder / "x")
        (folder / "gamma.md").rename(folder / "alpha.json")
        (folder / "x").rename(folder / "gamma.md")
        assert refusal(folder, pairs["ours"]).startswith("alpha.json, gamma.md: altered since")

    @pytest.mark.parametrize(
        "put",
        [
            lambda path, other: path.symlink_to(other),
            lambda path, _: path.mkdir(),
            lambda path, _: os.mkfifo(path),
            lambda path, _: path.symlink_to("nowhere"),
        ],
        ids=["a link to the same bytes", "a folder", "a pipe", "a link to nothing"],
    )
    @pytest.mark.parametrize("name", ["alpha.json", SIGNATURE])
    def test_no_plain_file(
        self, folder: Path, tmp_path: Path, pairs: dict[str, Pair], name: str, put: Callable[[Path, Path], None]
    ) -> None:
        """A link could name another file once it was verified, and a pipe would never end."""
        (folder / name).rename(tmp_path / name)
        put(folder / name, tmp_path / name)
        assert refusal(folder, pairs["ours"]).startswith(f"{name}: is no plain file, and only those are signed; ")

    def test_no_folder(self, tmp_path: Path, pairs: dict[str, Pair]) -> None:
        assert f"{tmp_path}/none: can't be read or copied (No such file" in refusal(tmp_path / "none", pairs["ours"])


def payload(signature: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Let `change` alter what a signature says; what it was made with stays."""
    document = json.loads(signature.read_bytes())
    statement = json.loads(base64.b64decode(document["dsseEnvelope"]["payload"]))
    change(statement)
    document["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    signature.write_text(json.dumps(document))


def document(signature: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Let `change` alter what is around it."""
    read = json.loads(signature.read_bytes())
    change(read)
    signature.write_text(json.dumps(read))


NO_SIGNATURE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "half of it": lambda path: os.truncate(path, path.stat().st_size // 2),
    "noise": lambda path: path.write_bytes(bytes(range(256)) * 10),
    "deep": lambda path: path.write_bytes(b"[" * 100_000),
    "endless": lambda path: path.write_bytes(path.read_bytes() + b" " * (1 << 20)),
    "another document": lambda path: path.write_bytes(b'{"dsseEnvelope": []}'),
    "null": lambda path: path.write_bytes(b"null"),
    "no base64": lambda path: document(path, lambda d: d["dsseEnvelope"].update(payload="!" * 8)),
    "no files": lambda path: payload(path, lambda p: p["predicate"].pop("resources")),
}

NOT_OURS: dict[str, Callable[[Path], object]] = {
    "other words, the same claims": lambda path: payload(path, lambda p: p.update(added=1)),
    "no signature in it": lambda path: document(path, lambda d: d["dsseEnvelope"].update(signatures=[])),
    "an empty one": lambda path: document(path, lambda d: d["dsseEnvelope"]["signatures"][0].update(sig="")),
    "of zeros": lambda path: document(path, lambda d: d["dsseEnvelope"]["signatures"][0].update(sig="MAYCAQACAQA=")),
    "of another type": lambda path: document(path, lambda d: d["dsseEnvelope"].update(payloadType="text/plain")),
    "no key named": lambda path: document(path, lambda d: d.pop("verificationMaterial")),
    "another media type": lambda path: document(path, lambda d: d.update(mediaType="text/plain")),
}


class TestSignature:
    def test_none(self, folder: Path, pairs: dict[str, Pair]) -> None:
        (folder / SIGNATURE).unlink()
        message = refusal(folder, pairs["ours"])
        assert message.startswith(f"{SIGNATURE}: is not in {folder}, so nobody has signed that; sign it: ")
        assert message.endswith(f"python -m training sign {folder} --key FILE")

    @pytest.mark.parametrize("what", NO_SIGNATURE)
    def test_no_signature(self, folder: Path, pairs: dict[str, Pair], what: str) -> None:
        NO_SIGNATURE[what](folder / SIGNATURE)
        assert refusal(folder, pairs["ours"]).startswith(f"{SIGNATURE}: in {folder} is no signature as OpenSSF model ")

    @pytest.mark.parametrize("what", NOT_OURS)
    def test_not_made_by_the_key(self, folder: Path, pairs: dict[str, Pair], what: str) -> None:
        """Right about every file, and yet made by nobody who is trusted."""
        NOT_OURS[what](folder / SIGNATURE)
        assert refusal(folder, pairs["ours"]).startswith(f"{SIGNATURE}: of {folder} was not made by a trusted key (")

    def test_one_bit_of_it(self, folder: Path, pairs: dict[str, Pair]) -> None:
        """Of the signature proper, wherever."""
        encoded = json.loads((folder / SIGNATURE).read_bytes())["dsseEnvelope"]["signatures"][0]["sig"]
        for position in range(8, 60, 8):
            made = bytearray(base64.b64decode(encoded))
            made[position] ^= 1
            changed = base64.b64encode(made).decode()
            document(folder / SIGNATURE, lambda d, sig=changed: d["dsseEnvelope"]["signatures"][0].update(sig=sig))
            assert "was not made by a trusted key" in refusal(folder, pairs["ours"])

    def test_of_another_key(self, tmp_path: Path, pairs: dict[str, Pair]) -> None:
        """Every file is as it was signed, by a stranger; who is trusted is said."""
        folder = signed(tmp_path / "folder", pairs["theirs"])
        message = refusal(folder, pairs["ours"], pairs["next"])
        assert message.startswith(f"{SIGNATURE}: of {folder} was not made by a trusted key (")
        for pair in (pairs["ours"], pairs["next"]):
            assert f"{pair.public} with sha256 {pair.fingerprint[:12]}…" in message

    def test_that_names_our_key(self, tmp_path: Path, pairs: dict[str, Pair]) -> None:
        """It may say whose it is: that is not what counts."""
        ours = signed(tmp_path / "ours", pairs["ours"])
        material = json.loads((ours / SIGNATURE).read_bytes())["verificationMaterial"]
        folder = signed(tmp_path / "folder", pairs["theirs"])
        document(folder / SIGNATURE, lambda d: d.update(verificationMaterial=material))
        assert "was not made by a trusted key" in refusal(folder, pairs["ours"])

    def test_of_another_folder(self, folder: Path, tmp_path: Path, pairs: dict[str, Pair]) -> None:
        """By the trusted key: it vouches for other bytes."""
        other = signed(tmp_path / "other", pairs["ours"], FILES | {"alpha.json": b'{"a": 2}'})
        (folder / SIGNATURE).write_bytes((other / SIGNATURE).read_bytes())
        assert refusal(folder, pairs["ours"]).startswith(f"alpha.json: altered since {folder} was signed; ")

    def test_without_a_name_of_the_key(
        self, folder: Path, pairs: dict[str, Pair], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """As older tools made them: it counts, and nothing is printed."""
        document(folder / SIGNATURE, lambda d: d["verificationMaterial"]["publicKey"].pop("hint"))
        with vouched(folder, [pairs["ours"].trusted]) as found:
            assert pairs["ours"].fingerprint == found.signed_by
        assert ("", "") == capsys.readouterr()

    def test_trusting_nobody(self, folder: Path) -> None:
        """Without a key nothing is vouched for."""
        with pytest.raises(UnvouchedError), vouched(folder, []):
            pass
