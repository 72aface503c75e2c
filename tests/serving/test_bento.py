"""A Bento that is built from a clean checkout answers as the checkout does, with the policy it was built with."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from packaging.requirements import Requirement

from decision import read_policy
from scoring.artifact import read_artifact
from serving import SERVICE_VERSION
from tests import expect
from tests.books import documents, train_book
from tests.servers import (
    MODEL_ENTRY,
    POLICY_ENTRY,
    ROOT,
    Server,
    copy_store,
    entry,
    environment,
    run_python,
    serving,
)
from tests.telemetry import Engine, open_model, prediction

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is, or would be, committed."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    for name in filter(None, map(os.fsdecode, listed.split(b"\0"))):
        if (ROOT / name).is_file():  # what is deleted but not yet committed is still listed
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


@pytest.fixture(scope="module")
def home(store: Path, checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BENTOML_HOME with the built Bento in it; built once, served by one server at a time."""
    home = copy_store(store, tmp_path_factory.mktemp("bento"))
    run_python("-m", "bentoml", "build", home=home, cwd=checkout)
    return home


@pytest.fixture(scope="module")
def tag(home: Path) -> str:
    """The Bento's tag."""
    (bento,) = (path for path in (home / "bentos" / "credit-risk-api").iterdir() if path.is_dir())
    return f"credit-risk-api:{bento.name}"


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory without any of the project's code."""
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def lenient(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The next version of the policy, with higher thresholds: most of those turned down now are approved by it."""
    folder = tmp_path_factory.mktemp("policy")
    shutil.copytree(entry(store, POLICY_ENTRY), folder, dirs_exist_ok=True)
    path = folder / "decision_policy.json"
    policy = json.loads(path.read_text())
    (lowest, *_) = sorted(policy["examples"], key=lambda example: example["expected"] != "APPROVE")
    changed = {"version": "99.0.0", "thresholds": {"approve_below": 0.9, "reject_from": 0.95}, "examples": [lowest]}
    path.write_text(json.dumps(policy | changed))
    return path


@pytest.fixture(scope="module")
def built(home: Path, tag: str, elsewhere: Path, lenient: Path) -> Iterator[Server]:
    """A server of the Bento, started after another policy was imported into its store."""
    run_python("import_model.py", "--policy", lenient, home=home)
    with serving(home, tag, elsewhere) as server:
        yield server


def pins(lines: list[str]) -> set[str]:
    """The pinned packages of a requirements file, however each is written."""
    return {str(Requirement(line.removesuffix("\\"))) for line in lines if "==" in line.partition(";")[0]}


def hashes(lines: list[str]) -> list[str]:
    """The digests in a requirements file."""
    return sorted(re.findall("sha256:[0-9a-f]{64}", "\n".join(lines)))


class TestBuild:
    def test_holds_what_serving_needs_and_no_more(self, home: Path, tag: str) -> None:
        """Code to serve with, and nothing to train, test or import with."""
        source = home / "bentos" / tag.replace(":", "/") / "src"
        packages = (
            "preprocessing",
            "scoring",
            "decision",
            "engine",
            "reporting",
            "records",
            "portfolio",
            "serving",
            "desk",
        )
        kinds = ("py", "sql", "html", "css", "js", "svg")
        served = [path for package in packages for kind in kinds for path in (ROOT / package).rglob(f"*.{kind}")]
        expected = {str(path.relative_to(ROOT)) for path in served} | {"service.py"}

        actual = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}

        assert expected == actual - {"bentofile.yaml", "requirements.txt"}

    def test_says_what_it_is(self, home: Path, tag: str) -> None:
        """`bentoml get` has its labels, the versions of model and policy that it pins, and its description."""
        got = json.loads(run_python("-m", "bentoml", "get", "credit-risk-api:latest", "-o", "json", home=home))
        (service,) = got["services"]

        assert tag == f"{got['name']}:{got['version']}"
        assert {"project": "credit-risk", "version": SERVICE_VERSION} == got["labels"]
        assert {f"{name}:{entry(home, name).name}" for name in (MODEL_ENTRY, POLICY_ENTRY)} == {
            model["tag"] for model in service["models"]
        }
        assert got["schema"]["description"].startswith("Credit decisions")
        readme = home / "bentos" / tag.replace(":", "/") / "README.md"
        assert readme.read_text().startswith("Credit decisions")

    def test_no_warning(self, checkout: Path, store: Path, tmp_path: Path) -> None:
        """Building, with options too, has nothing to warn of; the next step that it prints is about this Bento."""
        home = copy_store(store, tmp_path)
        options = ("-f", "bentofile.yaml", "--version", "first", "--label", "of=test")
        built = subprocess.run(
            [sys.executable, "-m", "bentoml", "build", *options],
            cwd=checkout,
            env=environment(home),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        ).stdout

        assert [] == re.findall("(?i).*warn.*", built)
        assert "bentoml containerize credit-risk-api:first" in built
        got = json.loads(run_python("-m", "bentoml", "get", "credit-risk-api:first", "-o", "json", home=home))
        assert {"project": "credit-risk", "version": SERVICE_VERSION, "of": "test"} == got["labels"]

    def test_pins_requirements(self, home: Path, tag: str) -> None:
        """The Bento installs the very packages of requirements.txt, from no index but the installer's own."""
        recorded = home / "bentos" / tag.replace(":", "/") / "env" / "python" / "requirements.txt"
        lines, lock = recorded.read_text().splitlines(), (ROOT / "requirements.txt").read_text().splitlines()

        assert pins(lock) == pins(lines)
        assert hashes(lock) == hashes(lines) != []
        assert [] == [line for line in lines if "index-url" in line or "find-links" in line]


class TestServe:
    def test_answers_as_the_checkout_does(
        self, built: Server, client: httpx.Client, applications: list[dict[str, Any]]
    ) -> None:
        """The same applications get the same answers, to the last byte."""
        paths = {"/predict": applications[0], "/predict/explain": applications[1], "/predict/batch": applications}

        for path, body in paths.items():
            answer = httpx.post(f"{built.url}{path}", json=body)

            assert expect.answer(client.post(path, json=body)) == expect.answer(answer)
            assert client.post(path, json=body).content == answer.content

    def test_same_document(self, built: Server, client: httpx.Client) -> None:
        """The API page describes the same service, and its files are in the Bento."""
        ours, theirs = expect.answer(client.get("/docs.json")), expect.answer(httpx.get(f"{built.url}/docs.json"))
        assert [ours.pop("servers"), theirs.pop("servers")] == [[{"url": str(client.base_url)}], [{"url": built.url}]]
        assert ours == theirs
        assert 200 == httpx.get(f"{built.url}/static_content/swagger-ui-bundle.js").status_code

    def test_version(self, built: Server, client: httpx.Client, tag: str) -> None:
        """/version says which Bento it is; model, policy and digests are those of the checkout."""
        expected = expect.answer(client.get("/version")) | {"bento": tag}

        assert expected == expect.answer(httpx.get(f"{built.url}/version"))

    def test_metrics_name_the_bento(self, built: Server, tag: str, example: dict[str, Any]) -> None:
        """BentoML's metrics carry the Bento's version."""
        expect.answer(httpx.post(f"{built.url}/predict", json=example))

        assert f'service_version="{tag.partition(":")[2]}"' in httpx.get(f"{built.url}/metrics").text

    def test_policy_is_pinned(self, built: Server, lenient: Path, store: Path) -> None:
        """A policy that was imported after the build, though the store's latest, changes nothing."""
        imported = json.loads(lenient.read_text())["version"]
        pinned = json.loads((entry(store, POLICY_ENTRY) / "decision_policy.json").read_text())["version"]

        assert imported == (built.home / "models" / POLICY_ENTRY / "latest").read_text().strip()
        assert pinned == expect.answer(httpx.get(f"{built.url}/version"))["policy_version"]

    def test_problems(self, built: Server) -> None:
        """Errors have the same form, so the edge is there as well."""
        expect.problem(httpx.post(f"{built.url}/predict", json={}), 422, "invalid-request")
        expect.problem(httpx.get(f"{built.url}/nothing"), 404, "not-found")


def test_a_path_overrides_the_pin(
    home: Path,
    tag: str,
    elsewhere: Path,
    lenient: Path,
    tmp_path: Path,
    client: httpx.Client,
    applications: list[dict[str, Any]],
) -> None:
    """A policy file named in the settings is served instead of the pinned one; the PDs stay as they were."""
    other = copy_store(home, tmp_path)
    (other / "bentos").symlink_to(home / "bentos")

    with serving(other, tag, elsewhere, CREDIT_RISK_POLICY_PATH=str(lenient)) as server:
        answers = expect.answer(httpx.post(f"{server.url}/predict/batch", json=applications))["results"]
        version = expect.answer(httpx.get(f"{server.url}/version"))

    pinned = expect.answer(client.post("/predict/batch", json=applications))["results"]
    assert [answer["probability_of_default"] for answer in pinned] == [
        answer["probability_of_default"] for answer in answers
    ]
    assert ("99.0.0", tag) == (version["policy_version"], version["bento"])
    assert {"99.0.0"} == {answer["policy_version"] for answer in answers}
    between = [
        answer["decision"]
        for answer, application in zip(answers, applications, strict=True)
        if 0.2 <= answer["probability_of_default"] < 0.9 and application["cb_person_default_on_file"] == "N"
    ]
    assert {"APPROVE"} == set(between)


def test_a_policy_path_that_is_wrong_is_not_ready(store: Path, tmp_path: Path) -> None:
    """A policy file that isn't there leaves the service alive and unready, and the log says why."""
    home = copy_store(store, tmp_path)

    with serving(home, until="/livez", CREDIT_RISK_POLICY_PATH=str(tmp_path / "absent.json")) as server:
        expect.problem(httpx.get(f"{server.url}/readyz"), 503, "not-ready")
        (line,) = server.find(level="CRITICAL")

    assert "can't be read" in line["reason"]


def test_another_loan_book(checkout: Path, elsewhere: Path, tmp_path: Path) -> None:
    """A store that holds another lender's model makes a Bento of that: no code of it knows which book it serves."""
    book, model = train_book(tmp_path)
    policy, home = book / "decision_policy.json", tmp_path / "home"
    run_python("import_model.py", "--model", model, "--policy", policy, home=home)
    run_python("-m", "bentoml", "build", home=home, cwd=checkout)
    artifact = read_artifact(model)
    engine = Engine(*open_model(artifact), read_policy(policy, artifact.contract))
    sent = documents(artifact.contract, 100, seed=4)

    with serving(home, "credit-risk-api:latest", elsewhere) as server:
        answer = expect.answer(httpx.post(f"{server.url}/predict/batch", json=sent))
        refused = httpx.post(f"{server.url}/predict", json=sent[0] | {"hull": "ice"})
        version = expect.answer(httpx.get(f"{server.url}/version"))

    assert [prediction(each) for each in engine.assess(list(map(artifact.contract.parse, sent)))] == answer["results"]
    assert [["hull"]] == expect.wrong_fields(refused)
    assert version["bento"].startswith("credit-risk-api:")
    assert artifact.digests == {name: version["digests"][name] for name in artifact.digests}
