"""The OpenAPI document says what the service really does, and its page needs nothing but the service."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import validate

from serving.routes import ROUTES
from tests import expect
from tests.applications import CATEGORIES, FIELDS, INTEGERS, NULLABLE, NUMBERS

SCORING = ("/predict", "/predict/batch", "/predict/explain")
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def document(client: httpx.Client) -> dict[str, Any]:
    return expect.answer(client.get("/docs.json"))


def schema_of(document: dict[str, Any], schema: dict[str, Any]) -> OAS30Validator:
    """A validator of a schema in the document."""
    return OAS30Validator({**schema, "components": document["components"]})


def schemas_within(schema: Any) -> Iterator[dict[str, Any]]:
    """A schema and all those in it."""
    assert isinstance(schema, dict)
    yield schema
    inner = [schema.get("items"), schema.get("additionalProperties"), *schema.get("properties", {}).values()]
    for part in (*inner, *schema.get("oneOf", ()), *schema.get("anyOf", ()), *schema.get("allOf", ())):
        if isinstance(part, dict):
            yield from schemas_within(part)


class TestDocument:
    def test_is_valid(self, document: dict[str, Any]) -> None:
        """The document is valid OpenAPI."""
        validate(document)

    def test_names_every_route_of_the_contract(self, document: dict[str, Any]) -> None:
        """All routes of the contract are there, with the methods they take."""
        assert {
            "/predict": ["post"],
            "/predict/batch": ["post"],
            "/predict/explain": ["post"],
            "/decisions": ["get"],
            "/decisions/{id}": ["get"],
            "/decisions/{id}/replay": ["post"],
            "/outcomes": ["post"],
            "/health": ["get"],
            "/version": ["get"],
            "/metrics": ["get"],
            "/livez": ["get"],
            "/readyz": ["get"],
            "/healthz": ["get"],
        } == {path: list(operations) for path, operations in document["paths"].items()}

    @pytest.mark.parametrize("path", ["/health", "/version", "/metrics", "/livez", "/readyz", "/healthz"])
    def test_other_routes(self, client: httpx.Client, document: dict[str, Any], path: str) -> None:
        """The other routes answer in the documented media type and form."""
        ((media_type, content),) = document["paths"][path]["get"]["responses"]["200"]["content"].items()

        response = client.get(path)

        assert response.headers["Content-Type"].startswith(media_type)
        is_json = media_type == "application/json"
        schema_of(document, content["schema"]).validate(response.json() if is_json else response.text)

    def test_every_operation_has_a_name(self, document: dict[str, Any]) -> None:
        """A generated client's methods are named by whoever wrote the service, not by a generator."""
        operations = [operation for path in document["paths"].values() for operation in path.values()]

        assert [
            *("predict", "predict_batch", "predict_explain"),
            *("find_decisions", "show_decision", "replay_decision", "report_outcomes"),
            *("health", "version", "livez", "healthz", "readyz"),
        ] == [operation["operationId"] for operation in operations][:-1]
        assert all(len(operation["tags"]) == 1 for operation in operations)

    def test_schemas_speak_openapi(self, document: dict[str, Any]) -> None:
        """No keyword that OpenAPI 3.0 doesn't know, which generators pass over in silence; and no null as a default."""
        known = {"type", "title", "description", "enum", "minimum", "maximum", "nullable", "example", "$ref", "items"}
        known |= {"properties", "required", "additionalProperties", "minLength", "maxLength", "pattern"}
        found = [part for schema in document["components"]["schemas"].values() for part in schemas_within(schema)]

        assert set() == {name for part in found for name in part} - known
        assert all("title" not in part or part in document["components"]["schemas"].values() for part in found)

    def test_fields_of_an_application(self, document: dict[str, Any]) -> None:
        """Bounds, words, and what may be null or left out are those of the contract, field by field."""
        schema = document["components"]["schemas"]["LoanApplication"]
        fields = {
            name: {key: value for key, value in field.items() if key != "description"}
            for name, field in schema["properties"].items()
        }

        expected: dict[str, Any] = {name: {"type": "string", "enum": list(words)} for name, words in CATEGORIES.items()}
        for kind, bounds in (("integer", INTEGERS), ("number", NUMBERS)):
            expected |= {name: {"type": kind, "minimum": low, "maximum": high} for name, (low, high) in bounds.items()}
        for name in NULLABLE:
            expected[name]["nullable"] = True
        reference = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": r"^[^\x00-\x1f\x7f-\x9f]*$"}
        expected["reference"] = reference | {"nullable": True}
        assert expected == fields
        assert set(FIELDS) - set(NULLABLE) == set(schema["required"])
        assert schema["additionalProperties"] is False

    def test_answers_may_gain_fields(self, document: dict[str, Any]) -> None:
        """Or strict clients would refuse the first answer that has one more."""
        asked = {"LoanApplication", "ReportedOutcome"}
        answers = [schema for name, schema in document["components"]["schemas"].items() if name not in asked]

        assert all(schema["additionalProperties"] is True for schema in answers)


