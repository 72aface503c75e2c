"""Which files a path names, and what a partitioned folder's names say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from portfolio.errors import UnreadableInputError
from portfolio.reading.source import Kind

PARQUET = b"PAR1"
"""How a Parquet file begins."""

SUFFIXES: dict[str, Kind] = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".tsv": "csv", ".txt": "csv"}
"""What a file of a folder has to be called by."""

PACKED = {".gz", ".zip", ".bz2", ".xz", ".zst"}

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
"""What Hive and Spark call the folder of a missing value."""

Partition = tuple[tuple[str, str | int | None], ...]


class Found(NamedTuple):
    """A file.

    Attributes:
        name: in the folder, or its own.
        path: where it is.
        partition: what its folders' names say.
    """

    name: str
    path: Path
    partition: Partition = ()


def discover(path: Path) -> tuple[Kind, list[Found]]:
    """The files of a path, in order: itself, or all in the folder and those under it.

    What begins with `_` or `.` is left out, as others that read such folders do: they hold no rows.

    Raises:
        UnreadableInputError: there are none, of several kinds, packed, behind links, or under folders that don't say
            the same.
    """
    if path.is_file():
        return _kind(path), [Found(path.name, path)]
    if not path.is_dir():
        raise UnreadableInputError(
            f"{path}: is neither a file nor a folder; name the Parquet or CSV that is to be scored"
        )
    under = sorted(p.relative_to(path) for p in path.rglob("*"))
    under = [name for name in under if not any(part.startswith(("_", ".")) for part in name.parts)]
    if linked := [name for name in under if (path / name).is_symlink() and not (path / name).is_file()]:
        raise UnreadableInputError(
            f"{path / linked[0]}: is a link to a folder or to nothing, whose rows would be left out; put the files "
            "there, or take it out of the folder"
        )
    names = [name for name in under if (path / name).is_file()]
    if other := [name for name in names if name.suffix.lower() not in SUFFIXES]:
        remedy = "unpack it" if other[0].suffix.lower() in PACKED else "take it out of the folder"
        raise UnreadableInputError(f"{path / other[0]}: is called neither .parquet nor .csv; {remedy}")
    if not names:
        raise UnreadableInputError(f"{path}: the folder has no files of Parquet or CSV; name one that has")
    kinds = {SUFFIXES[name.suffix.lower()] for name in names}
    if len(kinds) > 1:
        raise UnreadableInputError(f"{path}: the folder has files of Parquet and of CSV; keep one kind in it")
    partitions = _partitions(path, names)
    found = [Found(n.as_posix(), path / n, p) for n, p in zip(names, partitions, strict=True)]
    return kinds.pop(), found


def _kind(path: Path) -> Kind:
    try:
        with path.open("rb") as file:
            begins = file.read(4)
    except OSError as exc:
        raise UnreadableInputError(f"{path}: can't be read ({exc.strerror}); name what can") from None
    if path.suffix.lower() in PACKED:
        raise UnreadableInputError(f"{path}: is packed; unpack it")
    return "parquet" if begins == PARQUET or SUFFIXES.get(path.suffix.lower()) == "parquet" else "csv"


def _partitions(root: Path, names: Sequence[Path]) -> list[Partition]:
    said = [[part.partition("=") for part in name.parent.parts if "=" in part] for name in names]
    keys = [tuple(unquote(key) for key, _, _ in parts) for parts in said]
    if len(set(keys)) > 1:
        raise UnreadableInputError(
            f"{root}: some of its folders are called by {', '.join(keys[0]) or 'nothing'} and some by "
            f"{', '.join(next(k for k in keys if k != keys[0])) or 'nothing'}; partition all of them alike"
        )
    texts = [[None if value == _NO_VALUE else unquote(value) for _, _, value in parts] for parts in said]
    # A column of whole numbers is one, as Spark and pyarrow have it.
    whole = [all(value is None or _is_whole(value) for value in column) for column in zip(*texts, strict=True)]
    return [
        tuple(
            (key, int(value) if value is not None and number else value)
            for key, value, number in zip(keys[0], values, whole, strict=True)
        )
        for values in texts
    ]


def _is_whole(text: str) -> bool:
    return text.removeprefix("-").isdecimal() and text.isascii() and str(int(text)) == text
