from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest

from scoring.archive import read_archive


def archive() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, values=np.arange(600.0).reshape(60, 10), base_value=np.float64(0.5))
    return buffer.getvalue()


def lone_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(3.0))
    return buffer.getvalue()


def test_reads_what_was_written() -> None:
    """Every array by its name."""
    read = read_archive(archive(), "numbers")
    assert {"values": (60, 10), "base_value": ()} == {name: array.shape for name, array in read.items()}


def test_one_byte_changed() -> None:
    """Wherever it is, the archive is read, or refused by name: no other error comes out."""
    content = archive()
    refused = 0
    for place in range(len(content)):
        spoilt = bytearray(content)
        spoilt[place] ^= 0xFF
        try:
            read_archive(bytes(spoilt), "numbers")
        except ValueError as exc:
            assert str(exc).startswith("not an archive of numbers: ")  # noqa: PT017  # most bytes are refused, not all
            refused += 1
    assert refused > len(content) / 2


@pytest.mark.parametrize("content", [lambda: b"", lambda: b"PK", lone_array, lambda: archive()[:-40]])
def test_something_else(content: Callable[[], bytes]) -> None:
    """Nothing, a lone array, half a file."""
    with pytest.raises(ValueError, match=r"^not an archive of numbers: "):
        read_archive(content(), "numbers")
