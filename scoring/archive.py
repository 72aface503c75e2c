"""NumPy archives whose bytes may be anybody's."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_archive(content: bytes, what: str) -> dict[str, NDArray[Any]]:
    """The arrays of an archive by name; no pickle is opened.

    Raises:
        ValueError: it is none, or damaged; the message says that it is not an archive of `what`.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {name: np.asarray(archive[name]) for name in archive.files}
    except Exception as exc:  # of a damaged header NumPy raises whatever its parser does
        raise ValueError(f"not an archive of {what}: {type(exc).__name__}") from exc
