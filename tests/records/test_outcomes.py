"""A file of outcomes is kept whole or not at all, and each wrong line is named; the same for each kind of store."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from records.__main__ import main
from records.chain import Entry
from records.events.outcomes import OutcomesError, keep_outcomes, read_outcomes
from records.events.standing import Outcome, standing
from records.events.telling import Told
from records.identifiers import as_text, new_id
from records.keyring import KeyRing, read_keyring
from records.stores.ledger import Ledger
from tests.records.samples import a_record, keep

HEADER = "reference,defaulted,date,matured\n"


@pytest.fixture
def entries(book: Ledger, ring: KeyRing) -> list[Entry]:
    """The last two are one loan's, whose first answer never arrived; the ones before them are not."""
    references = ["ref-0", "ref-1", "ref-2", "ref-2", "ref-3", "ref-3"]
    return keep(
        book,
        ring,
        [
            a_record(reference=reference, time=1_790_000_000_000_000 + i, outcome="REJECT" if i == 3 else "APPROVE")
            for i, reference in enumerate(references)
        ],
    )


def problems(book: Ledger, ring: KeyRing, text: str) -> list[tuple[int, str]]:
    """Line and field of each."""
    with pytest.raises(OutcomesError) as raised:
        keep_outcomes(book, ring, read_outcomes(text))
    assert [] == list(book.events())
    return [problem[:2] for problem in raised.value.problems]


class TestReading:
    def test_as_spreadsheets_write_it(self) -> None:
        """With a mark before it, other line ends, quotes, spaces and empty lines; columns in any order."""
        decision = new_id()
        text = (
            "\ufeffdate, matured ,defaulted,decision_id,reference\r\n"
            f'2026-10-01,Yes,NO,{as_text(decision)},\r\n\r\n2026-10-02,no,yes,,"ref, ""1"""\r\n'
        )
        first, second = read_outcomes(text)
        assert (2, decision, None, Outcome(defaulted=False, date=date(2026, 10, 1), matured=True)) == first
        assert (4, None, 'ref, "1"', Outcome(defaulted=True, date=date(2026, 10, 2), matured=False)) == second

    def test_every_wrong_line_is_named(self) -> None:
        """With its field and the remedy, and not what stands there."""
        text = (
            "decision_id,reference,defaulted,date,matured\n"
            "Mustermann,,yes,2026-10-01,yes\n"
            ",,yes,2026-10-01,yes\n"
            ",ref-1,Mustermann,01.10.2026,1\n"
            ",ref-1,yes,2026-10-01,yes\n"
            ",ref-1,yes,2026-10-01\n"
        )
        with pytest.raises(OutcomesError) as raised:
            read_outcomes(text)
        assert [
            (2, "decision_id"),
            (3, "decision_id"),
            (4, "date"),
            (4, "defaulted"),
            (4, "matured"),
            (6, "line"),
        ] == [problem[:2] for problem in raised.value.problems]
        assert "Mustermann" not in str(raised.value)
        assert "line 4: date: no date; write it as 2026-11-30" in str(raised.value)

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "line 1: line: empty; its first line names the columns"),
            (
                "reference;defaulted;date;matured\n",
                "line 1: columns: the first line must name decision_id or reference",
            ),
            ("defaulted,date,matured\n", "line 1: columns: the first line must name decision_id or reference"),
            (
                "reference,defaulted,date,matured,amount\n",
                "line 1: columns: the first line may name each of these once",
            ),
            ("reference,reference,defaulted,date,matured\n", "line 1: columns: the first line may name each of these"),
            (HEADER + '"ref-1"x,yes,2026-10-01,yes\n', "line 2: line: no comma-separated values"),
        ],
    )
    def test_what_is_no_such_file(self, text: str, problem: str) -> None:
        with pytest.raises(OutcomesError, match=problem):
            read_outcomes(text)


