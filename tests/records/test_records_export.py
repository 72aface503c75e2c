"""Decisions as columns: each with its type, and the same values as on record; the same for each kind of store."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from pyarrow import parquet

from preprocessing.contract import read_contract
from records.__main__ import main
from records.basis import Basis
from records.chain import Entry
from records.events.reviewing import Reviewer, Who
from records.events.standing import Outcome
from records.events.telling import Teller
from records.identifiers import as_text
from records.keyring import read_keyring
from records.stores.ledger import Ledger
from records.upkeep import export
from tests.artifacts import ROOT
from tests.records.samples import BASIS, a_record, a_writer, chained, keep

TIME = 1_790_000_000_000_000
CONTRACT = ROOT / "artifacts" / "model" / "contract.json"


@pytest.fixture(autouse=True)
def kept(book: Ledger, place: str, key_file: Path, monkeypatch: pytest.MonkeyPatch) -> list[Entry]:
    """Three, of which one is erased and one has all that can be told."""
    monkeypatch.setenv("CREDIT_RISK_RECORDS", place)
    monkeypatch.setenv("CREDIT_RISK_RECORDS_KEY_FILE", str(key_file))
    ring = read_keyring(key_file)
    entries = keep(book, ring, [a_record(reference=f"ref-{i}", time=TIME + i, row=i or None) for i in range(3)])
    teller = Teller(book, ring)
    teller.notified(entries[:1], date(2026, 10, 1))
    teller.hold(entries[:1], "a case", "lea")
    Reviewer(teller, ring, Who.known("ann")).propose(entries[0], 2, "APPROVE", "DOCUMENTS_SEEN", "payslips")
    Reviewer(teller, ring, Who.known("bob")).confirm(entries[0], 3)
    teller.outcomes({entries[0].id: Outcome(defaulted=True, date=date(2026, 10, 2), matured=False)}, entries[:1])
    book.destroy_keys(ring.tag("ref-1"))
    book.close()
    return entries


def test_every_column(kept: list[Entry], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is its owner's; what was erased has what is left of it."""
    path = tmp_path / "decisions.parquet"
    assert 0 == main(["export", str(path), "--received"])
    assert f"{path}: 3 decisions, in the clear; keep it as you keep the key file\n" == capsys.readouterr().out
    assert 0o600 == path.stat().st_mode & 0o777
    first, erased, last = parquet.read_table(path).to_pylist()
    record = a_record()
    assert {
        "decision_id": as_text(kept[0].id),
        "time": datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC),
        "decision": "REJECT",
        "caller": "core-banking",
        "sequence": 1,
        "erased": False,
        "reference": "ref-0",
        "route": "predict",
        "row": None,
        "request_id": "r-1",
        "trace_id": None,
        "probability_of_default": 0.2125,
        "band": "REJECT",
        "credit_score": 612,
        "rules": [],
        "reasons": [{"code": "INCOME", "field": "income"}],
        "outside_training_range": [],
        "attributions": [("income", 0.25), ("home", -0.5)],
        "field_age": "41",
        "field_income": "52000.0",
        "field_home": "OWN",
        "received": record.received,
        "notified": date(2026, 10, 1),
        "held": True,
        "override": "APPROVE",
        "override_code": "DOCUMENTS_SEEN",
        "defaulted": True,
        "outcome_date": date(2026, 10, 2),
        "matured": False,
        "purged": None,
        "service_version": "1.0.0",
        "model_name": "model",
        "model_version": "1.0.0",
        "policy_version": "1.0.0",
        "processor": BASIS.processor,
        "basis": BASIS.digest.hex(),
    } == {name: value for name, value in first.items() if name not in {"writer", "reviewed"}}
    assert (True, "REJECT", None, None, None) == tuple(
        erased[name] for name in ("erased", "decision", "reference", "field_home", "probability_of_default")
    )
    assert first["reviewed"] > datetime(2026, 9, 21, tzinfo=UTC)
    assert (2, None, False, None, None) == tuple(
        last[name] for name in ("row", "notified", "held", "override", "defaulted")
    )


def test_fields_have_their_contracts_types(book: Ledger, key_file: Path, tmp_path: Path) -> None:
    """Where it is in the archive; and what another contract calls the same has a type that holds both."""
    content = CONTRACT.read_bytes()
    digest = sha256(content).hexdigest()
    contract = read_contract(content)
    example = {field.name: contract.example.get(field.name) for field in contract.fields if field.type != "reference"}
    basis = Basis.model_validate(
        BASIS.model_dump() | {"fields": (*example, "age"), "scored": (), "digests": {"contract.json": digest}}
    )
    book.archive({digest: content})
    writer = replace(a_writer(), basis=basis.digest)
    records = [
        a_record(values=(*values, 7.5), attributions=None) for values in (example.values(), [None] * len(example))
    ]
    book.begin(writer, basis)
    book.append(chained(records, writer, writer.origin, basis, read_keyring(key_file)))
    book.close()
    path = tmp_path / "decisions.parquet"

    assert 0 == main(["export", str(path), "--since", "2026-01-01"])

    table = parquet.read_table(path)
    assert "received" not in table.column_names
    types = {"number": "double", "integer": "int64", "string": "string"}
    assert {name: types[contract.by_name[name].json_type] for name in example} == {
        name: str(table.schema.field(f"field_{name}").type) for name in example
    }
    assert set(types.values()) == {types[contract.by_name[name].json_type] for name in example}
    rows = table.to_pylist()
    assert example in [{name: row[f"field_{name}"] for name in example} for row in rows]
    assert ["41", None, "41", "7.5", "7.5"] == [row["field_age"] for row in rows]


def test_times(tmp_path: Path) -> None:
    """Only those of the time that is asked for; none is a file, too."""
    path = tmp_path / "decisions.parquet"
    for since, until, number in (("2026-09-21T14:13:20.000001Z", "2026-09-22", 2), ("2026-09-22", "2026-09-23", 0)):
        assert 0 == main(["export", str(path), "--since", since, "--until", until, "--json"])
        assert number == parquet.read_table(path).num_rows


def test_groups_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written is not held in memory."""
    monkeypatch.setattr(export, "ROWS", 2)
    path = tmp_path / "decisions.parquet"
    assert 0 == main(["export", str(path)])
    assert (2, 3) == (parquet.ParquetFile(path).num_row_groups, parquet.read_table(path).num_rows)


def test_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install, and where it can't write; what was there stays."""
    path = tmp_path / "decisions.parquet"
    path.write_text("older")
    assert 1 == main(["export", str(tmp_path / "nowhere" / "decisions.parquet")])
    assert "decisions.parquet: No such file or directory\n" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert 1 == main(["export", str(path)])
    assert "export writes Parquet by pyarrow; install it here: pip install pyarrow\n" == capsys.readouterr().err
    assert ("older", [path.name]) == (path.read_text(), [each.name for each in tmp_path.glob("*decisions*")])
