"""A record's bytes hold all of it, and its id follows the clock."""

from __future__ import annotations

import subprocess
import sys
import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records import basis
from records.basis import Basis, libraries
from records.errors import UnreadableRecordError
from records.identifiers import as_text, from_text, new_id
from records.record import DecisionRecord, pack, unpack
from tests.records.samples import BASIS, a_record, drawn_records


class TestBytes:
    @given(drawn_records)
    def test_there_and_back(self, record: DecisionRecord) -> None:
        """Every value comes back as it was, to the last bit and sign."""
        found = unpack(record.id, pack(record, BASIS), BASIS)
        assert record == found
        assert repr(record) == repr(found)

    def test_are_few(self) -> None:
        """What an application has in common with the sample takes no room."""
        alone = Basis.model_validate(BASIS.model_dump() | {"sample": ""})
        record = a_record(received=BASIS.sample)
        assert len(pack(record, BASIS)) <= len(pack(record, alone)) - len(BASIS.sample) / 4

    @given(st.binary(max_size=200))
    def test_of_anything_else_are_refused(self, packed: bytes) -> None:
        """Damage is one error, and no traceback of a library."""
        with pytest.raises(UnreadableRecordError):
            unpack(bytes(16), packed, BASIS)


class TestLibraries:
    def test_one_that_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What an image is without isn't what it decides by, and is no reason not to record."""
        assert {"numpy", "scipy", "pydantic", "bentoml", "python"} == libraries().keys()
        monkeypatch.setattr(basis, "_LIBRARIES", ("numpy", "nothing-of-this-name"))
        assert {"numpy", "python"} == libraries().keys()


class TestId:
    def test_is_a_uuid_of_version_7(self) -> None:
        """Any library reads it, and finds the time in it."""
        before = time.time_ns() // 1_000_000
        identifier = UUID(bytes=new_id())
        assert 7 == identifier.version
        assert "specified in RFC 4122" == identifier.variant
        assert before <= identifier.int >> 80 <= time.time_ns() // 1_000_000

    def test_follows_the_clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Within a millisecond too, as far as twelve bits tell its parts."""
        moments = [1_790_000_000_000_000_000 + step * 1_000 for step in range(2_000)]
        drawn = iter(moments)
        monkeypatch.setattr(time, "time_ns", lambda: next(drawn))
        identifiers = [new_id() for _ in moments]
        assert sorted(identifiers) == identifiers

    def test_is_unique(self) -> None:
        assert 10_000 == len({new_id() for _ in range(10_000)})

    def test_is_another_one_in_a_forked_process(self) -> None:
        """What was drawn for later isn't drawn for both."""
        forking = """
import os
from records.identifiers import new_id
new_id()
if child := os.fork():
    os.waitpid(child, 0)
print(new_id().hex()[16:])
"""
        run = subprocess.run([sys.executable, "-c", forking], capture_output=True, text=True, check=True)
        assert 2 == len(set(run.stdout.split()))

    @given(st.binary(min_size=16, max_size=16))
    def test_text_and_back(self, identifier: bytes) -> None:
        assert identifier == from_text(as_text(identifier))

    @pytest.mark.parametrize("text", ["", "x", "019ac0de-0000-7000-8000-00000000000", "../../etc/passwd", "0" * 33])
    def test_what_is_none(self, text: str) -> None:
        with pytest.raises(ValueError, match="no decision id; it looks like"):
            from_text(text)
