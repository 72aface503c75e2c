"""What `mkdocs build` does besides: a link to a file outside of docs/ becomes that file's path.

The pages are read beside the code too, where such a link leads somewhere. The site has nothing but docs/.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s:#]+)(?:#[^)\s]*)?\)")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """A page's text for the site; a link to what isn't there is left for `--strict` to find."""
    return without_links_outside(markdown, Path(page.file.abs_src_path).parent)


def without_links_outside(markdown: str, folder: Path) -> str:
    """The same text, with paths of the checkout where a page in `folder` links to files beside docs/."""

    def shown(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        if target.is_relative_to(DOCS) or not target.is_relative_to(DOCS.parent) or not target.exists():
            return link[0]
        path = str(target.relative_to(DOCS.parent))
        return f"`{path}`" if path.endswith(link[1].strip("`")) else f"{link[1]} (`{path}`)"

    return LINK.sub(shown, markdown)
