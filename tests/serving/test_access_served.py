"""A served process whose callers need keys, asked by real clients; and one that knows them by an issuer's tokens."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import bentoml
import httpx
import pytest
from openapi_spec_validator import validate

from serving.access.command import main
from serving.access.keys import digest
from serving.settings import SettingsError, load_settings
from tests import expect
from tests.issuer import AUDIENCE, Issuer, Signer, claims, issuing
from tests.servers import HANG_SECONDS, ROOT, Server, copy_store, environment, run_python, serving, wait_for


class Keys:
    """A keys file, changed as an operator does."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def new(self, name: str, scopes: str) -> str:
        """A new key."""
        arguments = ["new", "--name", name, "--scopes", scopes, "--expires", "2999-12-31"]
        return self._run(*arguments).strip()

    def revoke(self, name: str) -> None:
        """Revoke all of a caller."""
        self._run("revoke", "--name", name)

    def _run(self, *arguments: str) -> str:
        with redirect_stdout(StringIO()) as out:
            assert 0 == main(["keys", *arguments, "--file", str(self.file)])
        return out.getvalue()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("access") / "keys.json")


@pytest.fixture(scope="module")
def banking(keys: Keys) -> str:
    """The key of a caller that may decide."""
    return keys.new("core-banking", "decide,batch,explain")


