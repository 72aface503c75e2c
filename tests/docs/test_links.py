"""What a page links to or names is there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, IDS, PAGES, ROOT, anchors, blocks, code, links, paths

MADE_LATER = {
    "artifacts/model/model.sig",
    "benchmarks/.venvs",
    "deploy/compose/proxy/active.map",
    "deploy/compose/secrets/api/keys.json",
    "deploy/compose/secrets/api/records-keys.json",
    "deploy/compose/secrets/prometheus/metrics.key",
}
"""Made by a command that the page names beside it, and no part of the checkout."""

each_page = pytest.mark.parametrize("page", PAGES, ids=IDS)


@each_page
def test_links(page: Path) -> None:
    """Each link of a page leads to a file of the checkout, and to a heading in it where it names one."""
    wrong = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.is_relative_to(ROOT) or not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    assert [] == wrong


@each_page
def test_paths(page: Path) -> None:
    """Each path of a page, in its text or in a command, is there; so is each test that it names."""
    text = [*code(page), *blocks(page)]
    named = {path for span in text for path in paths(span) if path not in MADE_LATER}
    assert [] == sorted(path for path in named if not is_there(path))


def test_each_page_is_found() -> None:
    """From docs/index.md, by links alone, a reader gets to every page; and the README links to that."""
    reached, todo = set(), [DOCS / "index.md"]
    while todo:
        page = todo.pop()
        if page.suffix == ".md" and page not in reached:
            reached.add(page)
            todo += [(page.parent / link.partition("#")[0]).resolve() for link in links(page) if link[0] != "#"]
    assert [] == sorted(set(DOCS.rglob("*.md")) - reached)
    assert "docs/index.md" in links(ROOT / "README.md")


def is_there(path: str) -> bool:
    """Whether a path, or the class or function of a test after `::`, is in the checkout."""
    file, *names = path.split("::")
    if not (ROOT / file).exists():
        return False
    body: list[ast.stmt] = ast.parse((ROOT / file).read_text(encoding="utf-8")).body if names else []
    for name in names:
        found = [node for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name]
        if not found:
            return False
        body = found[0].body
    return True
