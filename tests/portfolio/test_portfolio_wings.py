"""Who may import whom in portfolio/, and who may not import it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.servers import ROOT

BELOW = ("preprocessing", "scoring", "decision", "engine", "records", "serving")


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """The modules that a file imports, at its top or later."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("folder", BELOW)
def test_nobody_below_leans_on_it(folder: str) -> None:
    leaning = [path for path in modules(folder) if any(name.startswith("portfolio.") for name in imports(path))]
    assert [] == leaning


def test_it_leans_on_no_service() -> None:
    """Neither framework nor store: what answers requests is the engine, and that is shared."""
    service = ("serving.", "bentoml", "starlette", "uvicorn")
    leaning = {path.name: names for path in modules("portfolio/columnar")
               if (names := [name for name in imports(path) if name.startswith((*service, "records."))])}  # fmt: skip
    assert {} == leaning


@pytest.mark.parametrize("path", modules("portfolio/columnar"), ids=lambda path: path.stem)
def test_columns_know_neither_files_nor_engines(path: Path) -> None:
    own = {name for name in imports(path) if name.startswith("portfolio.")}
    assert [] == sorted(name for name in own if not name.startswith(("portfolio.columnar.", "portfolio.errors.")))


@pytest.mark.parametrize("path", modules("engine"), ids=lambda path: path.stem)
def test_the_engine_knows_no_arrow(path: Path) -> None:
    assert not any(name.startswith("pyarrow") for name in imports(path))
