"""A decision is overridden by two people, never by one; its record stays as it is, and all that is done is told."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest

from records.chain import Entry
from records.events.acts import acts
from records.events.event import Kind, broken
from records.events.reviewing import MOST_TEXT, Reviewer, Who
from records.events.standing import Standing, standing
from records.events.telling import ContradictionError, Teller
from records.keyring import KeyRing
from records.stores.ledger import Ledger
from tests.records.samples import a_record, keep

WHY = ("APPROVE", "DOCUMENTS_SEEN", "Payslips of Mustermann show a higher income")


@pytest.fixture
def entry(book: Ledger, ring: KeyRing) -> Entry:
    """A refusal."""
    return keep(book, ring, [a_record(reference="ref-0")])[0]


def stands(ledger: Ledger, ring: KeyRing, entry: Entry) -> Standing:
    return standing(ledger.told([entry.id]), entry.key, ring)


class People:
    def __init__(self, teller: Teller, ring: KeyRing) -> None:
        self.ann = Reviewer(teller, ring, Who.known("ann@lender.example", ["ann", "session-1"]))
        self.bob = Reviewer(teller, ring, Who.known("bob", ["session-2"]))
        self.same = [
            Reviewer(teller, ring, Who.known(name, [other]))
            for name, other in (
                ("ann@lender.example", "session-3"), ("Ann@Lender.example ", "session-3"), ("ANN", "session-3"),
                ("carl", "ann"), ("carl", "session-1"),
            )
        ]  # fmt: skip


@pytest.fixture
def people(teller: Teller, ring: KeyRing) -> People:
    return People(teller, ring)


class TestOverride:
    def test_takes_two(self, book: Ledger, ring: KeyRing, entry: Entry, people: People) -> None:
        """From then on it holds; the decision's own record is what it was."""
        people.ann.propose(entry, 0, *WHY)
        proposed = stands(book, ring, entry)
        assert (None, None) == (proposed.override, proposed.review)
        assert proposed.proposal is not None
        assert (*WHY, "ann@lender.example") == proposed.proposal[1:5]
        people.bob.confirm(entry, proposed.last, "seen them too")
        confirmed = stands(book, ring, entry)
        assert confirmed.override is not None
        assert (None, proposed.proposal) == (confirmed.proposal, confirmed.override.proposal)
        assert confirmed.review is not None
        assert ("bob", "seen them too") == confirmed.review[:2]
        assert entry == book.get(entry.id)
        document = confirmed.document()
        told = [document["override"][name] for name in ("decision", "proposed_by", "confirmed_by")]
        assert ["APPROVE", "ann@lender.example", "bob"] == told

    def test_never_by_one_under_another_name(self, book: Ledger, ring: KeyRing, entry: Entry, people: People) -> None:
        """However a name is written, whichever name of theirs it is, and from the same browser."""
        people.ann.propose(entry, 0, *WHY)
        last = stands(book, ring, entry).last
        for same in [people.ann, *people.same]:
            with pytest.raises(ContradictionError, match="proposed by the same person") as raised:
                same.confirm(entry, last)
            assert "by" == raised.value.contradictions[0].field
            with pytest.raises(ContradictionError, match="proposed by the same person"):
                same.decline(entry, last, "no")
        assert 1 == len(list(book.events()))

    def test_declined(self, book: Ledger, ring: KeyRing, entry: Entry, people: People) -> None:
        """It is gone, the decision is as it was, and may be proposed again; an override stays until the next one."""
        people.ann.propose(entry, 0, *WHY)
        with pytest.raises(ContradictionError, match="say why"):
            people.bob.decline(entry, 1, " ")
        people.bob.decline(entry, 1, "not enough")
        declined = stands(book, ring, entry)
        assert (None, None) == (declined.proposal, declined.override)
        people.ann.propose(entry, 2, *WHY)
        people.bob.confirm(entry, 3)
        people.bob.propose(entry, 4, "CONDITIONAL_APPROVAL", "OTHER", "after all")
        people.ann.decline(entry, 5, "no")
        override = stands(book, ring, entry).override
        assert override is not None
        assert "APPROVE" == override.proposal.outcome

    @pytest.mark.parametrize(
        ("changes", "field", "told"),
        [
            ({"outcome": "REJECT"}, "outcome", "stands so already"),
            ({"outcome": "MAYBE"}, "outcome", "must be one of APPROVE, "),
            ({"code": "BECAUSE"}, "code", "must be one of DATA_CORRECTED, "),
            ({"text": "\n "}, "text", "say why"),
            ({"text": "x" * (MOST_TEXT + 1)}, "text", "at most 2000 characters"),
            ({"seen": 3}, "seen", "somebody else has acted on it meanwhile"),
        ],
    )
    def test_refused(
        self, book: Ledger, entry: Entry, people: People, changes: dict[str, str | int], field: str, told: str
    ) -> None:
        sent = {"seen": 0, "outcome": WHY[0], "code": WHY[1], "text": WHY[2]} | changes
        with pytest.raises(ContradictionError, match=told) as raised:
            people.ann.propose(entry, **sent)  # type: ignore[arg-type]  # as the fields are named
        assert [(entry.id, field)] == [each[:2] for each in raised.value.contradictions]
        assert [] == list(book.events())

    def test_what_is_not_proposed(self, entry: Entry, people: People) -> None:
        for act in (people.bob.confirm, people.bob.decline):
            with pytest.raises(ContradictionError, match="nothing is proposed"):
                act(entry, 0, "x")

    def test_two_at_once(self, open_book: Callable[[], Ledger], book: Ledger, ring: KeyRing, entry: Entry) -> None:
        """One of them has it; each other is told that somebody was first."""

        def propose(number: int) -> str:
            try:
                Reviewer(Teller(open_book(), ring), ring, Who.known(f"officer {number}")).propose(entry, 0, *WHY)
            except ContradictionError as exc:
                return exc.contradictions[0].field
            return ""

        with ThreadPoolExecutor(4) as pool:
            assert ["", "seen", "seen", "seen"] == sorted(pool.map(propose, range(4)))
        assert 1 == len(list(book.events()))


