"""What was said to be kept is kept when the power fails: of what was written, only that is left which was synced."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from records.identifiers import from_text
from records.keyring import add_key, read_keyring
from records.reading import Archive
from records.replaying.replay import Replayer, Verdict
from records.stores.sqlite.store import SQLiteFolder
from records.verifying.chains import verify
from tests import expect
from tests.records.powerless import Disk, powerless
from tests.records.samples import BASIS
from tests.servers import HANG_SECONDS, ROOT, copy_store, serving

WRITER = """
    import sys
    from pathlib import Path
    from records.keyring import add_key, read_keyring
    from records.stores.sqlite.store import SQLiteFolder
    from tests.records.samples import BASIS, a_record, a_writer, chained

    folder, synchronous = Path(sys.argv[1]), sys.argv[2]
    add_key(Path(sys.argv[3]))
    ring, writer, store = read_keyring(Path(sys.argv[3])), a_writer(), SQLiteFolder(folder)
    store.archive({"0" * 64: b"model"})
    store.begin(writer, BASIS)
    store._connection.execute(f"PRAGMA synchronous={synchronous}")
    head = writer.origin
    while True:
        entries = chained([a_record(), a_record()], writer, head, BASIS, ring)
        store.append(entries)
        for entry in entries:
            print(entry.id.hex(), flush=True)
        head = type(head)(entries[-1].sequence, entries[-1].hash)
"""
"""Says of each decision that it is kept, until somebody puts an end to it."""


SPOOLER = """
    import sys, time
    from pathlib import Path
    from records.keyring import add_key, read_keyring
    from records.stores import spooling
    from tests.records.samples import BASIS, a_record, a_writer, chained
    from tests.records.test_spooling import Connected, Distant, Heard

    folder, away_twice = Path(sys.argv[1]), sys.argv[2] == "TWICE"
    spooling.RETRY_SECONDS = 0.05
    add_key(Path(sys.argv[3]))
    ring, writer, store = read_keyring(Path(sys.argv[3])), a_writer(), Distant()
    store.away = True
    spool = spooling.Spooling(Connected(store), Connected(store), folder, 1 << 24, Heard())
    spool.archive({"0" * 64: b"model"})
    spool.begin(writer, BASIS)

    def keep():
        entries = chained([a_record(), a_record()], writer, spool.head(writer), BASIS, ring)
        spool.append(entries)
        return entries

    if away_twice:
        for _ in range(10):
            keep()
        store.away = False
        while spool._spooling:
            time.sleep(0.01)
        store.away = True
    while True:
        for entry in keep():
            print(entry.id.hex(), flush=True)
"""
"""The same of one whose store is away, or is away for the second time."""


class Loss(NamedTuple):
    """What somebody was told is kept, and how much of it isn't.

    Attributes:
        told: ids.
        lost: those that aren't there.
        faults: of what is.
    """

    told: set[bytes]
    lost: set[bytes]
    faults: list[str]


def written(disk: Disk, how: str, number: int, writing: str = WRITER) -> set[bytes]:
    """Kill a writer after it has said so of that many; their ids."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(writing), disk.root / "a" / "records", how, disk.copies / "keys"],
        cwd=ROOT,
        env=os.environ | disk.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        told = {bytes.fromhex(writer.stdout.readline().strip()) for _ in range(number)}
        writer.send_signal(signal.SIGKILL)
        told |= {bytes.fromhex(line.strip()) for line in writer.stdout if line.endswith("\n")}
    assert len(told) >= number
    return told


def left(folder: Path, told: set[bytes]) -> Loss:
    """What a reader finds; a writer begins there first, as after a restart."""
    store = SQLiteFolder(folder / "a" / "records")
    with closing(store):
        kept = {entry.id for writer in store.writers() for entry in store.entries(writer)}
        return Loss(told, told - kept, [fault for each in verify(store) for fault in each.faults])


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return powerless(tmp_path)


class TestSQLite:
    def test_full_loses_nothing(self, disk: Disk, tmp_path: Path) -> None:
        """Not a record, whichever of the sectors that weren't synced had been written all the same."""
        told = written(disk, "FULL", 300)
        for seed in (None, *range(6)):
            loss = left(disk.after_power_loss(tmp_path / f"after-{seed}", seed), told)
            assert (set(), []) == (loss.lost, loss.faults)
        print(f"FULL: {len(told)} kept, none lost")

    def test_normal_loses(self, disk: Disk, tmp_path: Path) -> None:
        """It syncs at its checkpoints only, so that the last decisions are lost: a loss is seen where there is one."""
        told = written(disk, "NORMAL", 640)
        loss = left(disk.after_power_loss(tmp_path / "after"), told)
        assert set() < loss.lost < told
        assert [] == loss.faults
        print(f"NORMAL: {len(told)} kept, {len(loss.lost)} lost")

    def test_what_was_decided_by(self, disk: Disk, tmp_path: Path) -> None:
        """The archive is there as soon as the first decision is."""
        written(disk, "FULL", 2)
        after = disk.after_power_loss(tmp_path / "after") / "a" / "records" / "artifacts"
        assert b"model" == (after / ("0" * 64)).read_bytes()


class TestSpool:
    @pytest.mark.parametrize("away", ["ONCE", "TWICE"])
    def test_loses_nothing(self, disk: Disk, tmp_path: Path, away: str) -> None:
        """Nor where the file of the time before was carried over, and deleted, and may be there again."""
        told = written(disk, away, 60, SPOOLER)
        for seed in (None, 1, 2):
            store = SQLiteFolder(disk.after_power_loss(tmp_path / f"after-{seed}", seed) / "a" / "records")
            assert told <= {entry.id for writer in store.writers() for entry in store.entries(writer)}
            assert BASIS == store.basis(BASIS.digest)


@pytest.mark.slow
def test_what_was_answered(store: Path, tmp_path: Path, applications: list[dict[str, Any]]) -> None:
    """By a served service: all of it is on the disk then, and can be made again from what is there."""
    disk = powerless(tmp_path)
    keys = tmp_path / "keys.json"
    add_key(keys)
    records = disk.root / "records"
    settings = {"CREDIT_RISK_RECORDS": f"sqlite:{records}", "CREDIT_RISK_RECORDS_KEY_FILE": str(keys)}
    with (
        serving(copy_store(store, tmp_path / "home"), **settings, **disk.environment) as server,
        httpx.Client(base_url=server.url, timeout=HANG_SECONDS) as client,
    ):
        answers = [expect.answer(client.post("/predict", json=each)) for each in applications[:10]]
        answers += [expect.answer(client.post("/predict/explain", json=each)) for each in applications[:5]]
        answers += expect.answer(client.post("/predict/batch", json=applications[:50]))["results"]
        after = disk.after_power_loss(tmp_path / "after")
    told = {from_text(answer["decision_id"]) for answer in answers}
    with closing(SQLiteFolder(after / "records")) as kept:
        again = list(Replayer(kept).replay(Archive(kept, read_keyring(keys)).all()))
    assert told == {each.kept.entry.id for each in again}
    assert {Verdict.IDENTICAL} == {each.verdict for each in again}