class TestKeeping:
    def test_by_id_and_by_reference(self, book: Ledger, ring: KeyRing, entries: list[Entry]) -> None:
        """Told twice nothing changes; of a reference's several decisions, which decided the same, the last is meant."""
        text = (
            "decision_id,reference,defaulted,date,matured\n"
            f"{as_text(entries[0].id)},,no,2026-10-01,no\n,ref-1,yes,2026-10-02,yes\n,ref-3,no,2026-10-03,no\n"
        )
        lines = read_outcomes(text)
        assert Told(3) == keep_outcomes(book, ring, lines)
        assert Told(0, 3) == keep_outcomes(book, ring, lines)
        outcomes = [standing(book.told([entry.id]), entry.key, ring).outcome for entry in entries]
        assert [True, True, False, False, False, True] == [outcome is not None for outcome in outcomes]
        assert Outcome(defaulted=True, date=date(2026, 10, 2), matured=True) == outcomes[1]

    def test_the_same_line_twice(self, book: Ledger, ring: KeyRing, entries: list[Entry]) -> None:
        """By its id and by its reference is the same."""
        lines = f"decision_id,{HEADER}{as_text(entries[0].id)},ref-0,no,2026-10-01,no\n,ref-0,no,2026-10-01,no\n"
        assert Told(1, 1) == keep_outcomes(book, ring, read_outcomes(lines))

    def test_what_can_not_be_told_of_any_decision(self, book: Ledger, ring: KeyRing, entries: list[Entry]) -> None:
        """Nothing of the file is kept, its good lines neither."""
        rest = "yes,2026-10-01,yes\n"
        text = (
            f"decision_id,{HEADER}{as_text(entries[0].id)},,{rest}{as_text(new_id())},,{rest}"
            f",ref-9,{rest},ref-2,{rest}{as_text(entries[0].id)},ref-1,{rest},ref-1,no,2026-10-01,no\n,ref-1,{rest}"
        )
        assert [
            (3, "decision_id"),
            (4, "reference"),
            (5, "reference"),
            (6, "reference"),
            (8, "defaulted"),
        ] == problems(book, ring, text)

    def test_what_can_not_be(self, book: Ledger, ring: KeyRing, entries: list[Entry]) -> None:
        assert len(entries) == book.count()
        text = HEADER + "ref-0,yes,2026-10-01,yes\nref-1,yes,2026-01-01,yes\nref-3,yes,2100-01-01,yes\n"
        assert [(3, "date"), (4, "date")] == problems(book, ring, text)

    def test_what_contradicts_is_named_by_its_line(self, book: Ledger, ring: KeyRing, entries: list[Entry]) -> None:
        """And kept where it is said to be a correction."""
        assert len(entries) == book.count()
        keep_outcomes(book, ring, read_outcomes(HEADER + "ref-1,no,2026-10-01,yes\n"))
        lines = read_outcomes(HEADER + "ref-0,yes,2026-10-01,yes\nref-1,yes,2026-10-02,yes\n")
        with pytest.raises(
            OutcomesError, match=r"^line 3: defaulted: known as not defaulted, 2026-10-01, matured, not"
        ):
            keep_outcomes(book, ring, lines)
        assert 1 == len(list(book.events()))
        assert Told(2) == keep_outcomes(book, ring, lines, correct=True)

    def test_who_is_erased_is_left_out(self, book: Ledger, ring: KeyRing, entries: list[Entry]) -> None:
        """A lender's file holds all its loans, and need not know who was erased here."""
        assert len(entries) == book.count()
        book.destroy_keys(ring.tag("ref-0"))
        lines = read_outcomes(HEADER + "ref-0,yes,2026-10-01,yes\nref-1,no,2026-10-02,yes\n")
        assert Told(1, 0, 1) == keep_outcomes(book, ring, lines)


class TestCommands:
    @pytest.fixture(autouse=True)
    def kept(self, book: Ledger, place: str, key_file: Path, monkeypatch: pytest.MonkeyPatch) -> list[Entry]:
        monkeypatch.setenv("CREDIT_RISK_RECORDS", place)
        monkeypatch.setenv("CREDIT_RISK_RECORDS_KEY_FILE", str(key_file))
        return keep(book, read_keyring(key_file), [a_record(reference=f"ref-{i}") for i in range(2)])

    def test_outcome(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """What was kept, or each wrong line on standard error."""
        path = tmp_path / "outcomes.csv"
        path.write_text(HEADER + "ref-0,yes,2026-10-01,yes\nref-1,no,2026-10-01,no\n")
        assert 0 == main(["outcome", str(path)])
        assert 0 == main(["outcome", str(path), "--json"])
        told, again = capsys.readouterr().out.splitlines()
        assert "2 told, 0 known already" == told
        assert {"told": 0, "unchanged": 2, "erased": 0} == json.loads(again)

        path.write_text(HEADER + "ref-0,no,2026-10-01,yes\nref-1,maybe,2026-10-01,no\n")
        assert 1 == main(["outcome", str(path)])
        assert "line 3: defaulted: must be yes or no\n1 problems; nothing was kept\n" == capsys.readouterr().err
        path.write_text(HEADER + "ref-0,no,2026-10-01,yes\n")
        assert 1 == main(["outcome", str(path), "--json"])
        (problem,) = json.loads(capsys.readouterr().out)["problems"]
        assert (2, "defaulted") == (problem["place"], problem["field"])
        assert 1 == main(["outcome", str(tmp_path)])
        assert f"{tmp_path}: Is a directory\n" == capsys.readouterr().err

    def test_notice_and_hold(self, kept: list[Entry], capsys: pytest.CaptureFixture[str]) -> None:
        """By id and by reference; `show` has all of it."""
        decision = as_text(kept[0].id)
        assert 0 == main(["notified", decision, "--on", "2026-10-01"])
        assert 1 == main(["notified", "--reference", "ref-0", "--on", "2026-10-02"])
        assert decision in capsys.readouterr().err
        assert 0 == main(["hold", "--reference", "ref-0", "--reason", "a case", "--by", "lea"])
        assert 1 == main(["hold", "--reference", "ref-9", "--reason", "a case"])
        assert 1 == main(["hold", "--reference", "ref-0", "--reason", " "])
        assert 1 == main(["notified", decision, "--on", "1.10.2026"])
        capsys.readouterr()
        assert 0 == main(["show", decision, "--json"])
        shown = json.loads(capsys.readouterr().out)
        assert ("2026-10-01", "a case", "lea") == (
            shown["notified"],
            shown["holds"][0]["reason"],
            shown["holds"][0]["by"],
        )
        assert 0 == main(["release", decision, "--reason", "settled"])
        assert 0 == main(["release", decision, "--reason", "settled"])
        assert ["1 told, 0 known already", "0 told, 1 known already"] == capsys.readouterr().out.splitlines()
        with pytest.raises(SystemExit, match="2"):
            main(["notified", "--on", "2026-10-01"])
