"""Checkpoints are made, signed and kept once and in order, whatever goes wrong; and say when they don't add up."""

from __future__ import annotations

import base64
import fcntl
import json
import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from records.__main__ import main
from records.chain import Writer
from records.checkpoints import places
from records.checkpoints.checkpoint import read_row
from records.checkpoints.envelopes import TrustedKeys, read_signing_key, read_trusted_keys
from records.checkpoints.making import next_checkpoint
from records.checkpoints.merkle import root
from records.checkpoints.places import FilePlace, place, read_authorization
from records.errors import CheckpointError
from records.keyring import KeyRing
from records.stores.postgresql.schema import migrate
from records.stores.postgresql.store import PostgreSQL
from records.stores.sqlite.ledger import LedgerFolder
from tests.postgres import Postgres
from tests.records.filing import Filed, filing
from tests.records.samples import BASIS, a_chain, a_record, a_writer, behind, chained
from tests.records.tampering import Raw

KINDS: dict[str, Any] = {"p256": lambda: generate_private_key(SECP256R1()), "ed25519": Ed25519PrivateKey.generate}


def write_key(folder: Path, name: str = "sign", kind: str = "p256", password: bytes | None = None) -> tuple[Path, Path]:
    """A pair of keys in files."""
    key = (KINDS | {"p384": lambda: generate_private_key(SECP384R1()), "x25519": X25519PrivateKey.generate})[kind]()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    sealing = NoEncryption() if password is None else BestAvailableEncryption(password)
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealing))
    private.chmod(0o600)
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


class Growing:
    """A store that is written to, and the commands that look at it.

    Attributes:
        folder: of it and all else.
        place: of the checkpoints.
        pair: of keys.
    """

    def __init__(self, folder: Path, ring: KeyRing) -> None:
        self.folder = folder
        self.place = str(folder / "checkpoints.jsonl")
        self.pair = write_key(folder)
        self.where = f"sqlite:{folder / 'records'}"
        self.store = LedgerFolder(folder / "records")
        self.ring = ring
        self.writer, self.entries = a_chain(3, ring)
        self.store.begin(self.writer, BASIS)
        self.store.append(self.entries)

    def write(self, number: int = 2) -> None:
        """More of the same."""
        head = behind(self.writer, self.entries)
        new = chained([a_record() for _ in range(number)], self.writer, head, BASIS, self.ring)
        self.store.append(new)
        self.entries += new

    def checkpoint(self, *more: str) -> int:
        """Run the command."""
        return main(["checkpoint", "--records", self.where, "--to", self.place, "--sign-key", str(self.pair[0]), *more])

    def verify(self, *more: str) -> int:
        """The same."""
        key = str(self.pair[1])
        return main(["verify", "--records", self.where, "--checkpoints", self.place, "--trusted-key", key, *more])


@pytest.fixture
def growing(tmp_path: Path, ring: KeyRing) -> Iterator[Growing]:
    made = Growing(tmp_path, ring)
    yield made
    made.store.close()


@pytest.fixture
def filed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Filed]:
    monkeypatch.setattr(places, "_PAUSES", (0.0, 0.0, 0.0))
    with filing() as running:
        yield running


class TestTree:
    LEAVES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
    ROOTS = (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )

    @pytest.mark.parametrize("number", range(9))
    def test_of_certificate_transparency(self, number: int) -> None:
        """The vectors of its reference implementation, of trees with 0 to 8 leaves."""
        assert self.ROOTS[number] == root([bytes.fromhex(leaf) for leaf in self.LEAVES[:number]]).hex()

    @given(st.lists(st.binary(max_size=4), min_size=1, max_size=20), st.data())
    def test_any_other_list_has_another(self, leaves: list[bytes], data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(leaves) - 1))
        assert root(leaves) != root([*leaves[:place], leaves[place] + b"x", *leaves[place + 1 :]])
        assert root(leaves) != root(leaves[:place] + leaves[place + 1 :])


