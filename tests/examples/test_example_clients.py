"""Every client, as it stands, against the shared server, and against one that refuses and drops connections."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import expect
from tests.examples.unsteady import Fault, Seen, unsteady
from tests.servers import ROOT, Server

EXAMPLES = ROOT / "examples"
TRIES = 4
RESET = Fault()
HALF = Fault(after=b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{")

FIRST = r"(?m)^(?:18000 )?CONDITIONAL_APPROVAL ([-+.\deE]+)$"
"""The line of the example application's decision."""


def needed(command: str) -> str:
    """A command's path; skips where there is none."""
    beside = Path(sys.prefix, "lib", f"python3.{sys.version_info.minor}", "site-packages", "go", "bin")
    found = shutil.which(command, path=os.pathsep.join([os.environ["PATH"], str(beside)]))
    if found is None:
        pytest.skip(f"there is no {command} here to run this client with; .ci/client-tools installs it")
    return found


@pytest.fixture(scope="session")
def go_client(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Builds the Go client, the first time."""
    folder = tmp_path_factory.mktemp("go")
    built = folder / "client"

    def build() -> Path:
        if not built.exists():
            run([needed("go"), "build", "-o", str(built), str(EXAMPLES / "client.go")], cwd=folder, timeout=300)
        return built

    return build


def run(
    command: list[str], cwd: Path, *, url: str = "", code: int | None = 0, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """A finished command, which must end with this code, or with any error where it is None."""
    environment = os.environ | {"URL": url, "GOTOOLCHAIN": "local", "GOFLAGS": ""}
    result = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert result.returncode == code if code is not None else result.returncode, result.stdout + result.stderr
    return result


PYTHON = ["sync_client.py", "async_client.py", "httpx_client.py", "dataframe_client.py"]
CLIENTS = [*PYTHON, "client.mjs", "Client.java", "curl.sh", "client.go"]
EACH = [
    # Go's first build of its own library takes most of a minute.
    pytest.param(name, marks=[pytest.mark.slow] if name == "client.go" else [])
    for name in CLIENTS
]
EACH_SLOWLY = [
    # Waiting takes its time. The Python clients have one transport in common.
    pytest.param(name, marks=[] if name in {"httpx_client.py", "client.mjs"} else [pytest.mark.slow])
    for name in CLIENTS
]


@pytest.fixture
def command(request: pytest.FixtureRequest, go_client: Callable[[], Path]) -> list[str]:
    """How to run a client."""
    name: str = request.param
    source = str(EXAMPLES / name)
    if name == "client.go":
        return [str(go_client())]
    if name == "Client.java":
        # Its single-file launch is the one that doesn't know where its source is.
        return [needed("java"), source, str(EXAMPLES / "application.json")]
    if name.endswith(".py"):
        return [sys.executable, source]
    return [needed("node" if name.endswith(".mjs") else "sh"), source]


@pytest.fixture(scope="session")
def undisturbed(
    server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[list[str]], subprocess.CompletedProcess[str]]:
    """Runs a client against the server itself, once for all tests, from a folder of its own."""
    folder = tmp_path_factory.mktemp("elsewhere")
    results: dict[tuple[str, ...], subprocess.CompletedProcess[str]] = {}

    def result(command: list[str]) -> subprocess.CompletedProcess[str]:
        if tuple(command) not in results:
            results[tuple(command)] = run(command, folder, url=server.url)
        return results[tuple(command)]

    return result


def decided(output: str) -> str:
    """The probability of default of the first decision, as it was printed."""
    found = re.search(FIRST, output) or re.search(r'"probability_of_default":([^,]+)', output)
    assert found, output
    return found[1]


@pytest.mark.parametrize("command", EACH, indirect=True)
def test_it_prints_decisions(
    command: list[str],
    undisturbed: Callable[[list[str]], subprocess.CompletedProcess[str]],
    client: httpx.Client,
    example: dict[str, Any],
) -> None:
    """From any folder; every number as the service sent it, and what is wrong with a wrong value as it said it."""
    sent = expect.raw_numbers(client.post("/predict", json=example))["probability_of_default"]

    result = undisturbed(command)

    shown = " ".join(command)
    if "dataframe" in shown:
        assert ["332", "668", "1"] == re.findall(r"^[A-Z]\w+ +(\d+)$", result.stdout, re.MULTILINE)
        assert re.search(r"^loan-7 +NaN +NaN +{'loan_grade'", result.stdout, re.MULTILINE)
        return
    assert sent == decided(result.stdout)
    # BentoML's clients have no query parameters, so no partial batch.
    assert "sync_client" in shown or "'A', 'B', 'C'" in result.stdout or '"batch_size":2' in result.stdout
    if re.search(r"(sync|httpx)_client", shown):
        assert "log-odds" in result.stdout
    if "curl" in shown:
        assert "" == result.stderr
        return
    status, document = result.stderr.split(maxsplit=1)
    problem = json.loads(document)
    assert "422" == status
    assert [["loan_grade"]] == [error["loc"] for error in problem["errors"]]
    assert problem["request_id"].startswith("example-")


@pytest.mark.parametrize("command", EACH_SLOWLY, indirect=True)
def test_it_asks_again(
    command: list[str],
    undisturbed: Callable[[list[str]], subprocess.CompletedProcess[str]],
    server: Server,
    tmp_path: Path,
) -> None:
    """After 429 and 503 no sooner than they say, in seconds or as a date, and after a lost connection; the same
    request with the same id, and the answers of an undisturbed run.
    """
    faults = (Fault(429, seconds=1), RESET, Fault(503, seconds=2, as_date=True))

    with unsteady(server.url, *faults) as between:
        result = run(command, tmp_path, url=between.url)

    assert undisturbed(command).stdout == result.stdout
    tries = by_id(between.seen)
    assert list(faults) == [seen.fault for seen in between.seen if seen.fault]
    assert len(between.seen) == len(tries) + len(faults)
    for same in tries.values():
        assert 1 == len({(seen.path, seen.body) for seen in same})
        assert None is same[-1].fault
        for before, after in pairwise(same):
            assert before.fault
            assert after.at - before.at >= before.fault.least


@pytest.mark.slow
@pytest.mark.parametrize("command", CLIENTS, indirect=True)
def test_it_gives_up(command: list[str], server: Server, tmp_path: Path) -> None:
    """After four tries, and says which request it was."""
    with unsteady(server.url, RESET, HALF, *[RESET] * 98) as between:
        result = run(command, tmp_path, url=between.url, code=None)

    first = between.seen[0].request_id
    assert first
    assert first.startswith("example-")
    # Of several requests at once the first that gives up ends the others.
    assert TRIES == max(len(tries) for tries in by_id(between.seen).values())
    assert any(seen.request_id in result.stderr for seen in between.seen if seen.request_id)


@pytest.mark.slow
@pytest.mark.parametrize("command", CLIENTS, indirect=True)
def test_it_does_not_wait_for_ever(command: list[str], server: Server, tmp_path: Path) -> None:
    """Asked to wait for an hour, it ends at once; a proxy's page is no problem document, so it names the request."""
    with unsteady(server.url, Fault(503, seconds=3600, problem=False)) as between:
        result = run(command, tmp_path, url=between.url, code=None)

    (refused,) = (seen for seen in between.seen if seen.fault)
    assert [refused] == by_id(between.seen)[refused.request_id or ""]
    assert refused.request_id
    assert refused.request_id in result.stderr


def by_id(seen: list[Seen]) -> dict[str, list[Seen]]:
    """The tries of each request."""
    tries: dict[str, list[Seen]] = {}
    for one in seen:
        assert one.request_id
        tries.setdefault(one.request_id, []).append(one)
    return tries


@pytest.mark.slow
def test_the_go_client_is_formatted_and_vetted(tmp_path: Path) -> None:
    """By Go's own tools."""
    source = str(EXAMPLES / "client.go")
    assert "" == run([needed("gofmt"), "-l", source], tmp_path).stdout
    run([needed("go"), "vet", source], tmp_path, timeout=300)


def test_the_java_client_compiles_without_a_warning(tmp_path: Path) -> None:
    run([needed("javac"), "-Xlint:all", "-Werror", "-d", str(tmp_path), str(EXAMPLES / "Client.java")], tmp_path)


def test_the_page_lists_every_client() -> None:
    """docs/clients.md has each file that is a client, and none that isn't there."""
    page = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| .*\[`(\S+?)`\]\(\.\./examples/\1\)", page, re.MULTILINE)
    assert sorted(CLIENTS) == sorted(listed)
    here = {path.name for path in EXAMPLES.iterdir() if re.search(r"client\b|curl", path.name, re.IGNORECASE)}
    assert here == set(CLIENTS)
