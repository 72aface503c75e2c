"""What a page tells its reader to type is there, and is run: here, elsewhere, or not at all for a stated reason."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import DOCS, IDS, PAGES, ROOT, Command, blocks, code, commands, commands_in
from tests.servers import Server, copy_store, environment, serving, wait_for

COMMANDS = commands()
README, API, POLICY, AUDIT = ROOT / "README.md", DOCS / "api.md", DOCS / "model-and-policy.md", DOCS / "audit.md"
CONTRACT = DOCS / "contract.md"
SECURITY, ACCESS, TLS, PROOF = (DOCS / f"{name}.md" for name in ("security", "access", "tls", "records-proof"))
SHOWN_URL = "http://127.0.0.1:3000"
ASSIGNMENTS = re.compile(r"^(?:\w+=\S+ )+")

RUN_HERE = (
    f"curl -s {SHOWN_URL}/",
    "sha256sum artifacts/",
    ".venv/bin/python -m decision check ",
    ".venv/bin/python import_model.py --policy ",
    "cp artifacts/policy/",
    "export BENTOML_HOME=",
    ".venv/bin/python -m preprocessing table artifacts/books/",
    ".venv/bin/python -m preprocessing example artifacts/books/",
    "curl -s --cacert ",
    "openssl req ",
    "openssl genpkey ",
    "openssl pkey ",
    ".venv/bin/python -m training sign artifacts/",
    ".venv/bin/python import_model.py --trusted-key ",
    ".venv/bin/model_signing verify ",
    ".venv/bin/python -m records checkpoint ",
    ".venv/bin/python -m records verify --checkpoints ",
)

WALKED = ("tests/docs/test_walk.py", r"^STEPS = .*PAGE")
"""Every block of docs/your-own-loan-book.md is run as it stands."""

RUN_ELSEWHERE = {
    "python -m records performance ": ("tests/records/test_performance.py", r'"performance", "--page"'),
    ".venv/bin/python -m portfolio score ": ("tests/portfolio/portfolios.py", r'"portfolio", "score"'),
    "python -m portfolio score /shared/loans.parquet /shared/scored --engine ": (
        "tests/portfolio/test_portfolio_cluster.py",
        r'"--engine", ray\.address',
    ),
    "make dev": WALKED,
    "cat my_book/": WALKED,
    "cp artifacts/books/heloc/": WALKED,
    "sed -e ": WALKED,
    ".venv/bin/python -m training draft ": ("tests/training/test_draft.py", r'"draft", "--data"'),
    ".venv/bin/python -m training --book ": ("tests/training/test_books.py", r'"--book"'),
    ".venv/bin/python -m preprocessing example my_book": WALKED,
    ".venv/bin/python -c ": WALKED,
    ".venv/bin/python -m records key ": ("tests/records/test_records_upkeep.py", r'main\(\["key", '),
    ".venv/bin/python -m records reseal": ("tests/records/test_records_upkeep.py", r'main\(\["reseal"\]\)'),
    "make serve": ("tests/servers.py", r'"bentoml", "serve"'),
    "make test": (".ci/run", r" make test$"),
    "make image": (".ci/containers", r"^make image$"),
    "make test-image": (".ci/containers", r"^make test-image$"),
    ".venv/bin/bentoml build": ("tests/ecosystem/test_export.py", r'"bentoml", "build"'),
    ".venv/bin/bentoml containerize ": ("tests/container/containers.py", r'bentoml\("containerize", '),
    ".venv/bin/bentoml export ": ("tests/ecosystem/test_export.py", r'"bentoml", "export"'),
    ".venv/bin/bentoml models export ": ("tests/ecosystem/test_export.py", r'"bentoml", "models", "export"'),
    "bentoml import ": ("tests/ecosystem/test_export.py", r'"bentoml", "import"'),
    "bentoml serve ": ("tests/servers.py", r'"bentoml", "serve"'),
    ".venv/bin/bentoml serve service:CreditRisk ": ("tests/servers.py", r'"bentoml", "serve"'),
    "setup/environment serving": ("Makefile", r"setup/environment serving$"),
    "bentoml deploy --config-file ": ("tests/ecosystem/test_deployment.py", r'"deploy", "--config-file"'),
    "openapi-generator-cli generate ": (
        "tests/serving/test_generated_clients.py",
        r'"openapi-generator-cli", "generate"',
    ),
    "openapi-python-client generate ": (
        "tests/serving/test_generated_clients.py",
        r'"openapi-python-client", "generate"',
    ),
    "docker run --rm -p 3000:3000 ": ("tests/container/containers.py", r"docker run --rm -p 3000:3000"),
    "docker run --rm --read-only ": ("deploy/image/test", r"^container=\$\(docker run "),
    "docker compose -f deploy/compose/compose.yaml up": ("tests/container/test_compose.py", r"alone\.up\("),
    "docker compose -f deploy/compose/compose.yaml --profile monitoring up": (
        "tests/container/test_compose.py",
        r'up\("--profile", "monitoring"\)',
    ),
    "docker compose -f deploy/compose/compose.yaml --profile tracing up": (
        "tests/container/test_compose.py",
        r'"--profile", "tracing", "up"',
    ),
    "docker compose -f deploy/compose/compose.yaml --profile records up": (
        "tests/container/test_compose_records.py",
        r'up\("--profile", "records"\)',
    ),
    "docker compose -f deploy/compose/compose.yaml --profile records run --rm records find ": (
        "tests/container/test_compose_records.py",
        r'"run", "--rm", "records", \*find',
    ),
    "docker compose -f deploy/compose/compose.yaml --profile records run --rm records purge": (
        "tests/container/test_compose_records.py",
        r'"run", "--rm", "records", "purge"',
    ),
    "sudo deploy/compose/records-secrets": (
        "tests/container/test_compose_records.py",
        r'\[folder / "records-secrets"\]',
    ),
    "deploy/compose/switch ": ("tests/container/test_blue_green.py", r"\.switch\("),
    "deploy/image/build ": ("Makefile", r"^\t.*deploy/image/build"),
    ".venv/bin/python -m deploy.image.sbom ": ("tests/container/test_image.py", r'"deploy\.image\.sbom"'),
    ".ci/audit": (".ci/run", r" \.ci/audit$"),
    ".venv/bin/python -m deploy.image.sbom --locks": ("tests/deploy/test_bill_of_locks.py", r"bill_of_locks\(\)"),
    ".venv/bin/python import_model.py": ("tests/conftest.py", r'"import_model\.py"'),
    ".venv/bin/python import_model.py --model ": ("tests/test_import_model.py", r'"--model"'),
    ".venv/bin/python -m training --data ": ("tests/training/test_training_command.py", r'"--data"'),
    ".venv/bin/python -m portfolio compare ": ("tests/portfolio/test_compare_command.py", r'"compare"'),
    ".venv/bin/python -m portfolio monitor ": ("tests/portfolio/test_monitoring.py", r'"monitor"'),
    ".venv/bin/python -m training rebuild-tables ": ("tests/training/test_policies.py", r'"rebuild-tables"'),
    ".venv/bin/python -m serving keys new ": ("tests/serving/test_access_keys.py", r'"keys", "new"'),
    ".venv/bin/python -m serving keys list ": ("tests/serving/test_access_keys.py", r'"keys", "list"'),
    ".venv/bin/python -m serving keys revoke ": ("tests/serving/test_access_keys.py", r'"keys", "revoke"'),
    "for file in deploy/prometheus/rules/": ("tests/deploy/test_kubernetes.py", r"\^\(for file in "),
}
"""The beginning of a command, the file that runs what it does, and how that shows there."""

NOT_RUN = {
    "make release ": "it builds for minutes and writes dist/; tests/deploy/test_release.py has what it refuses",
    "tar -xOf credit-risk-api.bento": "it reads what tests/ecosystem/test_export.py has bentoml write",
    "chown 1034 ": "it gives a file away; tests/container/test_compose.py has the user read one by its mode",
    "pip install -r ": "it makes an environment on another machine",
    "bentoml cloud ": "it needs an account",
    "bentoml deployment ": "it needs an account; tests/ecosystem/test_deployment.py holds the file against its classes",
    "docker build -f deploy/image/ray.Dockerfile ": "it downloads 300 MB",
    "docker push ": "it needs a registry",
    "aws ": "it needs an account; tests/deploy/test_clouds.py holds the file against what AWS takes",
    "envsubst < deploy/clouds/": "it needs an account; tests/deploy/test_clouds.py holds the file against its form",
    "gcloud ": "it needs an account",
    "az ": "it needs an account",
    "kubectl ": "it needs a cluster; tests/deploy/test_kubernetes.py renders what is applied",
}


class TestThere:
    """Make targets, programs, scripts and modules."""

    @pytest.mark.parametrize("command", COMMANDS, ids=[f"{page}: {text[:60]}" for page, text in COMMANDS])
    def test_in_a_block(self, command: Command) -> None:
        """What a command starts exists, and the shell can read it."""
        assert [] == missing(command.words)
        text = re.sub(r"<(\w+)>", r"\1", command.text)  # a word to be replaced, not a redirection
        assert 0 == subprocess.run(["bash", "-n", "-c", text], check=False, timeout=10).returncode

    @pytest.mark.parametrize("page", PAGES, ids=IDS)
    def test_in_the_text(self, page: Path) -> None:
        """The same of commands between backticks."""
        spans = [ASSIGNMENTS.sub("", span) for span in code(page)]
        ours = [shlex.split(span) for span in spans if span.startswith(("make ", "python ", ".venv/bin/"))]
        assert [] == [name for words in ours if len(words) > 1 for name in missing(words)]

    @pytest.mark.parametrize(
        "text", ["make nothing", ".venv/bin/nothing", "python -m nothing", "python -m deploy", "no.sh", "./nothing"]
    )
    def test_can_fail(self, text: str) -> None:
        """What isn't there is told."""
        assert [] != missing(text.split())


