"""Every route's answer to a good request."""

from __future__ import annotations

import hashlib
import json
import math
import socket
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.routes import ROUTES
from tests import expect
from tests.applications import FIELDS
from tests.servers import MODEL_ENTRY, POLICY_ENTRY, Server, entry

NULLABLE = ("person_emp_length", "loan_int_rate", "loan_percent_income")
READABLE = sorted(path for path, route in ROUTES.items() if "GET" in route.methods)
PREDICTION_FIELDS = {
    "decision",
    "prediction",
    "probability_of_default",
    "model_name",
    "model_version",
    "policy_version",
}


@pytest.fixture(scope="session")
def manifest(store: Any) -> dict[str, Any]:
    return json.loads((entry(store, MODEL_ENTRY) / "model_metadata.json").read_text())


@pytest.fixture(scope="session")
def golden(store: Any) -> list[dict[str, Any]]:
    return json.loads((entry(store, MODEL_ENTRY) / "golden_applications.json").read_text())["applications"]


@pytest.fixture(scope="session")
def policy(store: Any) -> dict[str, Any]:
    return json.loads((entry(store, POLICY_ENTRY) / "decision_policy.json").read_text())


class TestPredict:
    def test_says_what_was_decided_and_by_what(
        self, client: httpx.Client, example: dict[str, Any], manifest: dict[str, Any], policy: dict[str, Any]
    ) -> None:
        """The answer holds the decision, the PD behind it, and the versions that made it."""
        answer = expect.answer(client.post("/predict", json=example))

        assert PREDICTION_FIELDS <= answer.keys()
        assert answer["decision"] in {"APPROVE", "CONDITIONAL_APPROVAL", "REJECT"}
        assert 0 < answer["probability_of_default"] < 1
        assert [manifest["name"], manifest["version"], policy["version"]] == [
            answer[name] for name in ("model_name", "model_version", "policy_version")
        ]

    def test_golden_applications(self, client: httpx.Client, golden: list[dict[str, Any]]) -> None:
        """The golden applications get the PDs that the model artifact vouches for, to the last bit."""
        expected = [case["probability_of_default"] for case in golden]

        answers = [expect.answer(client.post("/predict", json=case["application"])) for case in golden]

        assert expected == [answer["probability_of_default"] for answer in answers]

    def test_decisions_follow_the_policy(
        self, client: httpx.Client, applications: list[dict[str, Any]], policy: dict[str, Any]
    ) -> None:
        """Thresholds and rules of the policy file give every decision, and `prediction` is the PD's side of reject."""
        thresholds = policy["thresholds"]

        def decide(application: dict[str, Any], pd: float) -> tuple[str, int]:
            severity = (pd >= thresholds["approve_below"]) + (pd >= thresholds["reject_from"])
            if application["cb_person_default_on_file"] == "Y":
                severity = max(severity, 1)
            if application["person_age"] < 18 or application["loan_amnt"] > application["person_income"]:
                severity = 2
            return ("APPROVE", "CONDITIONAL_APPROVAL", "REJECT")[severity], int(pd >= thresholds["reject_from"])

        answers = expect.answer(client.post("/predict/batch", json=applications))["results"]

        assert [
            decide(application, answer["probability_of_default"])
            for application, answer in zip(applications, answers, strict=True)
        ] == [(answer["decision"], answer["prediction"]) for answer in answers]
        assert {"APPROVE", "CONDITIONAL_APPROVAL", "REJECT"} == {answer["decision"] for answer in answers}

    def test_minors_and_amounts_above_income_are_rejected(self, client: httpx.Client, example: dict[str, Any]) -> None:
        """The knock-out rules reject whatever the PD is, and leave `prediction` to the PD."""
        minor = {**example, "person_age": 17}
        beyond = {**example, "loan_amnt": 9000, "person_income": 8999, "loan_percent_income": None}

        answers = [expect.answer(client.post("/predict", json=application)) for application in (minor, beyond)]

        assert ["REJECT", "REJECT"] == [answer["decision"] for answer in answers]
        assert answers[0]["prediction"] == expect.answer(client.post("/predict", json=example))["prediction"]

    def test_age_never_counts(self, client: httpx.Client, example: dict[str, Any]) -> None:
        """Two adults who differ in age alone get the same answer."""
        young, old = ({**example, "person_age": age} for age in (18, 90))

        assert expect.answer(client.post("/predict", json=young)) == expect.answer(client.post("/predict", json=old))

    def test_form_is_normalised(self, client: httpx.Client, example: dict[str, Any]) -> None:
        """Case, white space around a word, and a whole number written as a float change nothing."""
        sent = {
            field: f" {value.lower()}\t" if isinstance(value, str) else float(value) for field, value in example.items()
        }

        assert expect.answer(client.post("/predict", json=example)) == expect.answer(client.post("/predict", json=sent))

    @pytest.mark.parametrize("field", NULLABLE)
    def test_null_is_absent(self, client: httpx.Client, example: dict[str, Any], field: str) -> None:
        """A nullable field may be null or left out, which is the same."""
        absent = {name: value for name, value in example.items() if name != field}

        assert expect.answer(client.post("/predict", json=absent)) == expect.answer(
            client.post("/predict", json={**absent, field: None})
        )

    def test_stated_ratio_is_only_checked(self, client: httpx.Client, example: dict[str, Any]) -> None:
        """The exact ratio is used, however roughly it is stated."""
        rough, exact = ({**example, "loan_percent_income": ratio} for ratio in (0.35, 18000 / 62000))

        assert expect.answer(client.post("/predict", json=rough)) == expect.answer(client.post("/predict", json=exact))

    @pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON"])
    def test_media_type_may_have_parameters(
        self, client: httpx.Client, example: dict[str, Any], media_type: str
    ) -> None:
        """JSON is JSON in any case of letters and with any parameter."""
        response = client.post("/predict", content=json.dumps(example), headers={"Content-Type": media_type})

        assert expect.answer(client.post("/predict", json=example)) == expect.answer(response)


