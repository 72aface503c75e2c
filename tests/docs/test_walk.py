"""The walk from a file to a decision, docs/your-own-loan-book.md: its commands, as printed, in a clone."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from preprocessing.contract import read_contract
from tests.books import BOOKS, DATA, csv_bytes, labelled
from tests.docs.pages import DOCS, ROOT
from tests.servers import environment, wait_for

PAGE = DOCS / "your-own-loan-book.md"
REAL = ROOT.parent / "shared" / "data" / DATA["heloc"]
SHOWN_URL = "http://127.0.0.1:3000"
SERVE = ".venv/bin/bentoml serve "
_STEP = re.compile(
    r"(<!-- refused -->\n)?^```sh\n(.*?)^```$(?:\n+^```(text|json)\n(.*?)^```$)?", re.MULTILINE | re.DOTALL
)


class Step(NamedTuple):
    """One block of commands.

    Attributes:
        refused: whether the last of them ends with an error.
        commands: a line each.
        kind: "text" or "json" where the page shows what it prints.
        shown: that; of text, lines of it.
    """

    refused: bool
    commands: list[str]
    kind: str
    shown: str


PARTS = (
    "training draft", "-m training --book", "decision check", "import_model.py --model", SERVE, "/predict ",
    "/predict/batch", "/predict/explain", "/metrics", "portfolio compare", "bentoml build",
)  # fmt: skip
"""Of a walk from a file to a Bento."""

STEPS = [Step(bool(s[1]), s[2].splitlines(), s[3] or "", s[4] or "") for s in _STEP.finditer(PAGE.read_text("utf-8"))]


class Walker:
    """A reader with a shell in a clone: what is exported stays, and a server runs until the walk ends."""

    def __init__(self, clone: Path) -> None:
        self.clone = clone
        self.variables = environment(clone / ".bentoml") | {"HOME": str(clone)}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.server: subprocess.Popen[bytes] | None = None

    def run(self, step: Step) -> str:
        """What a block prints."""
        printed = [self._line(line, refused=step.refused) for line in step.commands]
        return "".join(printed)

    def _line(self, line: str, *, refused: bool) -> str:
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            self.variables[name] = value.replace("$PWD", str(self.clone))
            return ""
        if line == "make dev":  # .venv is that of this process
            return ""
        if line.startswith(SERVE):
            self._serve(line)
            return ""
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line.replace(SHOWN_URL, self._url)],
            cwd=self.clone,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert (result.returncode != 0) == refused, f"{line}\n{result.stdout}{result.stderr}"
        return result.stdout + (result.stderr if refused else "")

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _serve(self, line: str) -> None:
        with (self.clone / "server.log").open("wb") as log:
            self.server = subprocess.Popen(
                [*line.split(), "--port", str(self.port)], cwd=self.clone, env=self.variables, stdout=log, stderr=log
            )
        wait_for(self._ready)

    def _ready(self) -> bool:
        assert self.server is not None
        assert self.server.poll() is None, (self.clone / "server.log").read_text(encoding="utf-8")
        try:
            return httpx.get(f"{self._url}/readyz").is_success
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        """End the server."""
        if self.server is not None:
            self.server.send_signal(signal.SIGTERM)
            self.server.wait(timeout=60)


@pytest.fixture(scope="module")
def walker(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """In a clone of what is committed, with this process's environment and the file that the walk begins with."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout of a repository: there is nothing to clone")
    clone = tmp_path_factory.mktemp("walk") / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True, timeout=120)
    programs = clone / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "bentoml"):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {Path(sys.executable).with_name(name)} "$@"\n', encoding="utf-8")
        program.chmod(0o700)
    data = clone / DATA["heloc"]
    if REAL.exists():
        data.write_bytes(REAL.read_bytes())
    else:  # drawn from the contract: the commands are the same, what they print is not
        contract = read_contract((BOOKS["heloc"] / "contract.json").read_bytes())
        data.write_bytes(csv_bytes(contract, labelled(contract, 900, seed=1)))
    walking = Walker(clone)
    yield walking
    walking.stop()


@pytest.mark.slow
def test_as_printed(walker: Walker) -> None:
    """Every block does as the page says; on the file itself it prints what the page shows."""
    assert [] == [part for part in PARTS if part not in str(STEPS)]
    for step in STEPS:
        printed = walker.run(step)
        if step.refused:
            assert "not decided yet" in printed
        elif REAL.exists() and step.kind == "text":
            assert [] == [line for line in step.shown.splitlines() if line not in printed.splitlines()]
        elif REAL.exists() and step.kind == "json":
            assert rounded(json.loads(step.shown)) == rounded(json.loads(printed))
    if REAL.exists():
        assert [] == lacking(walker.clone / "my_model")
    assert (walker.clone / "my_store" / "bentos" / "credit-risk-api").is_dir()


def test_the_first_book_s_figures() -> None:
    """In the table of books they are those of the committed model."""
    assert [] == lacking(ROOT / "artifacts" / "model")


def lacking(model: Path) -> list[str]:
    """Rows of the table of books that a model's manifest has and the page has not."""
    evaluation = json.loads((model / "model_metadata.json").read_bytes())["evaluation"]
    names = {
        "model": "model",
        "logistic regression": "logistic_regression",
        "without directions": "without_directions",
    }
    rows = [
        f"| {name} | " + " | ".join(spread(evaluation[key][metric]) for metric in ("roc_auc", "brier", "ece")) + " |"
        for name, key in names.items()
    ]
    return [row for row in rows if row not in PAGE.read_text(encoding="utf-8")]


def spread(figures: dict[str, float]) -> str:
    """A mean and its standard deviation as the table has them."""
    return " ± ".join(f"{figures[name]:.4f}".removeprefix("0") for name in ("mean", "sd"))


def rounded(value: Any) -> Any:
    """The same with floats to nine digits: a model trained on another processor differs behind them."""
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [rounded(entry) for entry in value]
    return round(value, 9) if isinstance(value, float) else value
