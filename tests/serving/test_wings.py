"""The wings of serving/: who may lean on whom, and what each may load."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.servers import ROOT, run_python

FLOORS = (
    ("serving", "serving.routes", "serving.vouching", "serving.entries", "serving.yielding"),
    ("serving.setting_values", "serving.service_links"),
    ("serving.settings",),
    ("serving.telemetry", "serving.store"),
    ("serving.once", "serving.challenging"),
    ("serving.access", "serving.lookup", "serving.recording"),
    ("serving.http", "serving.checking"),
    ("serving.bento",),
    ("serving.parts",),
    ("serving.__main__",),
)
"""From the ground up. A module may import those of its own part and of the floors below, and nobody service.py."""

PROJECT = {"preprocessing", "scoring", "decision", "engine", "records"}
HEAVY = {"bentoml", "_bentoml_impl", "_bentoml_sdk", "numpy", "scipy", "sklearn", "joblib", "pandas"}
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "serving").rglob("*.py"))
}
TELEMETRY = sorted(name for name in MODULES if name.startswith("serving.telemetry."))


def part(module: str) -> str:
    """The wing or the module beside the wings that `module` belongs to."""
    return ".".join(module.split(".")[:2])


def floor(module: str) -> int:
    """How high up it is."""
    return next(i for i, parts in enumerate(FLOORS) if part(module) in parts)


def imports(path: Path) -> set[str]:
    """The modules that a file imports, at its top or later."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else str(node.module) for name in names}
    return found


@pytest.mark.parametrize("module", MODULES)
def test_arrows_point_downward(module: str) -> None:
    imported = imports(MODULES[module])
    beneath = {name for name in imported if name.split(".")[0] == "serving"}

    assert "service" not in imported
    assert [] == sorted(name for name in beneath if part(name) != part(module) and floor(name) >= floor(module))


@pytest.mark.parametrize("module", ["service", "serving.parts", "serving.bento.container"])
def test_nothing_that_serves_loads_what_portfolios_need(module: str, tmp_path: Path) -> None:
    """The image has both: pyarrow costs memory, and time at the start."""
    code = f"import sys, {module}; print(*(name.partition('.')[0] for name in sys.modules))"
    assert set() == {"portfolio", "pyarrow", "ray"} & set(run_python("-c", code, home=tmp_path).split())


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("serving.http")])
def test_http_leans_on_no_framework(module: str) -> None:
    """BentoML's API and inside are the bento wing's; the store's is the store's."""
    names = {name.split(".")[0] for name in imports(MODULES[module])}
    assert set() == names & {"bentoml", "_bentoml_impl", "_bentoml_sdk", "uvicorn", "prometheus_client"}


@pytest.mark.parametrize("module", TELEMETRY)
def test_telemetry_takes_plain_values(module: str, tmp_path: Path) -> None:
    """What it knows of applications it is told: it loads neither model nor engine nor framework."""
    code = f"import sys, {module}; print(*(name.partition('.')[0] for name in sys.modules), *sys.modules)"
    loaded = set(run_python("-c", code, home=tmp_path).split())
    assert set() == loaded & (HEAVY | PROJECT)
