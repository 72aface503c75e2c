"""`--help` of every command is there at once: it imports nothing that takes seconds."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.servers import HANG_SECONDS, ROOT

HEAVY = ("bentoml", "joblib", "matplotlib", "model_signing", "numpy", "pandas", "pyarrow", "scipy", "shap", "sklearn")

COMMANDS = (
    "import_model",
    "training",
    "training rebuild-tables",
    "training sign",
    "decision",
    "decision check",
    "serving",
    "serving keys",
    "serving keys new",
    "serving keys list",
    "serving keys revoke",
    "portfolio",
    "portfolio score",
    "records",
    "records find",
    "records replay",
    "portfolio",
    "portfolio score",
    "portfolio compare",
    "portfolio monitor",
    "benchmarks",
    "examples.demo",
    "examples.gallery",
    "examples.hurry",
    "examples.traffic",
    "deploy.image.release",
    "deploy.image.sbom",
)

SCRIPT = """
import contextlib, io, json, runpy, sys
module, *sys.argv[1:] = sys.argv[1:]
printed = io.StringIO()
with contextlib.redirect_stdout(printed):
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = None
    except SystemExit as end:
        code = end.code
print(json.dumps([code, printed.getvalue(), sorted(sys.modules)]))
"""


def run(*arguments: str) -> tuple[int | None, str, set[str]]:
    """What a command ended with and printed, and the modules that it had imported."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=True,
    )
    code, printed, modules = json.loads(done.stdout)
    return code, printed, set(modules)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_nothing_heavy(command: str) -> None:
    """It says how to call the command, and what its exit codes mean."""
    code, printed, modules = run(*command.split(), "--help")
    assert code == 0
    assert printed.startswith("usage: ")
    assert "exit code: 0 " in " ".join(printed.split())
    assert modules.isdisjoint(HEAVY)


def test_the_list_is_of_what_the_commands_import(tmp_path: object) -> None:
    """Or nothing above would show anything."""
    code, _, modules = run("training", "--data", f"{tmp_path}/nowhere.csv")
    assert code == 1
    assert not modules.isdisjoint(HEAVY)
