"""A browser without a screen: keeps the cookie, fills in forms and reads pages."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any, Self

import httpx

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
PIECE = {"X-Desk-Piece": "1"}

VOID = {"input", "meta", "link", "br", "img"}


class Element:
    """An element of a page, with all that is written in it."""

    def __init__(self, tag: str, attributes: Mapping[str, str | None], parent: Element | None) -> None:
        self.tag, self.attributes, self.parent = tag, dict(attributes), parent
        self.children: list[Element | str] = []

    @property
    def text(self) -> str:
        """Without superfluous white space."""
        return " ".join("".join(self._texts()).split())

    def _texts(self) -> list[str]:
        return [each if isinstance(each, str) else "".join(each._texts()) for each in self.children]

    def all(self, tag: str = "", **wanted: str) -> list[Element]:
        """The elements in it, of a tag, and with these attributes."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                fits = all(child.attributes.get(name.rstrip("_").replace("_", "-")) == v for name, v in wanted.items())
                found += [child] if fits and tag in ("", child.tag) else []
                found += child.all(tag, **wanted)
        return found

    def one(self, tag: str = "", **wanted: str) -> Element:
        """The only one."""
        (found,) = self.all(tag, **wanted)
        return found


class Page(HTMLParser):
    """A page as a browser reads it; fails where its elements don't nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.root = self._open = Element("", {}, None)
        self.feed(text)
        self.close()
        assert self._open is self.root, f"<{self._open.tag}> is never closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs), self._open)
        self._open.children.append(element)
        if tag not in VOID:
            self._open = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.children.append(Element(tag, dict(attrs), self._open))

    def handle_endtag(self, tag: str) -> None:
        assert tag == self._open.tag, f"</{tag}> closes <{self._open.tag}>"
        assert self._open.parent is not None
        self._open = self._open.parent

    def handle_data(self, data: str) -> None:
        self._open.children.append(data)


class Browser:
    """Somebody at the desk."""

    def __init__(self, client: httpx.Client, **headers: str) -> None:
        self._client = client
        self._headers = headers
        self.token = self.key = ""

    def open(self, path: str = "") -> Page:
        """A page, whose forms are kept."""
        response = self._client.get(f"/desk/{path}", headers=self._headers)
        assert response.status_code == 200, response.text
        return self.read(response)

    def read(self, response: httpx.Response) -> Page:
        """An answer as a page."""
        page = Page(response.text)
        if tokens := page.root.all("input", name="token"):
            self.token = tokens[0].attributes["value"] or ""
            self.key = next((each.attributes["value"] or "" for each in page.root.all("input", name="key")), "")
        return page

    def send(self, path: str, document: Mapping[str, Any], **headers: str) -> httpx.Response:
        """A form with an application."""
        form = {name: "" if value is None else str(value) for name, value in document.items()}
        return self._client.post(
            f"/desk/{path}",
            data={"token": self.token, "key": self.key, **form},
            headers=SAME_ORIGIN | self._headers | headers,
        )

    def ready(self) -> Self:
        """With a form to send."""
        self.open()
        return self
