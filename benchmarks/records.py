"""`python -m benchmarks.records`: what a record takes, how long it is looked for among many, how fast it is replayed.

The stores are made of the default book's decisions, and are thrown away in the end.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from hashlib import sha256
from itertools import islice
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from pydantic_core import to_json
from tqdm import tqdm

from benchmarks.peers.assessing import MODEL, POLICY
from decision import read_policy
from engine import Engine, open_model
from records.basis import Basis, libraries, processor
from records.chain import Writer, link, sealed_entries
from records.identifiers import new_id
from records.keyring import KeyRing, add_key, read_keyring
from records.reading import Archive
from records.record import DecisionRecord
from records.replaying.answers import ANSWERED, answered
from records.replaying.replay import Replayer
from records.stores.base import Query, Store
from records.stores.sqlite.store import ARCHIVE, SQLiteFolder
from scoring.artifact import read_artifact
from tests.applications import portfolio

APPLICATIONS = 3000
"""Different ones; those of a larger store are decided again under other ids, times and references."""

BATCH = 2000
LOOKUPS = 300
REPLAYED = 10_000
A_REFERENCE = 2
"""Decisions of one applicant."""


class Cost(NamedTuple):
    """Of one look-up, in milliseconds."""

    middle: float
    slow: float


class Measured(NamedTuple):
    """What one store came to."""

    records: int
    bytes_each: float
    show: Cost
    find: Cost


class Decided:
    """Decisions to be put on record.

    Args:
        ring: seals them.
    """

    def __init__(self, ring: KeyRing) -> None:
        artifact = read_artifact(MODEL)
        files = read_policy(POLICY, artifact.contract)
        contents = {**artifact.contents, **files.contents}
        engine = Engine(*open_model(artifact), files)
        assert engine.contract.reference is not None
        self.ring = ring
        self.archive = {sha256(content).hexdigest(): content for content in contents.values()}
        identity = engine.identity
        self.basis = Basis(
            service_version="1.0.0",
            model_name=identity.model_name,
            model_version=identity.model_version,
            policy_version=identity.policy_version,
            digests={name: sha256(content).hexdigest() for name, content in contents.items()},
            code="0" * 64,
            libraries=libraries(),
            processor=processor(),
            fields=tuple(engine.contract.by_name),
            scored=tuple(engine.attributor.fields),
            sample=to_json(dict(engine.contract.example)).decode(),
        )
        self._documents = portfolio(APPLICATIONS, seed=15)
        applications = [engine.contract.parse(document) for document in self._documents]
        self._reference = engine.contract.reference
        self._place = tuple(engine.contract.by_name).index(self._reference)
        self._answers = [
            dict(zip(ANSWERED, answered(each, self.basis), strict=True)) for each in engine.assess(applications)
        ]

    def records(self, number: int) -> Iterator[DecisionRecord]:
        """That many, as a service makes them."""
        now = time.time_ns() // 1000
        for i in range(number):
            document, answer = self._documents[i % APPLICATIONS], self._answers[i % APPLICATIONS]
            reference, values = f"A-{i // A_REFERENCE:08d}", list(answer["values"])
            values[self._place] = reference
            yield DecisionRecord(
                id=new_id(),
                time=now + i,
                route="predict",
                row=None,
                caller="core-banking",
                request_id=f"{random.getrandbits(128):032x}",
                trace_id=None,
                received=to_json(document | {self._reference: reference}).decode(),
                **answer | {"reference": reference, "values": tuple(values)},
            )

    def fill(self, store: Store, number: int) -> list[bytes]:
        """Put that many into a store; some of their ids."""
        writer = Writer(new_id(), time.time_ns() // 1000, self.basis.digest)
        store.archive(self.archive)
        store.begin(writer, self.basis)
        head, some = writer.origin, list[bytes]()
        records = self.records(number)
        for _ in tqdm(range(0, number, BATCH), unit_scale=BATCH, unit=" records", leave=False):
            batch = link(sealed_entries(list(islice(records, BATCH)), writer, self.basis, self.ring), head)
            store.append(batch)
            head = type(head)(batch[-1].sequence, batch[-1].hash)
            some.append(random.choice(batch).id)  # noqa: S311  # no secret
        store.close()
        return some


def measured(folder: Path, decided: Decided, number: int) -> Measured:
    """One store: made, weighed, asked."""
    store = SQLiteFolder(folder)
    some = decided.fill(store, number)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and ARCHIVE not in path.parts)
    tags = [decided.ring.tag(f"A-{random.randrange(number // A_REFERENCE):08d}") for _ in range(LOOKUPS)]  # noqa: S311  # no secret
    with closing(store):
        show = cost(lambda each: [store.get(each)], random.choices(some, k=LOOKUPS))  # noqa: S311  # no secret
        find = cost(lambda tag: store.find(Query(tag=tag)), tags)
    return Measured(number, size / number, show, find)


def cost(ask: Callable[[bytes], Sequence[object]], keys: Sequence[bytes]) -> Cost:
    """Of asking for each, once it has been asked for: what is compared is the way to it, not the disk."""
    for key in keys:
        assert all(ask(key))
    times = []
    for key in keys:
        start = time.perf_counter()
        found = ask(key)
        times.append((time.perf_counter() - start) * 1000)
        assert found
    return Cost(median(times), quantiles(times, n=20)[-1])


def replayed(folder: Path, ring: KeyRing) -> str:
    """How the first of a store fare, and how fast: by the clock, and by the time that the processor was had."""
    store = SQLiteFolder(folder)
    verdicts: Counter[str] = Counter()
    kept = list(islice(Archive(store, ring).all(), 1))
    replayer = Replayer(store)
    list(replayer.replay(kept))  # opens the model, once however many are replayed
    start, used = time.perf_counter(), time.process_time()
    for each in replayer.replay(islice(Archive(store, ring).all(), REPLAYED)):
        verdicts[each.verdict.value] += 1
    seconds, used = time.perf_counter() - start, time.process_time() - used
    total = verdicts.total()
    told = ", ".join(f"{number} {verdict}" for verdict, number in verdicts.items())
    return f"{told}: {total / seconds:,.0f} a second, {total / used:,.0f} a second of one processor"


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.records", description=__doc__)
    parser.add_argument("--records", type=int, nargs="+", default=[1_000, 1_000_000], help="sizes of the stores")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="records-") as work:
        add_key(Path(work, "keys.json"))
        decided = Decided(read_keyring(Path(work, "keys.json")))
        folders = {number: Path(work, str(number)) for number in options.records}
        found = [measured(folder, decided, number) for number, folder in folders.items()]
        print("| records | bytes a record | show, ms (95%) | find by reference, ms (95%) |")
        print("|---|---|---|---|")
        for each in found:
            show, find = (f"{one.middle:.2f} ({one.slow:.2f})" for one in (each.show, each.find))
            print(f"| {each.records:,} | {each.bytes_each:.0f} | {show} | {find} |")
        first, last = found[0], found[-1]
        print(
            f"\n{last.records:,} to {first.records:,} records: show {last.show.middle / first.show.middle:.2f} times, "
            f"find {last.find.middle / first.find.middle:.2f} times"
        )
        print(f"replay of {REPLAYED:,}: {replayed(folders[last.records], decided.ring)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
