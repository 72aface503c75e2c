"""What `bentoml export` and `bentoml models export` write is served by whoever imports it, and checked as ever."""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests import expect
from tests.servers import MODEL_ENTRY, POLICY_ENTRY, ROOT, Server, copy_store, environment, run_python, serving

pytestmark = pytest.mark.slow

PICKLE = "gradient_boosting_model.joblib"


class Archives(NamedTuple):
    """Absolute paths, since BentoML looks for relative ones from the root folder on.

    Attributes:
        tag: the Bento's.
        bento: the Bento.
        entries: the model and the policy.
    """

    tag: str
    bento: Path
    entries: list[Path]


@pytest.fixture(scope="module")
def archives(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Archives:
    """All that can be exported, from a BENTOML_HOME that is gone afterwards."""
    home, folder = copy_store(store, tmp_path_factory.mktemp("exporter")), tmp_path_factory.mktemp("archives")
    run_python("-m", "bentoml", "build", home=home)
    (bento,) = (path for path in (home / "bentos" / "credit-risk-api").iterdir() if path.is_dir())
    tag = f"credit-risk-api:{bento.name}"
    result = Archives(tag, folder / "api.bento", [folder / "model.bentomodel", folder / "policy.zip"])
    run_python("-m", "bentoml", "export", tag, result.bento, home=home)
    for name, path in zip((MODEL_ENTRY, POLICY_ENTRY), result.entries, strict=True):
        run_python("-m", "bentoml", "models", "export", f"{name}:latest", path, home=home)
    shutil.rmtree(home)
    return result


@pytest.fixture(scope="module")
def imported(archives: Archives, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the imported Bento, in a folder without any of the project's code."""
    home, elsewhere = tmp_path_factory.mktemp("importer"), tmp_path_factory.mktemp("elsewhere")
    run_python("-m", "bentoml", "import", archives.bento, home=home, cwd=elsewhere)
    with serving(home, archives.tag, elsewhere) as server:
        yield server


@pytest.fixture(scope="module")
def entries(archives: Archives, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BENTOML_HOME into which both entries were imported."""
    home = tmp_path_factory.mktemp("entries")
    for path in archives.entries:
        run_python("-m", "bentoml", "models", "import", path, home=home)
    return home


@pytest.fixture(scope="module")
def changed(archives: Archives, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BENTOML_HOME with a model entry that was changed on its way, and the policy."""
    home, damaged = tmp_path_factory.mktemp("changed"), tmp_path_factory.mktemp("archive") / "model.bentomodel"
    model, policy = archives.entries
    with tarfile.open(model) as source, tarfile.open(damaged, "w:xz") as target:
        for member in source:
            content = source.extractfile(member).read() if member.isfile() else b""
            if member.name.endswith(PICKLE):
                content = content[:-1] + bytes([content[-1] ^ 1])
            target.addfile(member, io.BytesIO(content))
    for path in (damaged, policy):
        run_python("-m", "bentoml", "models", "import", path, home=home)
    return home


def contents(folder: Path) -> dict[str, bytes]:
    """Every file in a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check_answers(server: Server, client: httpx.Client, applications: list[dict[str, Any]]) -> None:
    """The same applications get the same answers as from the shared server, to the last byte."""
    for path, body in {
        "/predict": applications[0],
        "/predict/explain": applications[1],
        "/predict/batch": applications,
    }.items():
        answer = httpx.post(f"{server.url}{path}", json=body)
        expect.answer(answer)
        assert client.post(path, json=body).content == answer.content


class TestBento:
    def test_answers_as_the_checkout_does(
        self, imported: Server, client: httpx.Client, applications: list[dict[str, Any]]
    ) -> None:
        """Nothing of an answer is lost on the way."""
        check_answers(imported, client, applications)

    def test_is_the_same_bento(self, imported: Server, archives: Archives, client: httpx.Client) -> None:
        """/version has the tag it was built with, and the digests of the checkout's model and policy."""
        expected = expect.answer(client.get("/version")) | {"bento": archives.tag}

        assert expected == expect.answer(httpx.get(f"{imported.url}/version"))

    def test_brings_its_model_and_policy(self, imported: Server, store: Path) -> None:
        """They are in the importer's store, byte for byte, `latest` too."""
        assert contents(store / "models") == contents(imported.home / "models")

    def test_runs_as_in_a_container(self, imported: Server, archives: Archives, example: dict[str, Any]) -> None:
        """What an image starts is in the Bento: one process, which answers, and ends well on SIGTERM."""
        folder = imported.home / "bentos" / archives.tag.replace(":", "/")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        settings = {"BENTO_PATH": str(folder), "BENTOML_PORT": str(port), "CREDIT_RISK_DRAIN_SECONDS": "0"}
        log = imported.home / "container.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "serving.bento.container"],
                cwd=folder / "src",
                env=environment(imported.home, **settings),
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        server = Server(f"http://127.0.0.1:{port}", imported.home, log, process)
        try:
            server.wait_until("/readyz")
            answer = httpx.post(f"{server.url}/predict", json=example)
            server.terminate()
            assert 0 == server.wait(), log.read_text(encoding="utf-8")
        finally:
            process.kill()

        assert httpx.post(f"{imported.url}/predict", json=example).content == answer.content


class TestEntries:
    def test_are_the_same(self, entries: Path, store: Path) -> None:
        """Entries, `latest` and all, are those that import_model.py made."""
        assert contents(store / "models") == contents(entries / "models")

    def test_are_served_by_a_checkout(
        self, entries: Path, client: httpx.Client, applications: list[dict[str, Any]], tmp_path: Path
    ) -> None:
        """The service checks them as it checks its own, and answers as it does."""
        with serving(copy_store(entries, tmp_path)) as server:
            check_answers(server, client, applications)
            assert expect.answer(client.get("/version")) == expect.answer(httpx.get(f"{server.url}/version"))

    def test_are_known_to_import_model(self, entries: Path) -> None:
        """What is there already is not written again."""
        before = contents(entries / "models")
        run_python("import_model.py", home=entries)
        assert before == contents(entries / "models")


class TestChangedArchive:
    """BentoML checks nothing when it imports; this service does before it opens the pickle."""

    def test_is_not_served(self, changed: Path, tmp_path: Path) -> None:
        """The service is never ready, and says which file it was."""
        with serving(copy_store(changed, tmp_path), until="/livez") as server:
            expect.problem(httpx.get(f"{server.url}/readyz"), 503, "not-ready")
            (line,) = server.find(level="CRITICAL")

        assert PICKLE in line["reason"]
        assert "sha256" in line["reason"]

    def test_is_refused_by_import_model(self, changed: Path) -> None:
        """The right bytes under the same version do not pass for what is there."""
        result = subprocess.run(
            [sys.executable, "import_model.py"],
            cwd=ROOT,
            env=environment(changed),
            capture_output=True,
            text=True,
            check=False,
        )

        assert 1 == result.returncode
        assert "with other bytes" in result.stderr
