"""One HTML file that needs nothing else: no script, no other file, nothing from any address."""

from __future__ import annotations

import re

from reporting.svg import STYLE

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<nav aria-label="Contents"><ul>
{contents}
</ul></nav>
<main>
{body}
</main>
</body>
</html>
"""

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --line: #d5d9de; --link: #0b62c4; --wash: #f4f6f8; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; color: var(--ink); background: var(--paper);
  font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin-top: 2.5rem; padding-top: .5rem; border-top: 1px solid var(--line); }
p, li { max-width: 46rem; }
a { color: var(--link); }
code { font: .9em ui-monospace, monospace; overflow-wrap: anywhere; }
pre { overflow-x: auto; padding: .7rem; background: var(--wash); }
pre code { overflow-wrap: normal; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; text-align: left; }
th { background: var(--wash); }
td:first-child { min-width: 7rem; }
td code { overflow-wrap: normal; }
td:has(> code) { min-width: 11rem; }
figure { margin: 1rem 0; max-width: 36rem; }
figure svg { display: block; width: 100%; height: auto; }
details { margin: 1rem 0; }
summary { cursor: pointer; color: var(--link); }
nav ul { list-style: none; padding: 0; margin: 0; display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .9rem; }
@media (max-width: 70rem) {
  /* Where a table is moved sideways, its rows keep their names. */
  th:first-child, td:first-child { position: sticky; left: 0; min-width: 9rem; max-width: 9rem;
    background: var(--paper); overflow-wrap: break-word; }
  th:first-child { background: var(--wash); }
}
@media (min-width: 40rem) {
  th[style*="right"], td[style*="right"] { white-space: nowrap; }
}
@media (min-width: 70rem) {
  body { display: grid; grid-template-columns: 13rem minmax(0, 1fr); gap: 2.5rem; }
  nav { position: sticky; top: 1rem; align-self: start; }
  nav ul { flex-direction: column; }
}
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --paper: #14171a; --line: #3a4047; --link: #6cb2ff; --wash: #1f2429; }
}
@media print {
  :root { --ink: #000; --paper: #fff; --line: #bbb; --link: #000; --wash: #fff; }
  nav { display: none; }
  body { display: block; max-width: none; padding: 0; font-size: 10pt; }
  .wide { overflow: visible; }
  th[style*="right"], td[style*="right"] { white-space: normal; }
  table { font-size: 7.5pt; }
  th:first-child, td:first-child { position: static; max-width: none; }
  tr, figure { break-inside: avoid; }
  details::details-content { display: block; content-visibility: visible; block-size: auto; }
  h2, h3 { break-after: avoid; }
}
"""

_INTERVAL = re.compile(r"\[([-+\d.]+%?), ([-+\d.]+%?)\]")
_CELL = re.compile(r"(?<=<td>)[^<]*")
_HEADING = re.compile(r"<h2>(.*?)</h2>")


def html_file(body: str) -> str:
    """The file of a body, with its contents beside it.

    Args:
        body: of one `h1`, then sections that each begin with an `h2`; texts are escaped, plots are elements.
    """
    body = _INTERVAL.sub(r"[\1,&nbsp;\2]", body)  # where there is little room, a line may end before an interval
    body = body.replace(" ± ", "&nbsp;±&nbsp;")
    body = _CELL.sub(lambda text: text[0].replace("_", "_<wbr>"), body)  # a long name breaks between its words
    body = body.replace("<pre>", '<pre tabindex="0">')  # what can be moved sideways has to be reached by keys
    body = body.replace("<table>", '<div class="wide" tabindex="0"><table>').replace("</table>", "</table></div>")
    titles = _HEADING.findall(body)
    body = _HEADING.sub(lambda heading: f'<h2 id="{_anchor(heading[1])}">{heading[1]}</h2>', body)
    contents = "\n".join(f'<li><a href="#{_anchor(title)}">{title}</a></li>' for title in titles)
    title = re.sub(r"<.*?>", "", body[: body.index("</h1>")])
    end = body.index("</h1>")
    body = body[:end].replace("_", "_<wbr>") + body[end:]
    return _HEAD.format(title=title, style=_STYLE + STYLE, contents=contents, body=body)


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