class TestServers:
    @pytest.mark.parametrize(
        ("headers", "url"),
        [
            ({}, "http://api.example:3000"),
            ({"X-Forwarded-Proto": "https", "X-Forwarded-Host": "lender.example"}, "https://lender.example"),
            ({"X-Forwarded-Prefix": "/credit/"}, "http://api.example:3000/credit"),
            (
                {"X-Forwarded-Host": "a.example, b.example", "X-Forwarded-Proto": "HTTPS, http"},
                "https://a.example",
            ),
            ({"X-Forwarded-Proto": "javascript", "X-Forwarded-Host": "x/y"}, "http://api.example:3000"),
            ({"X-Forwarded-Prefix": "//elsewhere.example"}, "http://api.example:3000"),
            ({"X-Forwarded-Prefix": '/"><script>'}, "http://api.example:3000"),
            ({"Host": "[::1]:3000"}, "http://[::1]:3000"),
            ({"Host": ""}, "."),
        ],
    )
    def test_is_where_the_caller_found_it(self, client: httpx.Client, headers: dict[str, str], url: str) -> None:
        """The document names the address of the request, or what a proxy says it was, as long as that is an address."""
        response = client.get("/docs.json", headers={"Host": "api.example:3000"} | headers)

        assert [{"url": url}] == expect.answer(response)["servers"]
        assert "no-store" == response.headers["Cache-Control"]


@pytest.mark.parametrize("path", SCORING)
class TestScoringRoutes:
    def test_example_is_the_answer(self, client: httpx.Client, document: dict[str, Any], path: str) -> None:
        """The example request, sent as it stands, gets the example answer to the last digit."""
        operation = document["paths"][path]["post"]
        request = operation["requestBody"]["content"]["application/json"]["example"]
        documented = operation["responses"]["200"]["content"]["application/json"]["example"]

        assert documented == expect.answer(client.post(path, json=request))

    def test_schemas_hold(
        self, client: httpx.Client, document: dict[str, Any], applications: list[dict[str, Any]], path: str
    ) -> None:
        """Varied applications and their answers fit the documented schemas."""
        operation = document["paths"][path]["post"]
        asked = schema_of(document, operation["requestBody"]["content"]["application/json"]["schema"])
        answered = schema_of(document, operation["responses"]["200"]["content"]["application/json"]["schema"])
        bodies = [applications[:40]] if path == "/predict/batch" else applications[:40]

        for body in bodies:
            asked.validate(body)
            answered.validate(expect.answer(client.post(path, json=body)))

    def test_wrong_applications_fail_the_schema(
        self, document: dict[str, Any], example: dict[str, Any], path: str
    ) -> None:
        """What the service refuses for its form, the documented schema refuses too."""
        operation = document["paths"][path]["post"]
        asked = schema_of(document, operation["requestBody"]["content"]["application/json"]["schema"])

        for wrong in ({"loan_grade": "Z"}, {"person_age": "34"}, {"person_income": 0}, {"extra": 1}):
            body = example | wrong
            assert not asked.is_valid([body] if path == "/predict/batch" else body)

    def test_problems_are_as_documented(
        self, client: httpx.Client, document: dict[str, Any], example: dict[str, Any], path: str
    ) -> None:
        """The problems that a client can provoke are, word by word, the documented examples."""
        wrong: Any = example | {"loan_amnt": "high"}
        provoked = {
            "400": client.post(path, content="{", headers=JSON),
            "413": client.post(path, content=b" " * 1_048_577, headers=JSON),
            "415": client.post(path, content="{}"),
            "422": client.post(path, json=[wrong] if path == "/predict/batch" else wrong),
        }
        responses = document["paths"][path]["post"]["responses"]

        for status, response in provoked.items():
            content = responses[status]["content"]["application/problem+json"]
            actual = response.json()
            assert int(status) == response.status_code
            assert content["example"] | {"request_id": actual["request_id"]} == actual
            schema_of(document, content["schema"]).validate(actual)

    def test_every_problem_is_documented(self, document: dict[str, Any], path: str) -> None:
        """Each status of the contract has its entry, with an example, the id header, and Retry-After where it comes."""
        responses = document["paths"][path]["post"]["responses"]

        assert {"200", "400", "408", "413", "415", "422", "429", "500", "503", "504"} == responses.keys()
        for status, response in responses.items():
            assert ("Retry-After" in response["headers"]) == (status in ("429", "503"))
            assert "X-Request-ID" in response["headers"]
            if status != "200":
                assert int(status) == response["content"]["application/problem+json"]["example"]["status"]


