"""API keys: the command, the file, and what is taken for a key."""

from __future__ import annotations

import asyncio
import hashlib
import json
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.access import keys as keys_module
from serving.access.callers import Caller, Reason
from serving.access.command import main
from serving.access.credentials import MAX_CREDENTIAL, credential
from serving.access.keyfile import change_keys, read_keys
from serving.access.keys import KEY_LENGTH, KeyEntry, KeyRing, KeysDocument, KeysError, digest, new_key, parse_keys
from serving.access.watching import KeysFile
from serving.routes import AccessScope
from tests.servers import ROOT

TODAY = datetime.now(UTC).date()
NEXT_YEAR = TODAY + timedelta(days=365)


def entry(key: str, name: str = "core-banking", expires: date = NEXT_YEAR, **changed: Any) -> KeyEntry:
    given = {"scopes": ["decide"], "created": date(2026, 1, 1), "sha256": digest(key.encode()).hex()}
    return KeyEntry(name=name, expires=expires, **(given | changed))


def make(file: Path, capsys: pytest.CaptureFixture[str], name: str = "core-banking", scopes: str = "decide") -> str:
    assert 0 == main(
        ["keys", "new", "--name", name, "--scopes", scopes, "--expires", str(NEXT_YEAR), "--file", str(file)]
    )
    return capsys.readouterr().out.strip()