class TestKeys:
    @pytest.mark.parametrize("kind", KINDS)
    def test_signed(self, tmp_path: Path, kind: str) -> None:
        private, public = write_key(tmp_path, kind=kind)
        key = read_signing_key(private)
        line = key.sign(b"said")
        assert (b"said", key.name) == read_trusted_keys([public]).opened(line)
        other = read_trusted_keys([write_key(tmp_path, "other", kind)[1]])
        with pytest.raises(CheckpointError, match="not signed by a trusted key"):
            other.opened(line)

    @pytest.mark.parametrize("kind", KINDS)
    def test_any_other_statement_is_refused(self, tmp_path: Path, kind: str) -> None:
        """Another payload under the signature; another type; no signature; a damaged one."""
        key = read_signing_key(write_key(tmp_path, kind=kind)[0])
        envelope = json.loads(key.sign(b"said"))
        (signature,) = envelope["signatures"]
        made = base64.b64decode(signature["sig"])
        damaged = base64.b64encode(bytes([made[0] ^ 1]) + made[1:]).decode()
        for change in (
            {"payload": base64.b64encode(b"else").decode()},
            {"payloadType": "text/plain"},
            {"signatures": []},
            {"signatures": [{**signature, "sig": damaged}]},
            {"signatures": [{**signature, "sig": "?"}]},
            {"more": 1},
        ):
            with pytest.raises(CheckpointError):
                TrustedKeys([key.public]).opened(json.dumps(envelope | change).encode())

    def test_that_can_not_be_used(self, tmp_path: Path) -> None:
        """Each error names the file and what to do."""
        open_to_all, _ = write_key(tmp_path, "open")
        open_to_all.chmod(0o644)
        text = tmp_path / "text"
        text.write_text("no key")
        text.chmod(0o600)
        for path, message in (
            (open_to_all, "chmod o="),
            (text, "no private key in PEM"),
            (tmp_path / "absent", "No such file"),
            (write_key(tmp_path, "curve", "p384")[0], "neither on P-256 nor Ed25519"),
            (write_key(tmp_path, "kind", "x25519")[0], "neither on P-256 nor Ed25519"),
            (write_key(tmp_path, "closed", password=b"word")[0], "has a passphrase"),
        ):
            with pytest.raises(CheckpointError, match=message) as refused:
                read_signing_key(path)
            assert str(path) in str(refused.value)
        for path, message in (
            (text, "no public key in PEM"),
            (tmp_path / "absent", "No such file"),
            (write_key(tmp_path, "curve", "p384")[1], "neither on P-256 nor Ed25519"),
        ):
            with pytest.raises(CheckpointError, match=message):
                read_trusted_keys([path])