class TestReview:
    def test_stands(self, book: Ledger, ring: KeyRing, entry: Entry, people: People) -> None:
        people.bob.review(entry, 0, "")
        review = stands(book, ring, entry).review
        assert review is not None
        assert "bob" == review.by

    def test_not_beside_a_proposal(self, entry: Entry, people: People) -> None:
        people.ann.propose(entry, 0, *WHY)
        with pytest.raises(ContradictionError, match=r"ann@lender\.example has proposed an override"):
            people.bob.review(entry, 1)
        with pytest.raises(ContradictionError, match="has to be settled first"):
            people.bob.propose(entry, 1, *WHY)


class TestActs:
    def test_each_with_who_and_when(
        self, book: Ledger, ring: KeyRing, teller: Teller, entry: Entry, people: People
    ) -> None:
        """In one chain with all else; looks change nothing of how the decision stands."""
        people.ann.looked(entry, "record")
        people.bob.replayed(entry, "identical")
        people.ann.propose(entry, 0, *WHY)
        people.bob.confirm(entry, 3)
        teller.notified([entry], date(2026, 10, 1), by="ann")
        found = acts(book.told([entry.id]), entry.key, ring)
        assert [
            ("viewed", "ann@lender.example", {"what": "record"}),
            ("replayed", "bob", {"verdict": "identical", "what": []}),
            ("proposed", "ann@lender.example", dict(zip(("decision", "code", "text"), WHY, strict=True))),
            ("confirmed", "bob", {"text": ""}),
            ("notified", "ann", {"date": "2026-10-01"}),
        ] == [(act.kind, act.by, act.content) for act in found]
        assert [] == list(broken(book.events()))
        assert 5 == stands(book, ring, entry).last

    def test_sealed(self, book: Ledger, ring: KeyRing, teller: Teller, entry: Entry, people: People) -> None:
        """Nothing of anybody is in the clear, and who is erased leaves no more than kinds and times."""
        people.ann.looked(entry, "letter")
        people.ann.propose(entry, 0, *WHY)
        teller.notified([entry], date(2026, 10, 1), by="ann")
        for event in book.told([entry.id]):
            assert event.content is not None
            assert not [word for word in (b"ann", b"Mustermann", b"APPROVE", b"letter") if word in event.content]
        book.destroy_keys(ring.tag("ref-0"))
        closed = acts(book.told([entry.id]), None, ring)
        assert [("viewed", None, None), ("proposed", None, None), ("notified", None, {"date": "2026-10-01"})] == [
            (act.kind, act.by, act.content) for act in closed
        ]
        erased = standing(book.told([entry.id]), None, ring)
        assert (True, None) == (erased.closed, erased.proposal)
        (entry,) = book.entries_of([entry.id])
        people.ann.looked(entry, "record")
        assert 3 == len(list(book.events())), "nothing more can be sealed of it"

    def test_a_kind_of_a_later_version(self, book: Ledger, ring: KeyRing, entry: Entry, people: People) -> None:
        """Is passed over."""
        people.ann.looked(entry, "record")
        (event,) = book.told([entry.id])
        content = ring.seal_told(b'{"by":"x"}', entry.key or b"", entry.id, b"appealed")
        later = event._replace(kind="appealed", content=content)
        assert Standing(last=1) == standing([later], entry.key, ring)
        assert Kind.VIEWED.value == event.kind