@pytest.fixture(scope="module")
def limited(store: Path, keys: Keys, banking: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    assert banking
    home = copy_store(store, tmp_path_factory.mktemp("limited"))
    with serving(home, CREDIT_RISK_ACCESS="keys", CREDIT_RISK_KEYS_FILE=str(keys.file)) as server:
        yield server


def bearer(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}


def post(server: Server, credential: str | None, document: Any, path: str = "/predict") -> httpx.Response:
    headers = bearer(credential) if credential is not None else {}
    return httpx.post(f"{server.url}{path}", json=document, headers=headers, timeout=HANG_SECONDS)


class TestClients:
    def test_httpx(self, limited: Server, banking: str, example: dict[str, Any]) -> None:
        for path, document in (("/predict", example), ("/predict/batch", [example]), ("/predict/explain", example)):
            expect.answer(post(limited, banking, document, path))
            assert 401 == post(limited, None, document, path).status_code

    def test_bentoml(self, limited: Server, banking: str, example: dict[str, Any]) -> None:
        """Its token is sent with everything, /schema.json too."""
        with bentoml.SyncHTTPClient(limited.url, token=banking) as client:
            assert "decision" in client.predict(example)
        client._temp_dir.cleanup()  # BentoML leaves it to the garbage collector, which warns

    def test_curl(self, limited: Server, banking: str, example: dict[str, Any], tmp_path: Path) -> None:
        """By a file, so that the key stands in no list of processes."""
        if shutil.which("curl") is None:
            pytest.skip("no curl")
        config = tmp_path / "curl.conf"
        config.write_text(f'header = "Authorization: Bearer {banking}"\n', encoding="utf-8")
        arguments = ["-sS", "-K", str(config), "-H", "Content-Type: application/json", "-d", json.dumps(example)]
        result = subprocess.run(
            ["curl", *arguments, f"{limited.url}/predict"], capture_output=True, text=True, timeout=60, check=True
        )
        assert "decision" in json.loads(result.stdout)


class TestRoutes:
    def test_probes_are_open(self, limited: Server) -> None:
        for path in ("/livez", "/readyz", "/healthz", "/health"):
            assert 200 == httpx.get(f"{limited.url}{path}").status_code

    @pytest.mark.parametrize("path", ["/metrics", "/docs", "/docs.json", "/schema.json", "/version", "/"])
    def test_others_are_not(self, limited: Server, path: str) -> None:
        response = httpx.get(f"{limited.url}{path}")
        assert (401, 'Bearer realm="credit-risk-api"') == (response.status_code, response.headers["WWW-Authenticate"])
        assert "urn:problem:credit-risk-api:unauthorized" == response.json()["type"]

    def test_metrics_need_their_scope(self, limited: Server, keys: Keys, banking: str) -> None:
        assert 403 == httpx.get(f"{limited.url}/metrics", headers=bearer(banking)).status_code
        prometheus = keys.new("prometheus", "metrics")
        wait_for(lambda: httpx.get(f"{limited.url}/metrics", headers=bearer(prometheus)).status_code == 200)

    def test_version_says_so(self, limited: Server, banking: str) -> None:
        assert "keys" == expect.answer(httpx.get(f"{limited.url}/version", headers=bearer(banking)))["access"]

    def test_the_document_says_what_routes_ask_for(self, limited: Server, banking: str) -> None:
        """As OpenAPI does, with the answers that are given."""
        document = expect.answer(httpx.get(f"{limited.url}/docs.json", headers=bearer(banking)))
        validate(document)
        operations = {path: operation for path, methods in document["paths"].items() for operation in methods.values()}

        assert {"bearer"} == document["components"]["securitySchemes"].keys()
        assert [{"bearer": []}] == document["security"]
        assert {"/health", "/livez", "/readyz", "/healthz"} == {
            path for path, operation in operations.items() if operation.get("security") == []
        }
        assert "Needs the scope `explain`." == operations["/predict/explain"]["description"]
        assert {"401", "403"} <= operations["/predict"]["responses"].keys()
        assert (
            httpx.get(f"{limited.url}/metrics", headers=bearer(banking)).json()["detail"]
            == (operations["/metrics"]["responses"]["403"]["content"]["application/problem+json"]["example"]["detail"])
        )

    def test_that_of_an_open_service_asks_for_nothing(self, client: httpx.Client) -> None:
        document = expect.answer(client.get("/docs.json"))
        assert "securitySchemes" not in document["components"]
        assert "401" not in document["paths"]["/predict"]["post"]["responses"]


class TestAtTheHead:
    """A refusal waits for nothing of the body."""

    def converse(self, server: Server, *headers: str) -> bytes:
        with socket.create_connection(server.address, timeout=HANG_SECONDS) as connection:
            head = ["POST /predict HTTP/1.1", "Host: a", "Content-Type: application/json", "Content-Length: 1000000"]
            connection.sendall("\r\n".join([*head, *headers, "", ""]).encode())
            answer = b""
            while b"request_id" not in answer:
                answer += connection.recv(65_536)
            return answer

    def test_nothing_of_the_body_is_waited_for(self, limited: Server) -> None:
        assert self.converse(limited).startswith(b"HTTP/1.1 401 ")

    def test_no_continue(self, limited: Server) -> None:
        """Who asks first needn't send a body that is refused."""
        answer = self.converse(limited, "Expect: 100-continue", "Authorization: Bearer nobody")
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert b"100 Continue" not in answer

    def test_two_headers(self, limited: Server, banking: str) -> None:
        """Of which a proxy may have looked at one only."""
        both = [f"Authorization: Bearer {banking}", "Authorization: Bearer nobody"]
        assert {b"HTTP/1.1 401"} == {self.converse(limited, *order)[:12] for order in (both, both[::-1])}


class TestWatched:
    def test_lines_name_the_caller(self, limited: Server, banking: str, example: dict[str, Any]) -> None:
        """The request's line and the decision's; the first has the id of the key, which none has itself."""
        request_id = post(limited, banking, example).headers["X-Request-ID"]
        lines = wait_for(lambda: len(found := limited.find(request_id=request_id)) == 2 and found)
        assert {"core-banking"} == {line["caller"] for line in lines}
        assert [digest(banking.encode()).hex()[:12]] == [line["key"] for line in lines if "key" in line]
        assert banking[4:20] not in limited.log.read_text(encoding="utf-8")

    def test_the_operator_is_told_why(self, limited: Server, banking: str, example: dict[str, Any]) -> None:
        refused = httpx.get(f"{limited.url}/metrics", headers=bearer(banking)).headers["X-Request-ID"]
        (line,) = wait_for(lambda: limited.find(request_id=refused))
        assert ("scope", "core-banking", 403) == (line["refused"], line["caller"], line["status"])
        unknown: list[str] = []

        def one_has_a_line() -> list[dict[str, Any]]:  # of those of a second only the first few have one
            unknown.append(post(limited, "crk_" + "A" * 43, example).headers["X-Request-ID"])
            return [line for each in unknown for line in limited.find(request_id=each)]

        line = wait_for(one_has_a_line)[0]
        assert ("unknown", 401) == (line["refused"], line["status"])
        assert "caller" not in line

    def test_metrics(self, limited: Server, keys: Keys, banking: str, example: dict[str, Any]) -> None:
        prometheus = keys.new("watcher", "metrics")

        def scraped() -> str | None:
            response = httpx.get(f"{limited.url}/metrics", headers=bearer(prometheus))
            return response.text if response.status_code == 200 else None

        wait_for(scraped)
        post(limited, banking, example)
        post(limited, None, example)
        text = wait_for(scraped)
        assert re.search(r'credit_risk_caller_requests_total\{caller="core-banking",class="2xx"\} [1-9]', text)
        assert re.search(r'credit_risk_access_refusals_total\{reason="missing"\} [1-9]', text)
        assert 'credit_risk_access_refusals_total{reason="expired"} 0.0' in text
        assert "credit_risk_access_refresh_failures_total 0.0" in text

    def test_refused_requests_fill_no_disk(self, limited: Server) -> None:
        """300 without a credential: ten lines a second, and all are told of in the end."""

        def told() -> int:
            lines = limited.find(refused="missing")
            return len(lines) + sum(line["lines_left_out"] for line in lines)

        with httpx.Client(base_url=limited.url) as client:
            statuses = {client.get("/version").status_code for _ in range(300)}
            seconds = len({line["timestamp"][:19] for line in limited.lines() if line.get("refused") == "missing"}) + 3
        assert {401} == statuses
        lines = limited.find(route="/version", refused="missing")
        assert len(lines) <= 10 * seconds
        wait_for(lambda: httpx.get(f"{limited.url}/version") and told() >= 300)


def test_a_key_that_is_revoked(limited: Server, keys: Keys, example: dict[str, Any]) -> None:
    """New ones are taken, and revoked ones refused, without a restart; what is broken between changes nothing."""
    old, new = keys.new("branch", "decide"), keys.new("branch", "decide")
    wait_for(lambda: post(limited, new, example).status_code == 200)
    assert 200 == post(limited, old, example).status_code

    content = keys.file.read_bytes()
    keys.file.write_bytes(content[:-10])
    wait_for(lambda: limited.find(message="keys file refused; the keys read before go on"))
    assert 200 == post(limited, old, example).status_code
    keys.file.write_bytes(content)

    keys.revoke("branch")
    wait_for(lambda: post(limited, old, example).status_code == 401)
    assert 401 == post(limited, new, example).status_code


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer("2026-11", "ES256")


@pytest.fixture(scope="module")
def issuer(signer: Signer) -> Iterator[Issuer]:
    with issuing(signer) as running:
        yield running


@pytest.fixture(scope="module")
def by_tokens(store: Path, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    issuer.stop()
    home = copy_store(store, tmp_path_factory.mktemp("issuer"))
    settings = {"ACCESS": "issuer", "ISSUER_URL": issuer.url, "AUDIENCE": AUDIENCE, "OPEN_ROUTES": "/metrics"}
    given = {f"CREDIT_RISK_{name}": value for name, value in settings.items()}
    with serving(home, until="/livez", **given) as server:
        wait_for(lambda: server.find(message="the issuer's keys can't be had; those had before go on"))
        wait_for(lambda: server.find(message="ready"))
        assert 503 == httpx.get(f"{server.url}/readyz", timeout=HANG_SECONDS).status_code
        issuer.start()
        server.wait_until("/readyz")
        yield server


@pytest.mark.slow
class TestIssuer:
    """A served process that knows its callers by tokens."""

    def test_tokens(self, by_tokens: Server, issuer: Issuer, signer: Signer, example: dict[str, Any]) -> None:
        """A good one is answered and named; others are refused in the same words."""
        good = post(by_tokens, signer.sign(claims(issuer.url)), example)
        assert 200 == good.status_code
        assert wait_for(lambda: by_tokens.find(request_id=good.headers["X-Request-ID"], caller="loan-desk"))
        bad = {
            "expired": signer.sign(claims(issuer.url, exp=1)),
            "audience": signer.sign(claims(issuer.url, aud="payments")),
            "signature": Signer("2026-11", "ES256").sign(claims(issuer.url)),
        }
        told = set()
        for reason, token in bad.items():
            response = post(by_tokens, token, example)
            request_id = response.headers["X-Request-ID"]
            assert wait_for(lambda: by_tokens.find(request_id=request_id))[0]["refused"] == reason  # noqa: B023
            told.add((response.status_code, response.headers["WWW-Authenticate"], response.json()["detail"]))
        assert 1 == len(told)
        assert 403 == post(by_tokens, signer.sign(claims(issuer.url, scope="metrics")), example).status_code

    def test_goes_on_without_the_issuer(
        self, by_tokens: Server, issuer: Issuer, signer: Signer, example: dict[str, Any]
    ) -> None:
        issuer.stop()
        try:
            assert 200 == post(by_tokens, signer.sign(claims(issuer.url, jti="another")), example).status_code
            assert 401 == post(by_tokens, Signer("other", "ES256").sign(claims(issuer.url)), example).status_code
            assert 200 == httpx.get(f"{by_tokens.url}/readyz").status_code
        finally:
            issuer.start()

    def test_metrics_are_opened(self, by_tokens: Server) -> None:
        assert 200 == httpx.get(f"{by_tokens.url}/metrics").status_code


class TestSettings:
    """What is refused at start."""

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ({"ACCESS": "keys"}, "CREDIT_RISK_KEYS_FILE: unset; CREDIT_RISK_ACCESS=keys needs it"),
            (
                {"ACCESS": "issuer", "AUDIENCE": "a"},
                "CREDIT_RISK_ISSUER_URL: unset; CREDIT_RISK_ACCESS=issuer needs it",
            ),
            ({"ACCESS": "issuer", "ISSUER_URL": "https://a"}, "CREDIT_RISK_AUDIENCE: unset"),
            (
                {"KEYS_FILE": "keys.json"},
                "CREDIT_RISK_KEYS_FILE: is for CREDIT_RISK_ACCESS=keys; set that, or not this",
            ),
            ({"ACCESS": "keys", "KEYS_FILE": "k", "AUDIENCE": "a"}, "CREDIT_RISK_AUDIENCE: is for"),
            ({"OPEN_ROUTES": "/metrics"}, "CREDIT_RISK_OPEN_ROUTES: CREDIT_RISK_ACCESS is open"),
            ({"ACCESS": "keys", "OPEN_ROUTES": "/predict"}, "CREDIT_RISK_OPEN_ROUTES: '/predict' is none that can be"),
            ({"ACCESS": "token"}, "CREDIT_RISK_ACCESS: Input should be 'open', 'keys' or 'issuer'"),
            (
                {"ISSUER_URL": "http://issuer.example"},
                "CREDIT_RISK_ISSUER_URL: 'http://issuer.example' is no https URL",
            ),
            ({"JWKS_URL": "file:///etc/passwd"}, "CREDIT_RISK_JWKS_URL: 'file:///etc/passwd' is no https URL"),
            ({"JWKS_URL": "https://me:secret@a"}, "CREDIT_RISK_JWKS_URL: is no https URL without user and password"),
            ({"ISSUER_URL": "https://a\n"}, "CREDIT_RISK_ISSUER_URL: 'https://a\\n' is no https URL"),
            ({"AUDIENCE": "a\n"}, "CREDIT_RISK_AUDIENCE: String should match pattern"),
            ({"CALLER_CLAIM": " "}, "CREDIT_RISK_CALLER_CLAIM: String should match pattern"),
            ({"JWKS_URL": "https://a:b"}, "CREDIT_RISK_JWKS_URL: 'https://a:b' is no https URL"),
            ({"REQUESTS_PER_SECOND_PER_CALLER": "0"}, "set it to a number from 0.1 to 1000000"),
        ],
    )
    def test_refused(self, given: dict[str, str], told: str) -> None:
        with pytest.raises(SettingsError, match=re.escape(told)):
            load_settings({f"CREDIT_RISK_{name}": value for name, value in given.items()})

    def test_without_a_keys_file_nothing_starts(self, store: Path, tmp_path: Path) -> None:
        """One line that says which, and how to make it."""
        code = "import service"
        result = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=environment(store, CREDIT_RISK_ACCESS="keys", CREDIT_RISK_KEYS_FILE=str(tmp_path / "absent")),
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            check=False,
        )
        (line,) = map(json.loads, result.stdout.splitlines())
        assert 1 == result.returncode
        assert "settings refused: CREDIT_RISK_KEYS_FILE: " in line["message"]
        assert "python -m serving keys new" in line["message"]

    def test_an_open_service_warns(self, server: Server) -> None:
        (line,) = [line for line in server.lines() if line["message"].startswith("access is open")]
        assert ("WARNING", "open") == (line["level"], line["access"])
        assert "CREDIT_RISK_ACCESS" in line["remedy"]


@pytest.mark.slow
@pytest.mark.parametrize(("access", "loaded"), [("keys", set()), ("issuer", {"jwt", "cryptography"})])
def test_what_access_loads(tmp_path: Path, access: str, loaded: set[str]) -> None:
    """The cryptography is loaded by whoever asks for tokens, and by nobody else."""
    put_together = "import sys, service; service.CreditRisk.inner.assemble()"
    code = f"{put_together}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    keys = tmp_path / "keys.json"
    keys.write_text('{"version": 1}', encoding="utf-8")
    given = {
        "keys": {"CREDIT_RISK_KEYS_FILE": str(keys)},
        "issuer": {"CREDIT_RISK_ISSUER_URL": "https://issuer.example", "CREDIT_RISK_AUDIENCE": "a"},
    }[access]
    names = set(run_python("-c", code, home=tmp_path, CREDIT_RISK_ACCESS=access, **given).split())
    assert "service" in names
    assert loaded == names & {"jwt", "cryptography"}
