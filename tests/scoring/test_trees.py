"""The arrays that are served: their form, and their file."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from scoring.trees import NO_SPLIT, Trees

LEAF = [NO_SPLIT] * 4
STUMP = [NO_SPLIT, 1, NO_SPLIT, NO_SPLIT]
LEFT = [NO_SPLIT, 0, 2, NO_SPLIT]
FULL = [NO_SPLIT, 0, 1, 2]
LEAVES = [[1, 0, 0, 0], [1, 0, 1, 0], [1, 1, 1, 0], [1, 1, 1, 1]]


def made(**changed: Any) -> Trees:
    """Four trees of three columns, with a number wherever one belongs."""
    feature = ints(LEAF, STUMP, LEFT, FULL)
    sound: dict[str, Any] = {"columns": 3, "prior": -1.5, "feature": feature}
    sound |= {"threshold": np.where(feature >= 0, 0.1, 0.0), "value": -0.2 * floats(*LEAVES)}
    return Trees(**(sound | changed))


def floats(*rows: Any) -> NDArray[np.float64]:
    return np.array(rows, dtype=np.float64)


def ints(*rows: Any) -> NDArray[np.int32]:
    return np.array(rows, dtype=np.int32)


def archive(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def arrays_of(trees: Trees) -> dict[str, Any]:
    with np.load(io.BytesIO(trees.to_bytes())) as read:
        return dict(read)


def no_splits(**changed: Any) -> dict[str, Any]:
    """One tree that is one leaf."""
    return {"feature": ints(LEAF), "threshold": np.zeros((1, 4)), "value": floats(LEAVES[0])} | changed


def test_a_model_may_read_one_column_or_none() -> None:
    """As one that was fitted on a single column, and found no split worth it."""
    assert made(**no_splits(columns=1)).columns == 1


def test_leaves() -> None:
    """Where the ways end: a leaf above the last splits has the leftmost of its slots."""
    assert LEAVES == made().is_leaf.astype(int).tolist()
    assert made().depth == 2


def test_they_survive_the_file() -> None:
    """The same trees give the same bytes, and the bytes the same trees."""
    trees = made()
    read = Trees.from_bytes(trees.to_bytes())
    assert trees.to_bytes() == read.to_bytes() == made().to_bytes()
    assert (3, -1.5) == (read.columns, read.prior)
    for name in ("feature", "threshold", "value"):
        assert getattr(trees, name).tobytes() == getattr(read, name).tobytes()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"columns": 0}, "reads a column that is none of the model's 0"),
        ({"columns": 2}, "reads a column that is none of the model's 2"),
        (no_splits(columns=0), "reads a column that is none of the model's 0"),
        ({"feature": ints(LEAF, STUMP, LEFT, [NO_SPLIT, -2, 1, 2])}, "reads a column that is none"),
        ({"prior": np.nan}, "prior is not finite"),
        ({"prior": np.inf}, "prior is not finite"),
        ({"threshold": np.full((4, 4), np.nan)}, "threshold is not finite"),
        ({"value": np.full((4, 4), -np.inf)}, "value is not finite"),
        ({"feature": ints(LEAF)}, "must have one shape"),
        ({"value": floats(1, 2, 3, 4)}, "must have one shape"),
        ({"feature": ints([0] * 4, STUMP, LEFT, FULL)}, "there is one of number 0"),
        ({"feature": ints([-1, -1, 1, -1], STUMP, LEFT, FULL)}, "a split stands below a leaf"),
        ({"threshold": np.ones((4, 4))}, "a threshold without a split"),
        ({"value": np.ones((4, 4))}, "a value without a leaf"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_other_numbers_are_refused(changed: dict[str, Any], message: str) -> None:
    """Whatever could not be walked, or would have a second form, is told by its name."""
    with pytest.raises(ValueError, match=message):
        made(**changed)


@pytest.mark.parametrize(
    ("shape", "message"),
    [((0, 4), "must have one shape"), *(((1, n), f"^{n} slots are not those of trees 2 to 6") for n in (2, 3, 5, 128))],
    ids=str,
)
def test_other_shapes_are_refused(shape: tuple[int, int], message: str) -> None:
    """None but complete trees of 2 to 6 levels, and one at least."""
    with pytest.raises(ValueError, match=message):
        Trees(3, 0.0, np.full(shape, NO_SPLIT, dtype=np.int32), np.zeros(shape), np.zeros(shape))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("columns", np.float64(3)),
        ("columns", np.array([3])),
        ("prior", np.float32(0)),
        ("prior", np.zeros(1)),
        ("feature", np.full((4, 4), NO_SPLIT)),
        ("threshold", np.zeros((4, 4), dtype=np.float32)),
        ("value", np.zeros((4, 4), dtype=complex)),
        ("value", np.array(["1"])),
        ("surprise", np.zeros(1)),
    ],
    ids=str,
)
def test_other_types_in_the_file_are_refused(name: str, wrong: Any) -> None:
    """A cast could round, so there is none; nor does a file hold what nobody asked for."""
    with pytest.raises(ValueError, match=r", not |one number each|holds columns, prior, feature, threshold, value"):
        Trees.from_bytes(archive(**arrays_of(made()) | {name: wrong}))


@pytest.mark.parametrize("name", ["columns", "prior", "feature", "threshold", "value"])
def test_an_array_missing(name: str) -> None:
    """Each is needed."""
    arrays = arrays_of(made())
    del arrays[name]
    with pytest.raises(ValueError, match="an archive of trees holds columns, prior, feature, threshold, value"):
        Trees.from_bytes(archive(**arrays))


def test_every_cut_and_every_bit() -> None:
    """A damaged file is refused, or holds the same; nothing else is raised."""
    content = made().to_bytes()
    damaged = [content[:n] for n in range(len(content))]
    damaged += [
        content[:i] + bytes([content[i] ^ 1 << bit]) + content[i + 1 :] for i in range(len(content)) for bit in (0, 7)
    ]
    for each in damaged:
        try:
            read = Trees.from_bytes(each)
        except ValueError:
            continue
        assert content == read.to_bytes()