class TestCommands:
    def test_one_after_the_other(self, growing: Growing, capsys: pytest.CaptureFixture[str]) -> None:
        """Each follows the one before it, and all of them are held against the store."""
        for _ in range(3):
            assert 0 == growing.checkpoint("--json")
            growing.write()
        made = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [(1, 3, None), (2, 5, made[0]["digest"]), (3, 7, made[1]["digest"])] == [
            (each["number"], each["entries"], each["before"]) for each in made
        ]
        assert 0 == growing.verify("--json")
        seen = json.loads(capsys.readouterr().out)["checkpoints"]
        assert (3, 2, [made[0]["signed_by"]]) == (seen["number"], seen["later"], seen["signed_by"])

    def test_nothing_new(self, growing: Growing) -> None:
        """A checkpoint all the same: it says that nothing has changed until then; no head is told twice."""
        assert [0, 0] == [growing.checkpoint(), growing.checkpoint()]
        row = self._row(growing)
        assert row.last is not None
        assert (2, 3, ()) == (row.last.number, row.last.entries, row.last.heads)
        assert 0 == growing.verify()

    def test_a_writer_that_has_written_nothing(self, growing: Growing) -> None:
        growing.store.close()
        idle = a_writer()
        growing.store.begin(idle, BASIS)
        assert 0 == growing.checkpoint()
        assert idle.origin == self._row(growing).chains[idle.id].head
        growing.store.append(chained([a_record()], idle, idle.origin, BASIS, growing.ring))
        assert [0, 0] == [growing.checkpoint(), growing.verify()]

    def test_what_is_found_is_told(self, growing: Growing, capsys: pytest.CaptureFixture[str]) -> None:
        growing.checkpoint()
        raw = Raw(growing.folder / "records" / "0.sqlite")
        growing.store.close()
        raw._run("DELETE FROM decisions WHERE sequence = 3")
        assert 1 == growing.verify()
        assert "entry 3: missing, and checkpoint 1 saw it" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("sql", "message"),
        [
            ("DELETE FROM decisions WHERE sequence = 3", "entry 3: missing, or no longer what it was"),
            ("UPDATE decisions SET hash = x'00' WHERE sequence = 3", "entry 3: missing, or no longer what it was"),
            ("UPDATE decisions SET caller = 'other' WHERE sequence = 5", "entry 5: not as it was written"),
            ("DELETE FROM decisions WHERE sequence = 4", "entry 4: 1 missing before 5"),
            ("DELETE FROM writers", "is gone"),
        ],
    )
    def test_what_is_not_whole_is_not_signed(
        self, growing: Growing, capsys: pytest.CaptureFixture[str], sql: str, message: str
    ) -> None:
        """The key vouches for nothing that doesn't follow what it has vouched for."""
        growing.checkpoint()
        growing.write()
        growing.store.close()
        before = Path(growing.place).read_bytes()
        Raw(growing.folder / "records" / "0.sqlite")._run(sql)
        assert 1 == growing.checkpoint()
        assert message in capsys.readouterr().err
        assert before == Path(growing.place).read_bytes()

    def test_only_what_is_new_is_read(self, growing: Growing) -> None:
        """A checkpoint an hour costs what was written in that hour."""
        growing.checkpoint()
        growing.write(5)
        read: list[int] = []
        entries = growing.store.entries

        def counted(writer: Writer, after: int = 0) -> Any:
            for entry in entries(writer, after):
                read.append(entry.sequence)
                yield entry

        growing.store.entries = counted  # type: ignore[method-assign]  # to see what is read
        assert 8 == next_checkpoint(growing.store, self._row(growing)).entries
        assert [3, 4, 5, 6, 7, 8] == read

    def test_a_new_key(self, growing: Growing, capsys: pytest.CaptureFixture[str]) -> None:
        """The old one has to be trusted for what it has signed."""
        growing.checkpoint()
        old = growing.pair[1]
        growing.pair = write_key(growing.folder, "new", "ed25519")
        assert 1 == growing.checkpoint()
        assert "line 1 was changed, or is not signed by a trusted key" in capsys.readouterr().err
        assert 0 == growing.checkpoint("--trusted-key", str(old))
        assert 1 == growing.verify()
        assert 0 == growing.verify("--trusted-key", str(old))

    def test_wrong_arguments(self, growing: Growing, capsys: pytest.CaptureFixture[str]) -> None:
        common = ["verify", "--records", growing.where, "--checkpoints", growing.place]
        assert 1 == main(common)
        assert "--trusted-key" in capsys.readouterr().err
        assert 1 == main([*common, "--trusted-key", str(growing.pair[1])])
        assert "there are no checkpoints" in capsys.readouterr().err

    def _row(self, growing: Growing) -> Any:
        return read_row(Path(growing.place).read_bytes(), read_trusted_keys([growing.pair[1]]), growing.place)


@pytest.mark.database
def test_who_may_only_read(cluster: Postgres, ring: KeyRing, tmp_path: Path) -> None:
    """All that a job needs of a database."""
    schema, reader = cluster.new_schema(), f"reader_{secrets.token_hex(4)}"
    where = cluster.url(schema)
    migrate(where)
    writer, entries = a_chain(3, ring)
    with closing(PostgreSQL(where)) as store:
        store.begin(writer, BASIS)
        store.append(entries)
    cluster.execute(f"CREATE ROLE {reader} LOGIN PASSWORD '{cluster.password}'")
    cluster.execute(f"GRANT USAGE ON SCHEMA {schema} TO {reader}")
    cluster.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {reader}")
    private, public = write_key(tmp_path)
    place, records = str(tmp_path / "checkpoints.jsonl"), ["--records", cluster.url(schema, reader)]
    assert 0 == main(["checkpoint", *records, "--to", place, "--sign-key", str(private)])
    assert 0 == main(["verify", *records, "--checkpoints", place, "--trusted-key", str(public)])


