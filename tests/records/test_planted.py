"""Nothing of an application stands in the clear: values that nobody else has, sent by all routes, and looked for.

Looked through are all files that the service and its store have written: tables, write-ahead logs, log lines, what
BentoML keeps. A check that can fail: what does stand in the clear by design is found in the same files.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from records.errors import UnreadableRecordError
from records.identifiers import from_text
from records.keyring import add_key, read_keyring
from records.reading import Archive
from records.record import unpack
from records.stores.opening import open_store
from records.stores.postgresql.schema import migrate
from tests import expect
from tests.postgres import Postgres
from tests.servers import HANG_SECONDS, Server, copy_store, serving

pytestmark = pytest.mark.slow

REFERENCE = "Wilhelmina-Vonderhuegel-77190426"
NUMBERS = {
    "person_income": 43217653.25,
    "loan_amnt": 31415926.75,
    "loan_int_rate": 13.37133742,
    "person_emp_length": 7.65432109,
}
KEY = "retry-vonderhuegel-5521"
"""The beginning of each request's Idempotency-Key."""

NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"
UNKNOWN = "tax-id-48110392756"
"""The value of a field that the contract doesn't know."""


@dataclass
class Planted:
    """A service that was sent all of it.

    Attributes:
        where: its store.
        keys: the store's.
        folders: of all that service and store have written.
        decisions: ids that it has answered with.
    """

    where: str
    keys: Path
    folders: list[Path]
    decisions: list[str]

    def files(self) -> Iterator[tuple[Path, bytes]]:
        """Every file, but for the keys."""
        for folder in self.folders:
            for path in sorted(folder.rglob("*")):
                if path.is_file() and path != self.keys:
                    yield path, path.read_bytes()


def forms(text: str) -> dict[str, bytes]:
    """How a text could be found."""
    plain = text.encode()
    return {
        "as it is": plain,
        "UTF-16": text.encode("utf-16-le"),
        "hexadecimal": plain.hex().encode(),
        **{f"its {name}": hashlib.new(name, plain).digest() for name in ("md5", "sha1", "sha256")},
        **{f"its {name} in hexadecimal": hashlib.new(name, plain).hexdigest().encode() for name in ("md5", "sha256")},
    }


def needles() -> dict[str, bytes]:
    """All that must not be found, by what it is."""
    found = {f"{text} {form}": needle for text in (REFERENCE, UNKNOWN, KEY) for form, needle in forms(text).items()}
    for name, number in NUMBERS.items():
        found |= {f"{name} as text": repr(number).encode()}
        found |= {f"{name} as a double, {order}": struct.pack(f"{order}d", number) for order in "<>"}
    return found


@pytest.fixture(scope="module", params=["sqlite", "spool", pytest.param("postgres", marks=pytest.mark.database)])
def planted(
    request: pytest.FixtureRequest, store: Path, tmp_path_factory: pytest.TempPathFactory, example: dict[str, Any]
) -> Planted:
    folder = tmp_path_factory.mktemp("planted")
    keys = folder / "keys" / "records.json"
    add_key(keys)
    folders = [folder]
    where = f"sqlite:{folder / 'records'}"
    if request.param == "postgres":
        cluster: Postgres = request.getfixturevalue("cluster")
        where = cluster.url(cluster.new_schema())
        migrate(where)
        folders.append(cluster.folder)
    settings = {"CREDIT_RISK_RECORDS": where, "CREDIT_RISK_RECORDS_KEY_FILE": str(keys)}
    if request.param == "spool":  # for a database that isn't there
        settings |= {"CREDIT_RISK_RECORDS": NOWHERE, "CREDIT_RISK_RECORDS_SPOOL": str(folder / "records")}
    with serving(copy_store(store, folder / "home"), **settings) as server:
        decisions = list(sent(server, example, there=request.param != "spool"))
        planted = Planted(where, keys, folders, decisions)
        assert_nothing_is_found(planted)  # while the service has its files open
    if request.param == "postgres":
        cluster.execute("CHECKPOINT")  # what the server holds in memory, into its tables
    return planted


def sent(server: Server, example: dict[str, Any], *, there: bool) -> Iterator[str]:
    """Send all of it by all routes, and what is refused too; the decisions' ids.

    Args:
        server: to whom.
        example: what is sent, but for what is planted.
        there: whether the store is: what was answered under a key can't be told without it.
    """
    application = {**example, **NUMBERS, "loan_percent_income": None, "reference": REFERENCE}
    with httpx.Client(base_url=server.url, timeout=HANG_SECONDS) as client:
        for route in ("/predict", "/predict/explain"):
            key = {"Idempotency-Key": f"{KEY}-{route.replace('/', '-')}"}
            answer = client.post(route, json=application, headers=key)
            if not there:
                assert 503 == answer.status_code
                answer = client.post(route, json=application)
            yield expect.answer(answer)["decision_id"]
        rows = [application, {**application, "person_income": REFERENCE}, {**application, "tax_id": UNKNOWN}]
        results = expect.answer(client.post("/predict/batch?partial=true", json=rows))["results"]
        yield results[0]["decision_id"]
        assert all("errors" in result for result in results[1:])
        for refused in (rows[1], rows[2], {**application, UNKNOWN: UNKNOWN}):
            assert 422 == client.post("/predict", json=refused).status_code
        assert 422 == client.post("/predict/batch", json=rows).status_code
        broken = json.dumps(application)[:-1].encode()
        assert 400 == client.post("/predict", content=broken, headers={"Content-Type": "application/json"}).status_code


def assert_nothing_is_found(planted: Planted) -> None:
    """Of what was sent, anywhere."""
    looked_for = needles()
    read = 0
    for path, content in planted.files():
        read += len(content)
        assert [] == [name for name, needle in looked_for.items() if needle in content], path
    print(f"{len(looked_for)} forms looked for in {read} bytes")


def test_nothing_is_found(planted: Planted) -> None:
    assert_nothing_is_found(planted)


def test_what_stands_in_the_clear_is_found(planted: Planted) -> None:
    """In the same files: the decisions' ids, as stored; and the values too, once they are written there."""
    everything = b"".join(content for _, content in planted.files())
    assert all(
        from_text(each) in everything or from_text(each).hex().encode() in everything for each in planted.decisions
    )
    control = planted.folders[-1] / "control"
    control.write_bytes(os.urandom(1000) + REFERENCE.encode() + os.urandom(1000))
    try:
        with pytest.raises(AssertionError, match="control"):
            assert_nothing_is_found(planted)
    finally:
        control.unlink()


def test_only_the_keys_open_it(planted: Planted) -> None:
    """What is stored isn't merely packed: without its key nothing unpacks, and with it all is there."""
    with closing(open_store(planted.where)) as store:
        for decision in planted.decisions:
            entry = store.get(from_text(decision))
            assert entry is not None
            basis = store.basis(next(each for each in store.writers() if each.id == entry.writer).basis)
            assert basis is not None
            with pytest.raises(UnreadableRecordError):
                unpack(entry.id, entry.content, basis)
            kept = Archive(store, read_keyring(planted.keys)).get(entry.id)
            assert kept is not None
            document = kept.document()
            assert REFERENCE == document["reference"]
            assert set(NUMBERS.items()) <= set(document["fields"].items())
            assert REFERENCE in document["received"]