class TestCommand:
    def test_a_key_is_printed_once(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Alone on standard output; the file holds what it can be recognised by, and nothing that it can b."""
        file = tmp_path / "keys.json"
        key = make(file, capsys, scopes="decide,explain")
        text = file.read_text(encoding="utf-8")
        (kept,) = json.loads(text)["keys"]

        assert (True, KEY_LENGTH) == (key.startswith("crk_"), len(key))
        assert key not in text
        assert key[4:20] not in text
        assert {
            "name": "core-banking",
            "scopes": ["decide", "explain"],
            "created": str(datetime.now(UTC).date()),
            "expires": str(NEXT_YEAR),
            "sha256": hashlib.sha256(key.encode()).hexdigest(),
        } == kept

    def test_only_the_owner_reads_the_file(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        make(tmp_path / "keys.json", capsys)
        assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}

    def test_a_mode_that_was_given_stays(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The service may run as another user than the one who makes keys."""
        file = tmp_path / "keys.json"
        make(file, capsys)
        file.chmod(0o640)
        make(file, capsys)
        assert 0o640 == stat.S_IMODE(file.stat().st_mode)

    def test_list_and_revoke(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "keys.json"
        kept, gone = make(file, capsys), make(file, capsys)
        make(file, capsys, name="prometheus", scopes="metrics")
        gone_id = digest(gone.encode()).hex()[:12]

        assert 0 == main(["keys", "revoke", "--id", gone_id, "--file", str(file)])
        assert 0 == main(["keys", "revoke", "--name", "prometheus", "--file", str(file)])
        capsys.readouterr()
        assert 0 == main(["keys", "list", "--file", str(file)])
        assert capsys.readouterr().out == (
            f"{digest(kept.encode()).hex()[:12]}  core-banking  decide  {TODAY}..{NEXT_YEAR}  valid\n"
        )

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (("new", "--name", "a b", "--scopes", "decide", "--expires", "2999-01-01"), "--name takes"),
            (("new", "--name", "A", "--scopes", "decide", "--expires", "2999-01-01"), "--name takes"),
            (("new", "--name", "a" * 65, "--scopes", "decide", "--expires", "2999-01-01"), "--name takes"),
            (("new", "--name", "a", "--scopes", "decide", "--expires", "2020-01-01"), "is past"),
            (("revoke", "--name", "nobody"), "no key of nobody"),
            (("revoke", "--id", "core-banking"), "no key of core-banking"),
        ],
    )
    def test_refused(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
    ) -> None:
        """With the remedy, and the file as it was."""
        file = tmp_path / "keys.json"
        make(file, capsys)
        before = file.read_bytes()

        assert 1 == main(["keys", *arguments, "--file", str(file)])
        assert told in capsys.readouterr().err
        assert before == file.read_bytes()

    @pytest.mark.parametrize("arguments", [("--scopes", "all"), ("--scopes", ""), ("--expires", "never")])
    def test_wrong_arguments(self, arguments: tuple[str, str]) -> None:
        good = {"--name": "a", "--scopes": "decide", "--expires": "2999-01-01", "--file": "keys.json"}
        with pytest.raises(SystemExit, match="2"):
            main(["keys", "new", *(part for pair in (good | dict([arguments])).items() for part in pair)])

    @pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 2, "keys": []}', '{"keys": [{}]}'])
    def test_a_file_of_something_else_is_kept(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
    ) -> None:
        file = tmp_path / "keys.json"
        file.write_text(content, encoding="utf-8")
        assert 1 == main(
            ["keys", "new", "--name", "a", "--scopes", "decide", "--expires", "2999-01-01", "--file", str(file)]
        )
        assert (content, "") == (file.read_text(encoding="utf-8"), capsys.readouterr().out)

    def test_two_at_once_lose_nothing(self, tmp_path: Path) -> None:
        """Each waits for the other: all of their keys are in the file."""
        file = tmp_path / "keys.json"

        def add(i: int) -> None:
            change_keys(file, lambda document: KeysDocument(keys=(*document.keys, entry(f"k{i}"))), create=True)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(add, range(40)))
        assert 40 == len(read_keys(file)[0].keys)

    def test_a_failed_write_leaves_the_file(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A full disk: the file is as it was, and nothing lies beside it."""
        file = tmp_path / "keys.json"
        make(file, capsys)
        before = sorted((path.name, path.read_bytes()) for path in tmp_path.iterdir())
        with mock.patch("os.fsync", side_effect=OSError(28, "No space left on device")):
            assert 1 == main(["keys", "revoke", "--name", "core-banking", "--file", str(file)])
        assert "No space left" in capsys.readouterr().err
        assert before == sorted((path.name, path.read_bytes()) for path in tmp_path.iterdir())

    def test_as_a_command(self) -> None:
        """`python -m serving keys` starts without the framework or the cryptography."""
        code = "import sys, runpy; sys.argv = ['serving', 'keys', 'list', '--file', 'absent']\n"
        code += "try: runpy.run_module('serving', run_name='__main__')\n"
        code += "except SystemExit as exc: print(exc.code, *{name.partition('.')[0] for name in sys.modules})"
        output = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
        )
        exit_code, *loaded = output.stdout.split()
        assert "1" == exit_code
        assert "absent can't be read" in output.stderr
        assert set() == set(loaded) & {"bentoml", "jwt", "cryptography", "numpy", "starlette"}


GOOD = new_key()
EXPIRED = new_key()
RING = KeyRing([entry(GOOD), entry(EXPIRED, expires=datetime.now(UTC).date() - timedelta(days=1))])


def header(value: bytes | str) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", value if isinstance(value, bytes) else value.encode())]


HOSTILE: dict[str, tuple[list[tuple[bytes, bytes]], Reason]] = {
    "none": ([], Reason.MISSING),
    "empty": (header(b""), Reason.MALFORMED),
    "Bearer alone": (header("Bearer "), Reason.MALFORMED),
    "without Bearer": (header(GOOD), Reason.MALFORMED),
    "Basic": (header(f"Basic {GOOD}"), Reason.MALFORMED),
    "two headers": (header(f"Bearer {GOOD}") * 2, Reason.MALFORMED),
    "two credentials": (header(f"Bearer {GOOD}, Bearer {GOOD}"), Reason.MALFORMED),
    "another key": (header(f"Bearer {new_key()}"), Reason.UNKNOWN),
    "beginning of a key": (header(f"Bearer {GOOD[:-1]}"), Reason.UNKNOWN),
    "a key and more": (header(f"Bearer {GOOD}A"), Reason.UNKNOWN),
    "in capitals": (header(f"Bearer {GOOD.upper()}"), Reason.UNKNOWN),
    "without its prefix": (header(f"Bearer {GOOD[4:]}"), Reason.UNKNOWN),
    "a NUL behind it": (header(f"Bearer {GOOD}\0"), Reason.MALFORMED),
    "a NUL in it": (header(f"Bearer {GOOD[:-1]}\0"), Reason.MALFORMED),
    "a line end behind it": (header(f"Bearer {GOOD}\n"), Reason.MALFORMED),
    "huge": (header("Bearer " + "A" * 60_000), Reason.MALFORMED),
    "no ASCII": (header(f"Bearer {GOOD[:-1]}é"), Reason.MALFORMED),
    "no UTF-8": (header(b"Bearer \xff\xfe"), Reason.MALFORMED),
    "full-width letters": (
        header(f"Bearer {GOOD.translate({i: i + 0xFEE0 for i in range(0x21, 0x7F)})}"),
        Reason.MALFORMED,
    ),
    "the digest": (header(f"Bearer {digest(GOOD.encode()).hex()}"), Reason.UNKNOWN),
    "expired": (header(f"Bearer {EXPIRED}"), Reason.EXPIRED),
    "all zeros": (header(f"Bearer {'0' * KEY_LENGTH}"), Reason.UNKNOWN),
    "in another header": ([(b"x-api-key", GOOD.encode())], Reason.MISSING),
    "in a cookie": ([(b"cookie", f"authorization=Bearer {GOOD}".encode())], Reason.MISSING),
}


class TestWhatIsSent:
    @pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer   "])
    def test_a_key(self, scheme: str) -> None:
        caller = RING.find(credential(header(f"{scheme} {GOOD}")), time.time())
        assert Caller("core-banking", frozenset({AccessScope.DECIDE})) == caller

    @pytest.mark.parametrize("what", HOSTILE)
    def test_hostile_is_refused(self, what: str) -> None:
        headers, reason = HOSTILE[what]
        assert reason == RING.find(credential(headers), time.time())

    @given(st.binary(max_size=100), st.booleans())
    def test_anything(self, value: bytes, bearer: bool) -> None:  # drawn
        """No credential that wasn't made gets in, and none is an exception."""
        found = RING.find(credential(header(b"Bearer " * bearer + value)), time.time())
        assert found in (Reason.MALFORMED, Reason.UNKNOWN)

    @pytest.mark.parametrize("what", [*HOSTILE, "good"])
    def test_costs_one_digest(self, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of as many bytes, whether there is a key, or what could be one, or neither."""
        digested: list[int] = []
        monkeypatch.setattr(keys_module, "digest", lambda key: digested.append(len(key)) or digest(key))
        headers, _ = HOSTILE.get(what, (header(f"Bearer {GOOD}"), None))
        RING.find(credential(headers), time.time())
        assert [KEY_LENGTH] == digested

    def test_the_placeholder_of_no_key_is_no_key(self) -> None:
        """What is digested in place of nothing opens nothing, even if its digest stood in the file."""
        ring = KeyRing([entry("\0" * KEY_LENGTH)])
        assert [Reason.MISSING, Reason.UNKNOWN] == [ring.find(sent, 0.0) for sent in (Reason.MISSING, b"x")]

    def test_is_valid_through_its_last_day(self) -> None:
        ring = KeyRing([entry(GOOD, expires=date(2027, 6, 30))])
        midnight = datetime(2027, 7, 1, tzinfo=UTC).timestamp()
        assert isinstance(ring.find(GOOD.encode(), midnight - 0.001), Caller)
        assert Reason.EXPIRED == ring.find(GOOD.encode(), midnight)

    def test_the_longest_that_is_looked_at(self) -> None:
        """Issuers' tokens are longer than keys."""
        longest = b"A" * (MAX_CREDENTIAL - len("Bearer "))
        assert longest == credential(header(b"Bearer " + longest))
        assert Reason.MALFORMED == credential(header(b"Bearer " + longest + b"A"))


class TestFile:
    @pytest.mark.parametrize(
        ("changed", "told"),
        [
            ({"sha256": "A" * 64}, "keys.0.sha256"),
            ({"sha256": "ab"}, "keys.0.sha256"),
            ({"scopes": []}, "keys.0.scopes"),
            ({"scopes": ["all"]}, "keys.0.scopes.0"),
            ({"name": ""}, "keys.0.name"),
            ({"name": "a\n"}, "keys.0.name"),
            ({"expires": None}, "keys.0.expires"),
            ({"secret": "x"}, "keys.0.secret"),
        ],
    )
    def test_what_is_wrong_is_named(self, changed: dict[str, Any], told: str) -> None:
        kept = json.loads(KeysDocument(keys=(entry(GOOD),)).model_dump_json())
        kept["keys"][0] |= changed
        with pytest.raises(KeysError, match=told):
            parse_keys(json.dumps(kept).encode())

    def test_a_key_twice(self) -> None:
        """Or it would be a matter of order what it may do."""
        twice = KeysDocument(keys=(entry(GOOD), entry(GOOD, name="other")))
        with pytest.raises(KeysError, match="a key twice"):
            parse_keys(twice.model_dump_json().encode())

    def test_too_large(self) -> None:
        with pytest.raises(KeysError, match="more than"):
            parse_keys(b" " * (keys_module.MAX_FILE_BYTES + 1))


class TestWatching:
    """The file while the service runs."""

    def write(self, file: Path, *entries: KeyEntry) -> None:
        change_keys(file, lambda _: KeysDocument(keys=entries), create=True)

    def find(self, source: KeysFile, key: str) -> Caller | Reason:
        return source.find(key.encode(), time.time())

    def test_rotation(self, tmp_path: Path) -> None:
        """Old and new are valid together, until the old one is revoked."""
        file, new = tmp_path / "keys.json", new_key()
        self.write(file, entry(GOOD))
        source = KeysFile(file, lambda: None)
        found = []
        for entries in ([entry(GOOD), entry(new)], [entry(new)], []):
            self.write(file, *entries)
            asyncio.run(source.refresh())
            found.append([isinstance(self.find(source, key), Caller) for key in (GOOD, new)])
        assert [[True, True], [False, True], [False, False]] == found

    def test_unchanged_is_not_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "keys.json"
        self.write(file, entry(GOOD))
        source = KeysFile(file, lambda: None)
        monkeypatch.setattr("serving.access.watching.read_keys", mock.Mock(side_effect=AssertionError))
        asyncio.run(source.refresh())
        assert isinstance(self.find(source, GOOD), Caller)

    @pytest.mark.parametrize("breaking", ["truncated", "gone", "a folder"])
    def test_a_broken_file_keeps_the_keys(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, breaking: str
    ) -> None:
        """Said once, counted at each look, and forgotten once it is mended."""
        file = tmp_path / "keys.json"
        self.write(file, entry(GOOD))
        failures: list[None] = []
        source = KeysFile(file, lambda: failures.append(None))
        content = file.read_bytes()
        file.unlink()
        if breaking == "truncated":
            file.write_bytes(content[:-20])
        elif breaking == "a folder":
            file.mkdir()
        for _ in range(3):
            asyncio.run(source.refresh())
        assert isinstance(self.find(source, GOOD), Caller)
        assert 3 == len(failures)
        assert 1 == sum(record.levelname == "ERROR" for record in caplog.records)

        if breaking == "a folder":
            file.rmdir()
        self.write(file, entry(GOOD)) if breaking != "truncated" else file.write_bytes(b'{"version": 1, "keys": []}')
        asyncio.run(source.refresh())
        assert (breaking != "truncated") == isinstance(self.find(source, GOOD), Caller)
        assert 3 == len(failures)

    def test_a_mounted_secret_that_is_switched(self, tmp_path: Path) -> None:
        """As Kubernetes does it: the file is a link through a link to a folder, and that link is replaced."""
        for version, entries in (("v1", [entry(GOOD)]), ("v2", [])):
            (tmp_path / version).mkdir()
            self.write(tmp_path / version / "keys.json", *entries)
        (tmp_path / "..data").symlink_to("v1")
        (tmp_path / "keys.json").symlink_to("..data/keys.json")
        source = KeysFile(tmp_path / "keys.json", lambda: None)
        (tmp_path / "..new").symlink_to("v2")
        (tmp_path / "..new").rename(tmp_path / "..data")
        asyncio.run(source.refresh())
        assert Reason.UNKNOWN == self.find(source, GOOD)
