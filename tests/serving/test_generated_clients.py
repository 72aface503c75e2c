"""Clients that the common generators make of a saved /docs.json get what any other client gets.

The generators are fetched from their registries, in versions that are named here, into folders of the test run's own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import expect
from tests.servers import Server

pytestmark = pytest.mark.slow

PROGRAMS = Path(__file__).with_name("generated")
PACKAGES = ("openapi-generator-cli==7.26.0", "openapi-python-client==0.29.1", "urllib3", "python-dateutil")
TYPESCRIPT = ("typescript@5.9", "@types/node@20")
NULLABLE = ("person_emp_length", "loan_int_rate", "loan_percent_income")
SECONDS = 300

GENERATED = """package javax.annotation;
public @interface Generated { String[] value(); String date() default ""; String comments() default ""; }
"""
"""What the generated Java code is marked with; JDKs had it until version 8."""


def run(*command: str | Path, **options: Any) -> str:
    """Standard output of a command that must succeed."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=SECONDS, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def needs(*programs: str) -> None:
    """Skip without these programs."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")


def fetched(*command: str | Path) -> None:
    """Skip where the command can't install what it should."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        pytest.skip(f"{command[0]} can't install: {done.stderr.strip()[-300:]}")


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with both generators, and with what the Python clients import."""
    folder = tmp_path_factory.mktemp("generators")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    fetched(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", folder / "bin" / "python", *PACKAGES)
    return folder / "bin"


@pytest.fixture(scope="module")
def document(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The running service's document, saved."""
    saved = tmp_path_factory.mktemp("document") / "openapi.json"
    saved.write_bytes(httpx.get(f"{server.url}/docs.json").content)
    return saved


@pytest.fixture(scope="module")
def expected(server: Server, example: dict[str, Any]) -> dict[str, Any]:
    """What the programs are to print, as the service says without them."""
    nulls = example | dict.fromkeys(NULLABLE)
    with httpx.Client(base_url=server.url, timeout=30) as client:
        answer = expect.answer(client.post("/predict", json=example))
        without = expect.answer(client.post("/predict/explain", json=nulls))
        version = expect.answer(client.get("/version"))
    explanations = without["explanations"]
    explained = [[e["feature"], e["value"]] for e in explanations["risk_drivers"] + explanations["protective_factors"]]
    assert None in [value for _, value in explained], "no null among the values"
    return {
        "predict": [answer["decision"], answer["probability_of_default"]],
        "null": without["probability_of_default"],
        "absent": without["probability_of_default"],
        "negative": [422, [["person_age"]]],
        "problem": [422, [["loan_percent_income"]]],
        "batch": [answer["decision"], [[1, "loan_percent_income"]]],
        "explained": explained,
        "version": [version["service"], version["bento"]],
        "later": answer["decision"],
    }


def generate(tools: Path, document: Path, to: Path, generator: str, *options: str) -> None:
    """A client in the folder `to`, made without a warning of anything missing."""
    needs("java")
    log = run(tools / "openapi-generator-cli", "generate", "-i", document, "-g", generator, "-o", to, *options)
    assert "OpenAPI 3.1 support" not in log
    assert "not defined in the spec" not in log
    assert "Empty operationId" not in log


def test_python_of_openapi_generator(
    tools: Path, document: Path, expected: dict[str, Any], example: dict[str, Any], tmp_path: Path
) -> None:
    """The client refuses an age of -1 by the document's bounds; the rest is as the service says."""
    generate(tools, document, tmp_path, "python")

    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    printed = run(tools / "python", PROGRAMS / "openapi_generator.py", json.dumps(example), env=environment)

    assert expected | {"negative": ["client", [["person_age"]]]} == json.loads(printed)


def test_openapi_python_client(
    tools: Path, document: Path, server: Server, expected: dict[str, Any], example: dict[str, Any], tmp_path: Path
) -> None:
    """This one checks no bounds itself, and parses every problem."""
    made = tmp_path / "made"
    environment = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(made)}
    command = (tools / "openapi-python-client", "generate", "--path", document, "--output-path", made)
    run(*command, "--fail-on-warning", env=environment)

    program = PROGRAMS / "openapi_python_client.py"
    printed = run(tools / "python", program, json.dumps(example), server.url, env=environment)

    assert expected == json.loads(printed)


def test_typescript(
    tools: Path, document: Path, expected: dict[str, Any], example: dict[str, Any], tmp_path: Path
) -> None:
    """It compiles under `--strict`, null and absent are different things to it, and both are right."""
    needs("node", "npm")
    generate(tools, document, tmp_path / "client", "typescript-fetch")
    fetched("npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", tmp_path, *TYPESCRIPT)
    shutil.copy(PROGRAMS / "program.ts", tmp_path)
    options = ("--strict", "--target", "es2022", "--module", "commonjs", "--types", "node", "--outDir", "out")
    run("node_modules/.bin/tsc", *options, "program.ts", cwd=tmp_path)

    assert expected == json.loads(run("node", "out/program.js", json.dumps(example), cwd=tmp_path))


def test_java(tools: Path, document: Path, expected: dict[str, Any], example: dict[str, Any], tmp_path: Path) -> None:
    """Over java.net.http and Jackson, which the generator's own archive holds; null is left out there."""
    needs("javac")
    generate(tools, document, tmp_path, "java", "--library=native", "--additional-properties=openApiNullable=false")
    (jar,) = tools.parent.glob("lib/*/site-packages/openapi_generator_cli/*.jar")
    marked = tmp_path / "src" / "main" / "java" / "javax" / "annotation" / "Generated.java"
    marked.parent.mkdir(parents=True)
    marked.write_text(GENERATED)
    sources = (*(tmp_path / "src" / "main").rglob("*.java"), PROGRAMS / "Program.java")
    run("javac", "-nowarn", "-cp", jar, "-d", tmp_path / "classes", *sources)

    printed = run("java", "-cp", f"{jar}:{tmp_path / 'classes'}", "Program", json.dumps(example))

    assert {name: value for name, value in expected.items() if name != "absent"} == json.loads(printed)
