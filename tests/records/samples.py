"""Records as a service would write them, of values that nobody sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import strategies as st

from records.basis import Basis, libraries, processor
from records.chain import Entry, Head, Writer, broken, link, sealed_entries
from records.identifiers import new_id
from records.keyring import KeyRing
from records.record import DecisionRecord
from records.stores.base import Store

BASIS = Basis(
    service_version="1.0.0",
    model_name="model",
    model_version="1.0.0",
    policy_version="1.0.0",
    digests={"policy.json": "0" * 64},
    code="1" * 64,
    libraries=libraries(),
    processor=processor(),
    fields=("age", "income", "home"),
    scored=("income", "home"),
    sample='{"age":40,"income":50000,"home":"RENT"}',
)


def a_record(**changes: Any) -> DecisionRecord:
    """One that was refused, but for what is changed."""
    record = DecisionRecord(
        id=new_id(),
        time=1_790_000_000_000_000,
        route="predict",
        row=None,
        caller="core-banking",
        request_id="r-1",
        trace_id=None,
        reference=None,
        received='{"age": 41, "income": 52000, "home": "OWN"}',
        values=(41, 52000.0, "OWN"),
        pd=0.2125,
        outcome="REJECT",
        band="REJECT",
        credit_score=612,
        rules=(),
        reasons=(("INCOME", "income"),),
        outside=(),
        attributions=(0.25, -0.5),
        counterfactuals=(({"income": 61000.0}, "APPROVE", 0.0875),),
    )
    return record._replace(**changes)


def a_chain(number: int, ring: KeyRing, writer: Writer | None = None) -> tuple[Writer, list[Entry]]:
    """A writer with its first entries, each of another reference."""
    writer = writer or a_writer()
    records = [a_record(reference=f"ref-{i}", time=writer.started + i) for i in range(number)]
    return writer, chained(records, writer, writer.origin, BASIS, ring)


def chained(records: Iterable[DecisionRecord], writer: Writer, head: Head, basis: Basis, ring: KeyRing) -> list[Entry]:
    """Their entries behind a head."""
    return link(sealed_entries(list(records), writer, basis, ring), head)


def a_writer() -> Writer:
    """One that has written nothing yet."""
    return Writer(new_id(), 1_790_000_000_000_000, BASIS.digest)


def behind(writer: Writer, entries: list[Entry]) -> Head:
    """Where a chain has come to."""
    return Head(entries[-1].sequence, entries[-1].hash) if entries else writer.origin


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
numbers = st.floats(allow_nan=False, allow_infinity=False)
drawn_records = st.builds(
    DecisionRecord,
    id=st.binary(min_size=16, max_size=16),
    time=st.integers(0, 2**52),
    route=st.sampled_from(["predict", "batch", "explain"]),
    row=st.none() | st.integers(0, 10_000),
    caller=st.none() | texts,
    request_id=texts,
    trace_id=st.none() | texts,
    reference=st.none() | texts,
    received=texts,
    values=st.lists(st.none() | texts | numbers | st.integers(-(2**53), 2**53), max_size=12).map(tuple),
    pd=st.floats(0, 1),
    outcome=st.sampled_from(["APPROVE", "CONDITIONAL_APPROVAL", "REJECT"]),
    band=st.sampled_from(["APPROVE", "CONDITIONAL_APPROVAL", "REJECT"]),
    credit_score=st.integers(0, 1000),
    rules=st.lists(texts, max_size=3).map(tuple),
    reasons=st.lists(st.tuples(texts, texts), max_size=4).map(tuple),
    outside=st.lists(texts, max_size=3).map(tuple),
    attributions=st.none() | st.lists(numbers, max_size=12).map(tuple),
    counterfactuals=st.lists(
        st.tuples(st.dictionaries(texts, numbers | texts, max_size=2), texts, st.floats(0, 1)), max_size=3
    ).map(tuple),
    idempotency_key=st.none() | texts,
)


def keep(store: Store, ring: KeyRing, records: Sequence[DecisionRecord]) -> list[Entry]:
    """The entries of a new writer's records, in a store that nobody holds any more."""
    writer = a_writer()
    entries = chained(records, writer, writer.origin, BASIS, ring)
    store.begin(writer, BASIS)
    store.append(entries)
    store.close()
    return entries


def kept(store: Store) -> list[Entry]:
    """All entries, each chain found whole."""
    entries = []
    for writer in store.writers():
        chain = list(store.entries(writer))
        assert [] == list(broken(chain, writer))
        entries += chain
    return entries
