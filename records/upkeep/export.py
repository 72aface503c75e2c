"""Decisions as rows of columns with types, in a file of Parquet.

What a record holds stands there in the clear: a file is as worthy of protection as store and keys together. It is its
owner's alone, and there whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from pydantic_core import to_json

from preprocessing.contract import CONTRACT_FILE, InvalidContractError, read_contract
from records.basis import Basis
from records.durable import replacing_durably
from records.errors import RecordsError
from records.events.event import of_each
from records.events.standing import Standing, standing
from records.identifiers import as_text
from records.keyring import KeyRing
from records.moments import as_datetime
from records.reading import Kept
from records.stores.ledger import Ledger, in_steps

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 10_000
"""In a group of the file, and in memory at a time."""

FIELD = "field_"
"""What the columns of an application's fields begin with."""


class MissingPyarrowError(RecordsError):
    """What writes Parquet isn't installed here."""


class _Row(NamedTuple):
    kept: Kept
    stands: Standing


_Column = tuple[str, "pa.DataType", Callable[[_Row], Any]]


def export(ledger: Ledger, ring: KeyRing, kept: Iterable[Kept], path: Path, *, received: bool = False) -> Iterator[int]:
    """Write decisions to a file, a group of rows at a time.

    Args:
        ledger: that they are in.
        ring: its keys.
        kept: the decisions.
        path: of the file, in place of what is there.
        received: with the applications as they were received, too.

    Yields:
        How many more are written.

    Raises:
        MissingPyarrowError: pyarrow isn't installed.
        OSError: the file can't be written.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415  # not installed where decisions are made
        from pyarrow import parquet  # noqa: PLC0415  # the same
    except ImportError:
        raise MissingPyarrowError("export writes Parquet by pyarrow; install it here: pip install pyarrow") from None
    columns = _columns(pa, _kinds(ledger), received=received)
    schema = pa.schema([(name, kind) for name, kind, _ in columns])
    with replacing_durably(path) as file, parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for part in in_steps(kept, ROWS):
            writer.write_table(_table(pa, columns, _with_standings(ledger, ring, part)))
            yield len(part)


def _table(pa: Any, columns: Sequence[_Column], rows: Sequence[_Row]) -> pa.Table:
    return pa.table({name: pa.array([value(row) for row in rows], kind) for name, kind, value in columns})


def _with_standings(ledger: Ledger, ring: KeyRing, part: Sequence[Kept]) -> list[_Row]:
    ids = [kept.entry.id for kept in part]
    told = of_each((event for step in in_steps(ids) for event in ledger.told(step)), ids)
    return [_Row(kept, standing(told[kept.entry.id], kept.entry.key, ring)) for kept in part]


def _columns(pa: Any, kinds: Mapping[str, str], *, received: bool) -> list[_Column]:
    text, moment, real, whole, flag = pa.string(), pa.timestamp("us", tz="UTC"), pa.float64(), pa.int64(), pa.bool_()
    texts, reasons = pa.list_(text), pa.list_(pa.struct([("code", text), ("field", text)]))
    of_fields = {"number": real, "integer": whole, "string": text}

    def of_record(name: str, kind: pa.DataType, column: str | None = None) -> _Column:
        return (column or name, kind, lambda row: None if row.kept.record is None else getattr(row.kept.record, name))

    def of_basis(name: str) -> _Column:
        return name, text, lambda row: getattr(row.kept.basis, name)

    return [
        ("decision_id", text, lambda row: as_text(row.kept.entry.id)),
        ("time", moment, lambda row: as_datetime(row.kept.entry.time)),
        ("decision", text, lambda row: row.kept.entry.outcome),
        ("caller", text, lambda row: row.kept.entry.caller or None),
        ("writer", text, lambda row: str(UUID(bytes=row.kept.entry.writer))),
        ("sequence", whole, lambda row: row.kept.entry.sequence),
        ("erased", flag, lambda row: row.kept.record is None),
        of_record("reference", text),
        of_record("route", text),
        of_record("row", whole),
        of_record("request_id", text),
        of_record("trace_id", text),
        of_record("pd", real, "probability_of_default"),
        of_record("band", text),
        of_record("credit_score", whole),
        of_record("rules", texts),
        (
            "reasons",
            reasons,
            lambda row: row.kept.record and [{"code": code, "field": field} for code, field in row.kept.record.reasons],
        ),
        of_record("outside", texts, "outside_training_range"),
        ("attributions", pa.map_(text, real), _attributions),
        *(
            (f"{FIELD}{name}", of_fields[kind], lambda row, name=name, kind=kind: _field(row, name, kind))
            for name, kind in kinds.items()
        ),
        *([of_record("received", text)] if received else []),
        ("notified", pa.date32(), lambda row: row.stands.notified),
        ("held", flag, lambda row: bool(row.stands.holds)),
        ("override", text, lambda row: row.stands.override and row.stands.override.proposal.outcome),
        ("override_code", text, lambda row: row.stands.override and row.stands.override.proposal.code),
        ("reviewed", moment, lambda row: row.stands.review and as_datetime(row.stands.review.since)),
        ("defaulted", flag, lambda row: row.stands.outcome and row.stands.outcome.defaulted),
        ("outcome_date", pa.date32(), lambda row: row.stands.outcome and row.stands.outcome.date),
        ("matured", flag, lambda row: row.stands.outcome and row.stands.outcome.matured),
        ("purged", moment, lambda row: row.stands.purged and as_datetime(row.stands.purged)),
        *map(of_basis, ("service_version", "model_name", "model_version", "policy_version", "processor")),
        ("basis", text, lambda row: row.kept.basis.digest.hex()),
    ]


def _attributions(row: _Row) -> list[tuple[str, float]] | None:
    record = row.kept.record
    if record is None or record.attributions is None:
        return None
    return list(zip(row.kept.basis.scored, record.attributions, strict=True))


def _field(row: _Row, name: str, kind: str) -> Any:
    record = row.kept.record
    value = None if record is None else record.fields(row.kept.basis).get(name)
    if value is None:
        return None
    if kind == "string":
        return value if isinstance(value, str) else to_json(value).decode()
    return float(value) if kind == "number" else int(value)


def _kinds(ledger: Ledger) -> dict[str, str]:
    """Each field with its type: the contracts'; text where they differ, or one isn't in the archive."""
    kinds: dict[str, str] = {}
    for digest in {writer.basis: None for writer in ledger.writers()}:
        basis = ledger.basis(digest)
        if basis is not None:
            for name, kind in _kinds_of(ledger, basis).items():
                other = kinds.setdefault(name, kind)
                if other != kind:
                    kinds[name] = "number" if {other, kind} == {"number", "integer"} else "string"
    return kinds


def _kinds_of(ledger: Ledger, basis: Basis) -> dict[str, str]:
    digest = basis.digests.get(CONTRACT_FILE)
    content = None if digest is None else ledger.archived(digest)
    try:
        contract = None if content is None else read_contract(content)
    except InvalidContractError:
        contract = None
    known = {} if contract is None else {name: field.json_type for name, field in contract.by_name.items()}
    return {name: known.get(name, "string") for name in basis.fields}
