"""The report's Markdown as one HTML file."""

from __future__ import annotations

import re
from collections.abc import Mapping

from markdown_it import MarkdownIt

from reporting.page import html_file

_IMAGE = re.compile(r'<p><img src="([^"]*)" alt="[^"]*"\s*/?></p>')


def html_page(markdown: str, plots: Mapping[str, str]) -> str:
    """The page.

    Args:
        markdown: the report; its images are among the plots.
        plots: file name to SVG element.

    Raises:
        KeyError: an image is no plot.
    """
    body = MarkdownIt("commonmark").enable("table").render(markdown)
    return html_file(_IMAGE.sub(lambda image: f"<figure>{plots[image[1]]}</figure>", body))