class TestRow:
    @pytest.fixture
    def lines(self, growing: Growing) -> list[bytes]:
        """Three checkpoints."""
        for _ in range(3):
            growing.checkpoint()
            growing.write()
        return Path(growing.place).read_bytes().splitlines(keepends=True)

    @pytest.mark.parametrize(
        ("order", "message"),
        [
            ((1, 2), "line 1 is checkpoint 2, and doesn't follow"),
            ((0, 2), "line 2 is checkpoint 3, and doesn't follow"),
            ((0, 2, 1), "line 2 is checkpoint 3, and doesn't follow"),
            ((0, 0), "line 2 is checkpoint 1, and doesn't follow"),
        ],
    )
    def test_one_is_missing(
        self,
        growing: Growing,
        lines: list[bytes],
        capsys: pytest.CaptureFixture[str],
        order: tuple[int, ...],
        message: str,
    ) -> None:
        Path(growing.place).write_bytes(b"".join(lines[place] for place in order))
        assert 1 == growing.verify()
        assert message in capsys.readouterr().err

    def test_one_was_changed(self, growing: Growing, lines: list[bytes], capsys: pytest.CaptureFixture[str]) -> None:
        envelope = json.loads(lines[1])
        said = base64.b64decode(envelope["payload"]).replace(b'"entries":5', b'"entries":4')
        envelope["payload"] = base64.b64encode(said).decode()
        Path(growing.place).write_bytes(lines[0] + json.dumps(envelope).encode() + b"\n" + lines[2])
        assert 1 == growing.verify()
        assert f"{growing.place}: line 2 was changed" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"root": "0" * 64}, "heads don't come to its root"),
            ({"entries": 6}, "heads don't come to its root"),
            ({"heads": []}, "heads don't come to its root"),
            ({"format": 2}, "no checkpoint of this version"),
            ({"before": "0" * 64}, "doesn't follow"),
        ],
    )
    def test_one_that_does_not_add_up(
        self, growing: Growing, lines: list[bytes], change: dict[str, Any], message: str
    ) -> None:
        """Though it is signed."""
        key = read_signing_key(growing.pair[0])
        said = json.loads(base64.b64decode(json.loads(lines[1])["payload"]))
        forged = key.sign(json.dumps(said | change).encode())
        with pytest.raises(CheckpointError, match=message):
            read_row(lines[0] + forged, TrustedKeys([key.public]), "here")

    @pytest.mark.parametrize("fingerprints", ["", "AAAA", "?"])
    def test_one_that_tells_too_little(self, growing: Growing, lines: list[bytes], fingerprints: str) -> None:
        key = read_signing_key(growing.pair[0])
        said = json.loads(base64.b64decode(json.loads(lines[0])["payload"]))
        said["heads"][0]["fingerprints"] = fingerprints
        with pytest.raises(CheckpointError, match="doesn't tell all entries"):
            read_row(key.sign(json.dumps(said).encode()), TrustedKeys([key.public]), "here")


class TestFile:
    def test_a_line_that_was_never_finished(self, growing: Growing) -> None:
        """The power failed while it was written: it is left out, and the next one takes its place."""
        growing.checkpoint()
        path = Path(growing.place)
        (line,) = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(line + line[:-20])
        assert [0, 0, 0] == [growing.verify(), growing.checkpoint(), growing.verify()]
        assert 2 == len(path.read_bytes().splitlines())

    def test_synced(self, growing: Growing, monkeypatch: pytest.MonkeyPatch) -> None:
        """The file, and the folder in which it is new, before the command ends."""
        synced: list[str] = []
        monkeypatch.setattr(
            "records.checkpoints.places.os.fsync",
            lambda file: synced.append(str(Path(f"/proc/self/fd/{file}").readlink())),
        )
        growing.checkpoint()
        assert [growing.place, str(growing.folder)] == synced

    def test_two_at_once(self, growing: Growing, capsys: pytest.CaptureFixture[str]) -> None:
        growing.checkpoint()
        with Path(growing.place).open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            assert 1 == growing.checkpoint()
        assert "another checkpoint is being made" in capsys.readouterr().err

    def test_that_can_not_be_written(self, growing: Growing, capsys: pytest.CaptureFixture[str]) -> None:
        growing.place = str(growing.folder)
        assert 1 == growing.checkpoint()
        assert f"{growing.folder}: Is a directory" in capsys.readouterr().err
        with pytest.raises(CheckpointError, match="Is a directory"):
            FilePlace(growing.folder).contents()


