"""Long lists by columns, held against row by row: the same bytes, lines, counts and records, whatever the rows are."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import pytest
from prometheus_client import CollectorRegistry
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from decision import PolicyFiles, read_policy
from engine import Assessment, Engine, open_model
from preprocessing.application import Application
from preprocessing.contract import Contract, read_contract_file
from preprocessing.fields import PD
from records.basis import Basis
from records.replaying.answers import Said
from scoring.artifact import read_artifact
from scoring.distribution import FieldBins
from serving.http.batches import Result, answer
from serving.http.bodies import Bodies
from serving.http.listed import LONG, AnsweredList, Listed, ListEngine
from serving.http.problems import ProblemError
from serving.http.responses import Responses
from serving.once import Once
from serving.recording import Recording
from serving.settings import Settings
from serving.telemetry.exchange import Exchange, current_exchange
from serving.telemetry.telemetry import Telemetry
from tests.applications import portfolio
from tests.artifacts import MODEL_FOLDER, POLICY_FOLDER
from tests.books import BOOKS, EVERY_TYPE, Document, contract_of, documents
from tests.contracts import Small, applications, distribution_of, policy_of, spoilt
from tests.properties.test_decisions import catalogue_of, engine_of
from tests.records.samples import BASIS

PD_BINS = FieldBins(field=PD, edges=[0.05, 0.1, 0.2], categories=[], shares=[0.4, 0.3, 0.2, 0.1], missing=0)


class Book(NamedTuple):
    engine: Engine
    files: PolicyFiles
    bins: Sequence[FieldBins]

    @property
    def contract(self) -> Contract:
        return self.engine.contract


def default_book() -> Book:
    artifact = read_artifact(MODEL_FOLDER)
    files = read_policy(POLICY_FOLDER / "decision_policy.json", artifact.contract)
    return Book(Engine(*open_model(artifact), files), files, artifact.distribution.bins)


def small_book(contract: Contract, files: PolicyFiles) -> Book:
    small = Small(contract, applications(contract, 300, 7), 4, 7)
    return Book(engine_of(small, files), files, [*distribution_of(contract).bins, PD_BINS])


@pytest.fixture(scope="module", params=["the default model", "every type", *BOOKS])
def book(request: pytest.FixtureRequest) -> Book:
    if request.param == "the default model":
        return default_book()
    if request.param == "every type":
        contract = contract_of(EVERY_TYPE)
        return small_book(contract, PolicyFiles(policy_of(contract, []), catalogue_of(contract), {}))
    contract = read_contract_file(BOOKS[request.param] / "contract.json")
    return small_book(contract, read_policy(BOOKS[request.param] / "decision_policy.json", contract))


class Kept(Recording):
    """Keeps what it is told in memory."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.rows: Sequence[int | None] = []
        self.say: Callable[[Basis], Iterable[Said]] = lambda _: ()

    @property
    def keeps(self) -> bool:
        return True

    async def keep(self, kind: str, rows: Any, say: Any, exchange: Exchange | None, content: Any) -> list[str]:
        assert kind == "batch"
        assert exchange is not None
        self.rows, self.say = rows, say
        ids = [f"id-{row}" for row in rows]
        assert isinstance(content(ids), bytes)
        return ids