class TestRun:
    """Each command of a block is run somewhere, or says why not."""

    @pytest.mark.parametrize("command", COMMANDS, ids=[f"{page}: {text[:60]}" for page, text in COMMANDS])
    def test_accounted_for(self, command: Command) -> None:
        """A command of which nobody knows whether it works is no part of the documents."""
        text = ASSIGNMENTS.sub("", command.text)
        assert text.startswith((*RUN_HERE, *RUN_ELSEWHERE, *NOT_RUN)), "add it to a list of this file"

    @pytest.mark.parametrize("beginning", RUN_ELSEWHERE)
    def test_elsewhere(self, beginning: str) -> None:
        """The file that is said to run it does so."""
        file, shows = RUN_ELSEWHERE[beginning]
        assert re.search(shows, (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)

    @pytest.mark.parametrize("beginning", [*RUN_HERE, *RUN_ELSEWHERE, *NOT_RUN])
    def test_still_there(self, beginning: str) -> None:
        """Nothing is listed that no page has."""
        assert any(beginning in command.text for command in COMMANDS)

    @pytest.mark.parametrize("page", [README, API], ids=["README.md", "docs/api.md"])
    def test_curl(self, page: Path, server: Server) -> None:
        """The curl line prints the answer that stands under it."""
        (line,) = [block for block in blocks(page) if block.startswith("curl")]
        printed = shell(line.replace(SHOWN_URL, server.url), ROOT)
        assert json.loads(blocks(page, "json")[0 if page == README else 1]) == json.loads(printed)

    def test_policy(self, checkout: Path) -> None:
        """A policy is printed as the page shows it, and the commands to put another one into the store do so."""
        check, another, *_ = blocks(POLICY)
        assert blocks(POLICY, "text") == [shell(check, checkout)]
        assert "credit_risk_policy:1.1.0" == shell(another, checkout).splitlines()[-1]
        assert (checkout / ".bentoml" / "models" / "credit_risk_policy" / "1.1.0").is_dir()

    @pytest.mark.slow
    def test_signing(self, checkout: Path) -> None:
        """A pair of keys is made, both folders are signed and imported, and OpenSSF's own command verifies them."""
        if shutil.which("openssl") is None:
            pytest.skip("no openssl")
        (checkout / "artifacts").unlink()  # or this would sign those of the repository
        shutil.copytree(ROOT / "artifacts", checkout / "artifacts")
        (checkout / ".venv" / "bin" / "model_signing").symlink_to(Path(sys.executable).with_name("model_signing"))
        pair, sign, verify, *_ = blocks(SECURITY)
        fingerprint = shell(pair, checkout).split()[-1]
        copies = "--model artifacts/model --policy artifacts/policy/decision_policy.json --trusted-key"
        printed = shell(sign.replace("--trusted-key", copies), checkout).splitlines()
        assert 2 == len([line for line in printed if line.endswith(f"the key's sha256 is {fingerprint}")])
        assert ["credit_risk_gradient_boosting:2.0.0", "credit_risk_policy:1.1.0"] == printed[-2:]
        shell(verify, checkout)

    def test_checkpoints(self, checkout: Path) -> None:
        """A pair of keys is made, the first checkpoint is signed, and the store is what it saw."""
        if shutil.which("openssl") is None:
            pytest.skip("no openssl")
        (checkout / "kept").mkdir()
        pair, commands = blocks(PROOF)
        shell(pair, checkout)
        printed = shell(f"export CREDIT_RISK_RECORDS=sqlite:kept; {commands}", checkout).splitlines()
        assert ["checkpoint 1: 0 entries of 0 writers", "0 entries of 0 writers, 0 erased, 0 purged"] == [
            line.partition(", root")[0] for line in printed[:2]
        ]
        assert printed[2].startswith("1 checkpoints, the last at ")

    @pytest.mark.slow
    def test_keys(self, checkout: Path, store: Path) -> None:
        """A key is made and listed, a service that asks for it answers with it, and it is revoked."""
        new, listed, revoke = commands_in(blocks(ACCESS)[0])
        (curl,) = [block for block in blocks(ACCESS) if block.startswith("curl")]
        shell(new, checkout)
        assert " core-banking " in shell(listed, checkout)
        home = copy_store(store, checkout / "home")
        with serving(home, CREDIT_RISK_ACCESS="keys", CREDIT_RISK_KEYS_FILE=str(checkout / "keys.json")) as server:
            line = curl.replace(SHOWN_URL, server.url)
            assert "decision" in json.loads(shell(line, checkout))
            shell(": > core-banking.key", checkout)
            assert 401 == json.loads(shell(line, checkout))["status"]
        assert shell(revoke, checkout).endswith(": core-banking\n")

    @pytest.mark.slow
    def test_certificate(self, checkout: Path, store: Path) -> None:
        """A certificate is made, and a client that trusts it is answered over TLS."""
        if shutil.which("openssl") is None:
            pytest.skip("no openssl")
        serve, trial = blocks(TLS)
        make, curl = commands_in(trial)
        shell(make, checkout)
        home = copy_store(store, checkout / "home")
        given = shlex.split(serve.splitlines()[0].partition("127.0.0.1 ")[2])
        options = [each if each.startswith("--") else str(checkout / each) for each in given]
        with serving(home, until=None, options=options) as server:
            wait_for(lambda: server.find(message="Application startup complete."))
            answer = shell(
                curl.replace(SHOWN_URL.replace("http", "https"), server.url.replace("http", "https")), checkout
            )
        assert "decision" in json.loads(answer)

    def test_fields(self) -> None:
        """A contract's fields are printed as a table and as an application."""
        table, example = commands_in(blocks(CONTRACT)[0])
        assert "| `external_risk_estimate` | integer | 0 to 100; -9 (no_record) | scored |" in shell(table, ROOT)
        assert "external_risk_estimate" in json.loads(shell(example, ROOT))

    def test_digests(self, server: Server) -> None:
        """What /version says are the digests of the checkout's files."""
        (block,) = blocks(AUDIT)
        version, sums = block.replace(SHOWN_URL, server.url).splitlines()
        digests: dict[str, Any] = json.loads(shell(version, ROOT))["digests"]
        lines = [line.split() for line in shell(sums, ROOT).splitlines()]
        found = {(Path(name).name, digest) for digest, name in lines}
        assert digests
        assert digests.items() <= found


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like a checkout, and that commands may write into."""
    for path in ROOT.iterdir():
        if path.name[0] != ".":
            (tmp_path / path.name).symlink_to(path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    python.chmod(0o700)
    return tmp_path


def shell(text: str, folder: Path) -> str:
    """What commands print that must succeed."""
    result = subprocess.run(
        ["bash", "-euc", text],
        cwd=folder,
        env=environment(folder / ".bentoml"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def missing(words: list[str]) -> list[str]:
    """What these words would start and isn't there."""
    program, *arguments = words
    if program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        return [word for word in arguments if "=" not in word and word not in targets]
    if program in {"python", ".venv/bin/python"}:
        if arguments[0] == "-m":
            return [] if has_main(arguments[1]) else arguments[1:2]
        return [] if arguments[0] == "-c" or (ROOT / arguments[0]).is_file() else arguments[:1]
    if program.startswith(".venv/bin/"):
        return [] if Path(sys.executable).with_name(Path(program).name).exists() else [program]
    if "/" in program or program.endswith(".sh"):
        return [] if os.access(ROOT / program, os.X_OK) else [program]
    return []


def has_main(module: str) -> bool:
    """Whether `python -m` has something to run."""
    found = importlib.util.find_spec(module)
    return found is not None and (
        found.submodule_search_locations is None or importlib.util.find_spec(f"{module}.__main__") is not None
    )
