"""The documents as a reader of Markdown sees them: headings, links, code in the text, and commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
IDS = [str(page.relative_to(ROOT)) for page in PAGES]

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_FOLDERS = "|".join(
    re.escape(path.name) for path in ROOT.iterdir() if path.is_dir() and (path.name[0] != "." or path.name == ".ci")
)
_PATH = re.compile(rf"(?<![\w/.$-])(?:{_FOLDERS})/[\w./-]*(?:::\w+)*")
_ASSIGNMENT = re.compile(r"\w+=")


class Command(NamedTuple):
    """One command of a page.

    Attributes:
        page: where it stands, relative to the checkout.
        text: as it is typed, on one line and without its comment.
    """

    page: str
    text: str

    @property
    def words(self) -> list[str]:
        """Its words, from the program on."""
        words = shlex.split(self.text)
        while words and _ASSIGNMENT.match(words[0]):
            words.pop(0)
        return words


def text_of(page: Path) -> str:
    """A page's text without its code blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def blocks(page: Path, language: str = "sh") -> list[str]:
    """A page's code blocks of a language."""
    return [block for _, found, block in _FENCE.findall(page.read_text(encoding="utf-8")) if found == language]


def links(page: Path) -> list[str]:
    """What a page links to in this checkout."""
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text_of(page)) if ":" not in link.partition("#")[0]]


def anchors(page: Path) -> set[str]:
    """What a link to a heading of the page may say after `#`."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def code(page: Path) -> list[str]:
    """What stands between backticks in a page's text."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text_of(page))]


def paths(text: str) -> list[str]:
    """What in a text is a path of this checkout, or of a test in it."""
    return [found.rstrip(".") for found in _PATH.findall(text)]


def commands_in(block: str) -> list[str]:
    """The commands of a block, without comments; what is continued, and a loop, is one."""
    found: list[str] = []
    loop = False
    for line in block.replace("\\\n", " ").splitlines():
        command = re.sub(r"(?:^|\s+)#\s.*$", "", line).strip()
        if loop:
            found[-1] += f"\n{command}"
        elif command:
            found.append(" ".join(command.split()))
        loop = (loop or command.startswith("for ")) and command != "done"
    return found


def commands() -> list[Command]:
    """Every command that stands in a block of its own."""
    return [
        Command(name, text)
        for page, name in zip(PAGES, IDS, strict=True)
        for block in blocks(page)
        for text in commands_in(block)
    ]