class TestPartialBatch:
    def test_bad_rows_fit_the_schema(
        self, client: httpx.Client, document: dict[str, Any], example: dict[str, Any]
    ) -> None:
        """A partial answer with a bad row in it fits the documented schema as well, and has nothing beside it."""
        operation = document["paths"]["/predict/batch"]["post"]
        answered = schema_of(document, operation["responses"]["200"]["content"]["application/json"]["schema"])
        (parameter,) = operation["parameters"]

        answer = expect.answer(client.post("/predict/batch?partial=true", json=[example, {}]))

        answered.validate(answer)
        documented = document["components"]["schemas"]["BatchResult"]["properties"]
        assert documented.keys() == answer["results"][0].keys() | answer["results"][1].keys() | {
            "reference",
            "decision_id",
        }

        assert ("partial", "query", False) == (parameter["name"], parameter["in"], parameter["required"])


class TestPage:
    def test_loads_nothing_from_elsewhere(self, client: httpx.Client) -> None:
        """Everything the page refers to lies on this service, and is there."""
        response = client.get("/docs")
        references = References()
        references.feed(response.text)

        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert 3 == len(references.found)
        assert "http:" not in response.text
        assert "https:" not in response.text
        for reference in (*references.found, "./docs.json"):
            assert reference.startswith("./")
            assert 200 == client.get(f"/{reference.removeprefix('./')}").status_code

    def test_what_the_browser_may_run(self, client: httpx.Client) -> None:
        """Nothing but files of this service and the page's own two texts: an injected one would be another."""
        response = client.get("/docs")
        directives = dict(d.strip().split(" ", 1) for d in response.headers["Content-Security-Policy"].split(";"))
        for kind in ("script", "style"):
            ((text,),) = [re.findall(rf"<{kind}>(.*?)</{kind}>", response.text, re.DOTALL)]
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert directives[f"{kind}-src"] == f"'self' 'sha256-{digest}'"
        assert ("'none'", "'self'") == (directives["default-src"], directives["connect-src"])
        assert directives["frame-ancestors"] == "'none'"
        assert not re.search(r" (on\w+|style)=", response.text)

    def test_every_answer_says_how_it_is_to_be_read(self, client: httpx.Client) -> None:
        """No answer is taken for what it isn't, nor run as a page of its own."""
        for path, route in ROUTES.items():
            for method in (*route.methods, "DELETE", "OPTIONS"):
                headers = client.request(method, path).headers
                policies = headers.get_list("content-security-policy")
                assert (["nosniff"], 1) == (headers.get_list("x-content-type-options"), len(policies)), (method, path)
                assert policies[0].startswith("default-src 'none'; "), (method, path)
                page = path == "/docs" and method in route.methods
                assert page == ("script-src" in policies[0]), (method, path)


class References(HTMLParser):
    """Collects what a page loads or links to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "action", "data", "srcset")]