class TestUrl:
    @pytest.fixture
    def at(self, growing: Growing, filed: Filed) -> Growing:
        growing.place = filed.url
        return growing

    def test_one_after_the_other(self, at: Growing, filed: Filed) -> None:
        assert [0, 0, 0] == [at.checkpoint(), at.checkpoint(), at.verify()]
        assert [("GET", 404), ("PUT", 201), ("GET", 200), ("PUT", 201), ("GET", 200)] == filed.asked
        assert self._lines(filed) == 2

    def test_tried_again(self, at: Growing, filed: Filed) -> None:
        """Where it is down for a moment."""
        filed.faults = [503, None, 429, 502, None]
        assert [0, 0] == [at.checkpoint(), at.verify()]
        assert 1 == self._lines(filed)

    def test_an_answer_that_is_lost(self, at: Growing, filed: Filed) -> None:
        """What has arrived isn't sent twice."""
        filed.faults = [None, "lost"]
        assert [0, 0] == [at.checkpoint(), at.verify()]
        assert [("GET", 404), ("PUT", 0), ("GET", 200)] == filed.asked[:3]
        assert 1 == self._lines(filed)

    def test_somebody_else_was_first(self, at: Growing, filed: Filed, tmp_path: Path) -> None:
        """Theirs stays, and this one follows it."""
        at.checkpoint()
        other = Path(tmp_path / "other.jsonl")
        other.write_bytes(filed.content or b"")
        at.place, url = str(other), at.place
        at.checkpoint()
        at.place = url
        filed.faults = [None, 412]
        content, filed.content = filed.content, other.read_bytes()
        assert content != filed.content
        assert [0, 0] == [at.checkpoint(), at.verify()]
        assert 3 == self._lines(filed)

    def test_it_stays_down(self, at: Growing, filed: Filed, capsys: pytest.CaptureFixture[str]) -> None:
        """It is given up after some tries."""
        filed.faults = [503] * 9
        assert 1 == at.checkpoint()
        assert f"{filed.url}: GET was answered with 503" in capsys.readouterr().err
        assert 4 == len(filed.asked)

    @pytest.mark.parametrize("status", [301, 401, 403])
    def test_what_is_no_use_to_try_again(
        self, at: Growing, filed: Filed, capsys: pytest.CaptureFixture[str], status: int
    ) -> None:
        """A redirect isn't followed: what is sent to one place is not for another."""
        filed.faults = [status]
        assert 1 == at.checkpoint()
        assert f"answered with {status}" in capsys.readouterr().err
        assert 1 == len(filed.asked)

    @pytest.mark.parametrize("fault", ["slow", "late"])
    def test_it_hangs(self, filed: Filed, fault: str) -> None:
        """Silent, or sending without an end."""
        filed.faults = [fault] * 4
        with pytest.raises(CheckpointError, match=r"TimeoutError|timed out"):
            place(filed.url, seconds=0.2).contents()

    def test_no_versions(self, at: Growing, filed: Filed, capsys: pytest.CaptureFixture[str]) -> None:
        """Without them nobody knows whose line is lost."""
        at.checkpoint()
        filed.etag = False
        assert 1 == at.checkpoint()
        assert "gives no strong ETag" in capsys.readouterr().err
        assert 1 == self._lines(filed)

    def test_something_else_is_there(self, at: Growing, filed: Filed, capsys: pytest.CaptureFixture[str]) -> None:
        """It isn't overwritten."""
        filed.content = b"<html>"
        assert 1 == at.checkpoint()
        assert "something else than checkpoints" in capsys.readouterr().err
        assert b"<html>" == filed.content

    def test_authorization(self, at: Growing, filed: Filed, tmp_path: Path) -> None:
        secret = tmp_path / "authorization"
        secret.write_text("Bearer abc\n")
        assert 0 == at.checkpoint("--authorization", str(secret))
        assert "Bearer abc" == filed.authorization
        for text, message in (("", "no header's value"), ("a\nb", "no header's value"), ("é", "no header's value")):
            secret.write_text(text, encoding="utf-8")
            with pytest.raises(CheckpointError, match=message):
                read_authorization(secret)
        with pytest.raises(CheckpointError, match="No such file"):
            read_authorization(tmp_path / "absent")

    @pytest.mark.parametrize("where", ["ftp://host/a", "https://", "https://user:word@host/a"])
    def test_of_another_kind(self, where: str) -> None:
        with pytest.raises(CheckpointError, match="neither a file nor an http or https URL") as refused:
            place(where)
        assert "word@" not in str(refused.value)

    def _lines(self, filed: Filed) -> int:
        return len((filed.content or b"").splitlines())
