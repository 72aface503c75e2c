"""Records open with their key and for themselves only."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.errors import KeyRingError, SealBrokenError
from records.keyring import KeyRing, Sealed, add_key, read_keyring

ID, OTHER = bytes(range(16)), bytes(16)


class TestSeal:
    @given(st.binary(min_size=8, max_size=300))
    def test_opens_what_it_sealed(self, ring: KeyRing, content: bytes) -> None:
        sealed = ring.seal(content, ID)
        assert content == ring.open(sealed, ID)
        assert content not in sealed.content

    def test_seals_nothing_twice_alike(self, ring: KeyRing) -> None:
        """Two records of one content can't be told to be alike."""
        one, two = ring.seal(b"the same", ID), ring.seal(b"the same", ID)
        assert one.content != two.content
        assert one.key != two.key

    def test_is_not_shown(self, key_file: Path) -> None:
        """Not where a ring stands in a traceback or a log."""
        assert "KeyRing(current=1)" == repr(read_keyring(key_file))

    def test_of_another_record_stays_closed(self, ring: KeyRing) -> None:
        """Who exchanges two records' contents or keys gets neither to open."""
        one, two = ring.seal(b"one", ID), ring.seal(b"two", OTHER)
        for sealed, record in ((one, OTHER), (Sealed(one.content, two.key), ID), (Sealed(two.content, one.key), ID)):
            with pytest.raises(SealBrokenError):
                ring.open(sealed, record)

    @given(st.data())
    def test_broken(self, ring: KeyRing, data: st.DataObject) -> None:
        """Whichever bit is changed, in content or key."""
        sealed = ring.seal(b"content", ID)
        part = data.draw(st.sampled_from(["content", "key"]))
        damaged = bytearray(getattr(sealed, part))
        position = data.draw(st.integers(0, 8 * len(damaged) - 1))
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises((SealBrokenError, KeyRingError)):
            ring.open(sealed._replace(**{part: bytes(damaged)}), ID)


class TestRotation:
    def test_a_new_key_seals_and_the_old_one_opens(self, key_file: Path) -> None:
        old = read_keyring(key_file)
        sealed = old.seal(b"content", ID)
        assert 2 == add_key(key_file)
        new = read_keyring(key_file)
        assert (1, 2) == (old.current, new.current)
        assert b"content" == new.open(sealed, ID)
        with pytest.raises(KeyRingError, match="key 2 is not in the key file; put it back"):
            old.open(new.seal(b"content", ID), ID)

    def test_renewed_data_keys_do_without_the_old_one(self, key_file: Path) -> None:
        """The content stays as it is, so that no chain breaks."""
        sealed = read_keyring(key_file).seal(b"content", ID)
        add_key(key_file)
        ring = read_keyring(key_file)
        renewed = sealed._replace(key=ring.renewed(sealed.key, ID))
        without = KeyRing(2, {2: ring._ciphers[2]}, ring._references)
        assert b"content" == without.open(renewed, ID)

    def test_tags_stay(self, key_file: Path) -> None:
        """A reference is found again after a rotation, and only with the ring."""
        before = read_keyring(key_file).tag("ref-1")
        add_key(key_file)
        assert before == read_keyring(key_file).tag("ref-1")
        assert before != read_keyring(key_file).tag("ref-2")
        other = key_file.with_name("other.json")
        add_key(other)
        assert before != read_keyring(other).tag("ref-1")

    def test_two_at_once(self, key_file: Path) -> None:
        """No key of either is lost."""
        threads = [threading.Thread(target=add_key, args=(key_file,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 9 == read_keyring(key_file).current


class TestFile:
    def test_is_for_its_owner(self, key_file: Path) -> None:
        assert 0o600 == key_file.stat().st_mode & 0o777

    def test_that_anyone_may_read_is_refused(self, key_file: Path) -> None:
        key_file.chmod(0o644)
        with pytest.raises(KeyRingError, match="anyone may read it; chmod o="):
            read_keyring(key_file)

    def test_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(KeyRingError, match="No such file or directory; make one by `python -m records key"):
            read_keyring(tmp_path / "none.json")

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('"keys": {', '"more": 1, "keys": {'),
            ('"format": 1', '"format": 2'),
            ('"1": "', '"01": "'),
            ('"1": "', '"1": "short", "2": "'),
            ("{", "["),
        ],
    )
    def test_that_is_none(self, key_file: Path, old: str, new: str) -> None:
        """It is refused, and no key is added to it."""
        content = key_file.read_text()
        assert old in content
        key_file.write_text(content.replace(old, new, 1))
        for use in (read_keyring, add_key):
            with pytest.raises(KeyRingError, match=str(key_file)):
                use(key_file)
        assert content.replace(old, new, 1) == key_file.read_text()

    def test_that_repeats_a_key(self, key_file: Path) -> None:
        secret = key_file.read_text().split('"1": "')[1].split('"')[0]
        key_file.write_text(key_file.read_text().replace('"1": "', f'"2": "{secret}", "1": "'))
        with pytest.raises(KeyRingError, match="two keys are the same"):
            read_keyring(key_file)

    def test_half_written_leaves_the_old_one(self, key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A disk that is full, or a process that ends, in between."""
        content = key_file.read_text()

        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            add_key(key_file)
        monkeypatch.undo()
        assert content == key_file.read_text()
        assert 2 == add_key(key_file)