class TestBatch:
    def test_same_answers_in_order(self, client: httpx.Client, applications: list[dict[str, Any]]) -> None:
        """A batch holds, in order, what /predict says of each application."""
        rows = applications[:20]
        alone = [expect.answer(client.post("/predict", json=row)) for row in rows]

        answer = expect.answer(client.post("/predict/batch", json=rows))

        assert {"batch_size": 20, "results": alone} == answer

    @pytest.mark.parametrize("rows", [1, 500])
    def test_smallest_and_largest(self, client: httpx.Client, example: dict[str, Any], rows: int) -> None:
        """One application and 500 are both a batch."""
        answer = expect.answer(client.post("/predict/batch", json=[example] * rows))

        assert (rows, rows) == (answer["batch_size"], len(answer["results"]))

    def test_partial(self, client: httpx.Client, example: dict[str, Any]) -> None:
        """With partial=true the good rows are scored, and a bad row's place holds its errors."""
        rows = [example, {**example, "loan_grade": "Z"}, 1, example]

        answer = expect.answer(client.post("/predict/batch?partial=true", json=rows))

        good, bad, no_object, last = answer["results"]
        assert answer["batch_size"] == 4
        assert good == last == expect.answer(client.post("/predict", json=example))
        assert [[1, "loan_grade"]] == [error["loc"] for error in bad["errors"]]
        assert [[2]] == [error["loc"] for error in no_object["errors"]]
        assert bad.keys() == no_object.keys() == {"errors"}

    def test_partial_with_good_rows_only(self, client: httpx.Client, example: dict[str, Any]) -> None:
        """Without a bad row, partial or not is the same."""
        answers = [
            expect.answer(client.post(f"/predict/batch{query}", json=[example] * 3))
            for query in ("", "?partial=false", "?partial=true")
        ]

        assert answers[0] == answers[1] == answers[2]

    def test_partial_with_bad_rows_only(self, client: httpx.Client) -> None:
        """A partial batch may hold nothing that can be scored."""
        answer = expect.answer(client.post("/predict/batch?partial=true", json=[None, {}]))

        assert answer["batch_size"] == 2
        assert [1, 8] == [len(result["errors"]) for result in answer["results"]]


class TestExplain:
    def test_same_decision(self, client: httpx.Client, applications: list[dict[str, Any]]) -> None:
        """/predict/explain says what /predict says, and why."""
        for application in applications[:20]:
            decided = expect.answer(client.post("/predict", json=application))
            explained = expect.answer(client.post("/predict/explain", json=application))

            assert decided.items() <= explained.items()
            assert "explanations" in explained

    def test_impacts_add_up(self, client: httpx.Client, applications: list[dict[str, Any]]) -> None:
        """`base_value` and all impacts give the logit of the PD within 1e-9."""
        for application in applications[:40]:
            answer = expect.answer(client.post("/predict/explain", json=application))
            pd, explanations = answer["probability_of_default"], answer["explanations"]
            impacts = [factor["impact"] for side in _sides(explanations) for factor in side]

            assert "log-odds" == explanations["unit"]
            assert math.log(pd / (1 - pd)) == pytest.approx(explanations["base_value"] + sum(impacts), abs=1e-9)

    def test_sides_and_order(self, client: httpx.Client, applications: list[dict[str, Any]]) -> None:
        """Drivers raise the risk and protective factors lower it, strongest first; no field stands twice, age never."""
        for application in applications[:40]:
            drivers, protective = _sides(
                expect.answer(client.post("/predict/explain", json=application))["explanations"]
            )
            fields = [factor["feature"] for factor in (*drivers, *protective)]

            assert all(factor["impact"] > 0 for factor in drivers)
            assert all(factor["impact"] < 0 for factor in protective)
            assert drivers == sorted(drivers, key=lambda factor: -factor["impact"])
            assert protective == sorted(protective, key=lambda factor: factor["impact"])
            assert len(fields) == len(set(fields))
            assert set(fields) <= set(FIELDS) - {"person_age"}

    def test_values_are_the_applicants_own(self, client: httpx.Client, applications: list[dict[str, Any]]) -> None:
        """Each factor shows what the applicant sent, null where nothing was sent; the ratio as computed."""
        for application in applications[:40]:
            own = dict.fromkeys(FIELDS) | application
            own["loan_percent_income"] = application["loan_amnt"] / application["person_income"]
            drivers, protective = _sides(
                expect.answer(client.post("/predict/explain", json=application))["explanations"]
            )

            assert {factor["feature"]: own[factor["feature"]] for factor in (*drivers, *protective)} == {
                factor["feature"]: factor["value"] for factor in (*drivers, *protective)
            }


