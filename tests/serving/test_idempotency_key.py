"""The header Idempotency-Key by itself, and what the API's document says of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openapi_spec_validator import validate

from serving.http.idempotency import MAX_KEY_CHARACTERS, REPLAYED, Repeated, idempotency_key
from serving.http.openapi import openapi_document
from serving.http.problems import BadIdempotencyKeyError
from serving.settings import Settings

NAME = b"idempotency-key"
OTHERS = [(b"host", b"api.example"), (b"idempotency", b"no"), (b"x-idempotency-key", b"no")]

visible = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=MAX_KEY_CHARACTERS)


class TestHeader:
    def test_none(self) -> None:
        assert idempotency_key(OTHERS) is None

    @given(visible.filter(lambda key: key.strip(" ")))
    def test_as_it_was_sent(self, key: str) -> None:
        """But for blanks around it, which are none of a header's value (RFC 9110, 5.5)."""
        assert key.strip(" ").encode() == idempotency_key([*OTHERS, (NAME, key.encode())])

    @given(st.binary(max_size=300))
    def test_what_is_no_key_is_refused(self, value: bytes) -> None:
        """Whatever it is, it comes back as it was or not at all."""
        try:
            key = idempotency_key([(NAME, value)])
        except BadIdempotencyKeyError:
            assert not 1 <= len(value.strip(b" \t")) <= MAX_KEY_CHARACTERS or any(
                byte not in range(0x20, 0x7F) for byte in value.strip(b" \t")
            )
        else:
            assert key == value.strip(b" \t")

    @pytest.mark.parametrize("values", [[b"a", b"b"], [b"a", b"a"], [b"", b""], [b"a", b""]])
    def test_one_only(self, values: list[bytes]) -> None:
        """Also where they are the same: whoever reads the other one may differ."""
        with pytest.raises(BadIdempotencyKeyError, match="2 Idempotency-Key headers; send one"):
            idempotency_key([(NAME, value) for value in values])


class TestRepeated:
    def test_is_the_answer_and_says_so(self) -> None:
        response = Repeated(b'{"a":1}').response("r-1")
        assert (200, b'{"a":1}', "application/json") == (response.status_code, response.body, response.media_type)
        assert "true" == response.headers[REPLAYED]


class TestDocument:
    @pytest.fixture
    def recorded(self) -> Settings:
        return Settings(records="sqlite:records", records_key_file=Path("keys.json"), idempotency_hours=36)

    def test_is_valid(self, recorded: Settings) -> None:
        validate(openapi_document(None, recorded) | {"servers": [{"url": "https://api.example"}]})

    def test_says_for_how_long(self, recorded: Settings) -> None:
        """And beside the parameter that a batch has already."""
        operation = openapi_document(None, recorded)["paths"]["/predict/batch"]["post"]
        partial, key = operation["parameters"]
        assert "partial" == partial["name"]
        assert "36 hours" in key["description"]
        assert {"409"} < operation["responses"].keys()

    def test_nothing_where_there_is_no_store(self) -> None:
        """It would be refused there."""
        assert "Idempotency" not in str(openapi_document(None, Settings()))