class Lines:
    """The lines of a log."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def put(self, line: bytes) -> None:
        self.lines.append(line)

    def put_many(self, lines: Sequence[bytes]) -> None:
        self.lines += lines


class Told(NamedTuple):
    """All that comes of a request."""

    status: int
    body: bytes
    lines: list[dict[str, Any]]
    counts: dict[Any, float]
    kept: list[Any]


def told(book: Book, rows: Sequence[Any], *, columns: bool, partial: bool, record: bool) -> Told:
    """What is answered to a list, and what is logged, counted and recorded with it."""
    telemetry = Telemetry(CollectorRegistry())
    telemetry.drift.watch(book.bins, PD)
    lines = Lines()
    telemetry.logs.decision.handler = lines  # type: ignore[assignment]  # as much of one as is used
    telemetry.logs.decision.logger.setLevel("INFO")
    settings = Settings()
    bodies = Bodies(settings, lambda: book.contract, telemetry)
    if columns:
        assert ListEngine.pays(book.engine)
        bodies.by_columns()
    lists = ListEngine(book.engine, book.bins)
    arguments = settings, telemetry, Once(settings, telemetry)
    kept = Kept(*arguments)
    recording = kept if record else Recording(*arguments)
    responses = Responses(telemetry, recording)

    async def work(applications: Sequence[Application]) -> list[Assessment]:
        return book.engine.assess(applications)

    async def respond() -> Response:
        current_exchange.set(Exchange("id", "POST", "/predict/batch"))
        queued = await bodies.many(request_of(rows, partial=partial))
        assert (len(queued) == 1 and isinstance(queued[0].item, Listed | ProblemError)) or not columns
        results: list[Result] = await answer([each.item for each in queued], work, 25, lists.answer)
        assert not columns or isinstance(results[0], AnsweredList | ProblemError)
        return await responses.batch(results)

    response = asyncio.run(respond())
    counts = {
        (sample.name, *sample.labels.items()): sample.value
        for sample in telemetry.samples()
        if sample.value and not sample.name.endswith("_created")
    }
    logged = [{**json.loads(line), "timestamp": ""} for line in lines.lines]
    basis = BASIS.model_copy(update={"fields": tuple(book.contract.by_name), "scored": ()})
    on_record = [(row, said, [*map(type, said[1])]) for row, said in zip(kept.rows, kept.say(basis), strict=True)]
    return Told(response.status_code, bytes(response.body), logged, counts, on_record)


def request_of(rows: Sequence[Any], *, partial: bool) -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": json.dumps(rows).encode(), "more_body": False}

    headers = [(b"content-type", b"application/json")]
    query = b"partial=true" if partial else b""
    scope = {"type": "http", "method": "POST", "path": "/predict/batch", "query_string": query, "headers": headers}
    return Request(scope, receive)


def both(book: Book, rows: Sequence[Any], *, partial: bool = False, record: bool = False) -> Told:
    """What comes of a list by columns, which is what comes of it row by row."""
    by_columns = told(book, rows, columns=True, partial=partial, record=record)
    row_by_row = told(book, rows, columns=False, partial=partial, record=record)
    assert row_by_row == by_columns
    return by_columns


def sound(book: Book, n: int, seed: int) -> list[Document]:
    """Applications of a contract, with a caller's own id where it takes one."""
    drawn = [*portfolio(n, seed)] if "loan_grade" in book.contract.by_name else documents(book.contract, n, seed)
    name = book.contract.reference
    return [{**each, name: f'R-{i} "é"'} if name and i % 3 else each for i, each in enumerate(drawn)]


@pytest.mark.parametrize("record", [False, True])
def test_sound_rows(book: Book, *, record: bool) -> None:
    rows = sound(book, 150, 3)
    answered = both(book, rows, record=record)
    assert 200 == answered.status
    assert len(rows) == len(answered.lines) == json.loads(answered.body)["batch_size"]
    assert len({line["decision"] for line in answered.lines}) > 1
    assert len(answered.kept) == (len(rows) if record else 0)


@pytest.mark.parametrize("record", [False, True])
def test_some_are_spoilt(book: Book, *, record: bool) -> None:
    """In whatever way JSON allows: the good ones are answered where that is asked, and the bad ones told why."""
    rng = random.Random(5)
    rows: list[Any] = [
        spoilt(each, book.contract, rng) if i % 4 == 0 else each for i, each in enumerate(sound(book, 160, 4))
    ]
    rows[10:14] = [[], None, "text", {}]
    answered = both(book, rows, partial=True, record=record)
    assert 200 == answered.status
    assert 4 <= answered.body.count(b'{"errors":') < len(rows) / 2
    assert 422 == both(book, rows).status


def test_values_at_the_ends_of_what_json_can_say(book: Book) -> None:
    """Each in each field, of a few rows among sound ones."""
    plain = sound(book, LONG, 6)
    wrong = (None, True, 0, -0.0, 30.0, 10**30, 10**400, 1e300, float("nan"), float("inf"), "", " a ", "\x07", [], {})
    rows: list[Any] = []
    for name in book.contract.by_name:
        rows += [{**plain[i % LONG], name: value} for i, value in enumerate(wrong)]
    for start in range(0, len(rows), 400):
        both(book, [*rows[start : start + 400], *plain], partial=True)


def test_more_is_wrong_than_can_be_said(book: Book) -> None:
    """The row is the same from which on nothing is said."""
    assert 422 == both(book, [{"no": "field"} for _ in range(500)]).status
    both(book, [{f"no{i}": "field" for i in range(40)} for _ in range(500)], partial=True)


def test_all_rows_are_bad(book: Book) -> None:
    assert both(book, [{} for _ in range(LONG)], partial=True).body.count(b'{"errors":[') == LONG


def test_a_fault_is_the_list_s_own(book: Book) -> None:
    """Its neighbours in a merged batch are answered; it gets the problem that is nobody's fault."""
    (application,) = applications(book.contract, 1, 3)

    async def fail(_: Listed) -> AnsweredList:
        raise ValueError("SENTINEL")

    async def work(applications: Sequence[Application]) -> list[Assessment]:
        return book.engine.assess(applications)

    async def merged() -> list[Result]:
        bodies = Bodies(Settings(), lambda: book.contract, Telemetry(CollectorRegistry()))
        bodies.by_columns()
        (queued,) = await bodies.many(request_of(sound(book, LONG, 8), partial=False))
        return await answer([application, queued.item, application], work, 25, fail)

    one, listed, other = asyncio.run(merged())
    assert one == other == book.engine.assess([application])[0]
    assert isinstance(listed, ProblemError)
    assert 500 == listed.status
    assert b"SENTINEL" not in to_json(listed.document("id"))