def _sides(explanations: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return explanations["risk_drivers"], explanations["protective_factors"]


class TestInformation:
    def test_health(self, client: httpx.Client) -> None:
        """/health says that the process answers."""
        assert {"status": "ok"} == expect.answer(client.get("/health"))

    def test_version(
        self, client: httpx.Client, server: Server, manifest: dict[str, Any], policy: dict[str, Any]
    ) -> None:
        """/version names what is served, down to the digests of the files in the store."""
        folders = [entry(server.home, name) for name in (MODEL_ENTRY, POLICY_ENTRY)]
        digests = {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for folder in folders
            for path in folder.iterdir()
            if path.name != "model.yaml"
        }

        answer = expect.answer(client.get("/version"))

        assert {
            "service": "credit-risk-api",
            "service_version": "1.0.0",
            "model_name": manifest["name"],
            "model_version": manifest["version"],
            "policy_version": policy["version"],
            "bento": None,
            "access": "open",
            "records": "none",
            "challenger": None,
            "signed_by": {"model": None, "policy": None},
            "digests": digests,
        } == answer

    @pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
    def test_probes(self, client: httpx.Client, path: str) -> None:
        """The probes are 200 with an empty line."""
        response = client.get(path)

        assert (200, "\n") == (response.status_code, response.text)

    def test_index_leads_to_the_page(self, client: httpx.Client) -> None:
        """The root leads to the API page instead of BentoML's own, which loads a tag manager."""
        response = client.get("/")

        assert (307, "./docs") == (response.status_code, response.headers["Location"])

    @pytest.mark.parametrize("path", READABLE)
    def test_head(self, client: httpx.Client, server: Server, path: str) -> None:
        """HEAD is GET without the body: the same status and headers, and not a byte behind them."""
        own = {"date", "x-request-id", *(["content-length"] if path == "/metrics" else [])}
        shown = [
            (response.status_code, {name: value for name, value in response.headers.items() if name not in own})
            for response in (client.head(path), client.get(path))
        ]
        assert shown[0] == shown[1]
        with socket.create_connection(server.address, timeout=10) as connection:
            connection.sendall(f"HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            received = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert received.startswith(b"HTTP/1.1 ")
        assert received.endswith(b"\r\n\r\n")

    @pytest.mark.parametrize("path", sorted(ROUTES))
    def test_options(self, client: httpx.Client, path: str) -> None:
        """OPTIONS says what a route takes, and without a setting nothing about other origins."""
        preflight = {"Origin": "https://desk.example", "Access-Control-Request-Method": "POST"}
        response = client.options(path, headers=preflight)

        assert (204, b"", ", ".join((*ROUTES[path].methods, "OPTIONS"))) == (
            response.status_code,
            response.content,
            response.headers["Allow"],
        )
        assert not {name for name in response.headers if name.startswith(("access-control", "vary", "content"))} - {
            "content-security-policy"
        }

    def test_part_of_a_file_is_not_served(self, client: httpx.Client) -> None:
        """A Range is ignored, as it may be: the whole file comes, and no error that the contract doesn't know."""
        answers = [
            client.get("/static_content/swagger-ui.css", headers={"Range": value})
            for value in ("bytes=0-4", "bytes=99999999-", "bytes=9-1")
        ]

        assert [200, 200, 200] == [answer.status_code for answer in answers]


class TestHeaders:
    @pytest.mark.parametrize("request_id", ["a", "0-9.A_z", "x" * 128])
    @pytest.mark.parametrize("path", [*READABLE, "/nothing/here"])
    def test_request_id_is_echoed(self, client: httpx.Client, path: str, request_id: str) -> None:
        """A usable X-Request-ID comes back on every route, also where there is none."""
        response = client.get(path, headers={"X-Request-ID": request_id})

        assert request_id == response.headers["X-Request-ID"]

    @pytest.mark.parametrize("request_id", ["", "x" * 129, "a b", "a/b", "a,b", "ü", '"quoted"'])
    def test_request_id_is_replaced(self, client: httpx.Client, request_id: str) -> None:
        """An unusable X-Request-ID is replaced by a new one each time."""
        headers = {"X-Request-ID": request_id.encode()}

        replaced = [client.get("/health", headers=headers).headers["X-Request-ID"] for _ in range(2)]

        assert all(expect.ID.fullmatch(value) for value in replaced)
        assert len({request_id, *replaced}) == 3

    @pytest.mark.parametrize("request_id", ["mine", "", "not mine"])
    @pytest.mark.parametrize(
        ("method", "path", "body", "media_type", "status", "kind"),
        [
            ("POST", "/predict", b"{", "application/json", 400, "malformed-json"),
            ("GET", "/nothing/here", b"", "application/json", 404, "not-found"),
            ("PUT", "/predict", b"{}", "application/json", 405, "method-not-allowed"),
            ("POST", "/predict", b" " * 1_048_577, "application/json", 413, "body-too-large"),
            ("POST", "/predict", b"{}", "text/plain", 415, "unsupported-media-type"),
            ("POST", "/predict", b"{}", "application/vnd.bentoml+pickle", 415, "unsupported-media-type"),
            ("POST", "/predict/batch", b"[]", "application/json", 422, "invalid-request"),
        ],
    )
    def test_errors_have_the_same_headers(
        self,
        client: httpx.Client,
        method: str,
        path: str,
        body: bytes,
        media_type: str,
        status: int,
        kind: str,
        request_id: str,
    ) -> None:
        """An error carries the caller's id, or a new one, in its header and in its document, whoever worded it."""
        headers = {"Content-Type": media_type, "X-Request-ID": request_id}

        document = expect.problem(client.request(method, path, content=body, headers=headers), status, kind)

        assert (request_id == "mine") == (document["request_id"] == request_id)

    @pytest.mark.parametrize("path", READABLE)
    def test_nothing_is_stored(self, client: httpx.Client, path: str) -> None:
        """No answer may be kept by a cache."""
        assert "no-store" == client.get(path).headers["Cache-Control"]


class TestMetrics:
    def test_each_kind_counts_once(self, client: httpx.Client, example: dict[str, Any]) -> None:
        """/predict and /predict/explain of the same application count once each, under their own kind."""
        before = _metrics(client)
        decisions = [
            expect.answer(client.post(path, json=example))["decision"] for path in ("/predict", "/predict/explain")
        ]
        expect.answer(client.post("/predict/batch", json=[example] * 7))
        expect.answer(client.post("/predict/batch?partial=true", json=[example, {}]))
        expect.problem(client.post("/predict", json={}), 422, "invalid-request")
        expect.problem(client.post("/predict/batch", json=[example, {}]), 422, "invalid-request")
        after = _metrics(client)

        added = {
            name: value - before.get(name, 0) for name, value in after.items() if name[0].startswith("credit_risk_")
        }

        assert [1, 1, 8] == [added["credit_risk_applications_total", kind] for kind in ("single", "explain", "batch")]
        assert len(set(decisions)) == 1
        assert added["credit_risk_decisions_total", decisions[0]] == 10
        assert added["credit_risk_probability_of_default_count", ""] == 10

    def test_probabilities_fall_into_their_buckets(self, client: httpx.Client, example: dict[str, Any]) -> None:
        """The PD histogram counts an answer in every bucket from its PD on, and sums the PDs."""
        before = _metrics(client)
        pd = expect.answer(client.post("/predict", json=example))["probability_of_default"]
        after = _metrics(client)

        bounds = [bound for name, bound in after if name == "credit_risk_probability_of_default_bucket"]
        added = {
            bound: after["credit_risk_probability_of_default_bucket", bound]
            - before.get(("credit_risk_probability_of_default_bucket", bound), 0)
            for bound in bounds
        }

        assert {bound: float(pd <= float(bound)) for bound in bounds} == added
        total = ("credit_risk_probability_of_default_sum", "")
        assert pd == pytest.approx(after[total] - before.get(total, 0))

    def test_scanners_leave_no_labels(self, client: httpx.Client) -> None:
        """An unknown path becomes no label: nobody can make /metrics grow."""
        for path in ("/wp-login.php", "/predict/", "/predict/unheard-of"):
            client.get(path)

        text = client.get("/metrics").text

        assert "wp-login" not in text
        assert "unheard-of" not in text
        assert 'endpoint="/predict/"' not in text


def _metrics(client: httpx.Client) -> dict[tuple[str, str], float]:
    """Values by name and by the one label that this service's metrics have."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in families
        if family.name.startswith("credit_risk_")
        for sample in family.samples
    }
