"""Other loan books in real servers: trained on drawn rows, imported into a store of their own, asked every way."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, NamedTuple

import bentoml
import httpx
import pytest
from openapi_schema_validator import OAS30Validator, oas30_format_checker
from openapi_spec_validator import validate

from decision import read_policy
from preprocessing.contract import Contract
from scoring.artifact import read_artifact
from tests import expect
from tests.books import BOOKS, EVERY_TYPE, Document, documents, train_book
from tests.contracts import BETWEEN_FIELDS, refusal, spelt, spoilt
from tests.servers import HANG_SECONDS, Server, run_python, serving, wait_for
from tests.telemetry import Engine, explanation, open_model, prediction

pytestmark = pytest.mark.slow

MARK = "Zq81xKw"
"""Stands in what is refused; no log line may have it."""


class Served(NamedTuple):
    """A server of a loan book, and the same model and policy in this process."""

    server: Server
    client: httpx.Client
    engine: Engine
    documents: list[Document]

    @property
    def contract(self) -> Contract:
        """The book's."""
        return self.engine.contract


@pytest.fixture(scope="module", params=["boat_loans", "heloc"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all tests of a book."""
    root = tmp_path_factory.mktemp(request.param)
    book, model = train_book(root, BOOKS.get(request.param, EVERY_TYPE))
    policy = book / "decision_policy.json"
    run_python("import_model.py", "--model", model, "--policy", policy, home=root / "home")
    artifact = read_artifact(model)
    engine = Engine(*open_model(artifact), read_policy(policy, artifact.contract))
    sent = [
        document | ({artifact.contract.reference: f"{MARK}-{i}"} if artifact.contract.reference else {})
        for i, document in enumerate(documents(artifact.contract, 120, seed=21))
    ]
    with serving(root / "home") as server, httpx.Client(base_url=server.url, timeout=HANG_SECONDS) as client:
        yield Served(server, client, engine, sent)


def test_answers_are_the_engine_s(served: Served) -> None:
    """All three routes, to the last digit; reasons among them, and the reference as it was sent."""
    explained = served.engine.explain([served.contract.parse(document) for document in served.documents])
    batch = expect.answer(served.client.post("/predict/batch", json=served.documents))

    assert [prediction(each) for each in explained] == batch["results"]
    assert any(answer["reasons"] for answer in batch["results"])
    assert {answer["decision"] for answer in batch["results"]} >= {"APPROVE", "REJECT"}
    for document, each in list(zip(served.documents, explained, strict=True))[:25]:
        assert prediction(each) == expect.answer(served.client.post("/predict", json=document))
        answer = expect.answer(served.client.post("/predict/explain", json=document))
        assert json.loads(json.dumps(explanation(each))) == answer
        assert document.get(served.contract.reference or "") == answer.get("reference")


def test_document_says_what_is_accepted(served: Served) -> None:
    """/docs.json, as served, takes and refuses the rows that a partial batch answers and refuses."""
    document = expect.answer(served.client.get("/docs.json"))
    validate(document)
    schema = document["components"]["schemas"]["LoanApplication"]
    validator = OAS30Validator(schema, format_checker=oas30_format_checker)
    rng = random.Random(5)
    # Texts alone are read in any case, and 30.0 where the old JSON Schema has no integer.
    rows = [spoilt(row, served.contract, rng) for row in served.documents for _ in range(3)]
    rows = [{k: v for k, v in row.items() if v != 10**400} for row in rows]
    content = json.dumps(rows).encode()
    headers = {"Content-Type": "application/json"}
    answered = expect.answer(served.client.post("/predict/batch?partial=true", content=content, headers=headers))

    for row, result in zip(rows, answered["results"], strict=True):
        kinds = {error["type"] for error in result.get("errors", ())}
        told = [(error["loc"][1], error["msg"], error["type"]) for error in result.get("errors", ())]
        assert [(e.loc[0], e.msg, e.type) for e in refusal(served.contract, row)] == told
        plain = {k: int(v) if isinstance(v, float) and v.is_integer() else v for k, v in row.items()}
        assert validator.is_valid(spelt(served.contract, plain)) == (kinds <= BETWEEN_FIELDS)
    assert any("errors" in result for result in answered["results"])
    assert any("errors" not in result for result in answered["results"])
    refused = served.client.post("/predict/batch", content=content, headers=headers)
    assert {loc[0] for loc in expect.wrong_fields(refused)} == {
        i for i, result in enumerate(answered["results"]) if "errors" in result
    }


def test_drift_is_counted_by_the_contract_s_bins(served: Served) -> None:
    """Every scored field and the PD have bins on /metrics, from 0 on; no label is a value that was sent."""
    lines = served.client.get("/metrics").text.splitlines()
    counted = {line.partition('field="')[2].partition('"')[0] for line in lines if "drift_values_total{" in line}
    wrong = {line.partition('field="')[2].partition('"')[0] for line in lines if "invalid_fields_total{" in line}

    assert {*served.contract.scored, "probability_of_default"} == counted
    assert wrong <= served.contract.by_name.keys() | {"unknown", "document"}
    assert not any(MARK in line for line in lines)


def test_bentoml_s_client(served: Served) -> None:
    """Its methods take the book's applications."""
    with bentoml.SyncHTTPClient(served.server.url) as bento:
        answer = bento.predict(dict(served.documents[0]))
    bento._temp_dir.cleanup()

    assert expect.answer(served.client.post("/predict", json=served.documents[0])) == answer


def test_no_value_is_logged(served: Served) -> None:
    """Not of what is answered, nor of what is refused; a reference as the beginning of its digest."""
    document = served.documents[0]
    wrong = {field.name: MARK for field in served.contract.fields if field.name != served.contract.reference}
    expect.answer(served.client.post("/predict", json=document, headers={"X-Request-ID": "the-planted-one"}))
    expect.problem(served.client.post("/predict", json=document | wrong), 422, "invalid-request")
    expect.problem(served.client.post("/predict", json=document | {MARK: MARK}), 422, "invalid-request")
    expect.problem(served.client.post("/predict", content=f'{{"{MARK}'), 415, "unsupported-media-type")
    served.client.post("/predict/batch?partial=true", json=[document | wrong, document])
    (line,) = wait_for(lambda: served.server.find(message="decision", request_id="the-planted-one"))
    log = served.server.log.read_text(encoding="utf-8")
    long = {text for row in served.documents for value in row.values() if len(text := planted(value)) > 6}

    assert MARK not in log
    assert [] == [text for text in long if text in log]
    assert long
    reference = document.get(served.contract.reference or "")
    assert (sha256(reference.encode()).hexdigest()[:16] if reference else None) == line.get("reference_sha256")


def planted(value: Any) -> str:
    """A value as a log would have it, where it could be told from other numbers."""
    return value if isinstance(value, str) else str(value) if isinstance(value, float) else ""
