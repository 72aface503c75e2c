"""docs/ as a site: it builds without a warning, and its pages load nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.hooks import without_links_outside
from tests.docs.pages import DOCS, ROOT

LOADED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=\"((?:https?:)?//[^\"]+)\"")
STYLED = re.compile(r"(?:url\(|@import\s*)[\"']?((?:https?:)?//[^\"')]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does."""
    folder = tmp_path_factory.mktemp("site")
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return folder


def test_every_page_is_built(site: Path) -> None:
    """A README is the index of its folder."""
    pages = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")}
    expected = {page.with_name("index.html") if page.stem == "README" else page for page in pages}
    assert set() == expected - {path.relative_to(site) for path in site.rglob("*.html")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[`ecs.json`](../../deploy/clouds/ecs.json)", "`deploy/clouds/ecs.json`"),
        ("[its card](../../artifacts/model/model_card.md#data)", "its card (`artifacts/model/model_card.md`)"),
        ("[Settings](../settings.md#settings)", "[Settings](../settings.md#settings)"),
        ("[nothing](../../nothing.md)", "[nothing](../../nothing.md)"),
        ("[elsewhere](https://example.com/)", "[elsewhere](https://example.com/)"),
    ],
)
def test_a_link_to_outside_is_a_path(text: str, expected: str) -> None:
    """What the site has not is named instead; every other link stays as it is."""
    assert expected == without_links_outside(text, DOCS / "clouds")


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    """No font, script, style or picture has another host; a link that a reader follows may."""
    pages = [LOADED.findall(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")]
    styles = [STYLED.findall(path.read_text(encoding="utf-8")) for path in site.rglob("*.css")]
    assert pages
    assert styles
    assert [] == [url for urls in (*pages, *styles) for url in urls]
