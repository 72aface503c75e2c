"""The interactive API page, and what a browser is told that it may load.

BentoML packages the page's script and style, so nothing is loaded from elsewhere; its own page loads a tag manager.
Some of that style's colours are too faint to read, and some of the script's controls have no name that a screen reader
could tell: both are put right here, by the rules of WCAG 2.
"""

from __future__ import annotations

import base64
import hashlib

from serving import SERVICE_NAME

_STYLE = """
.swagger-ui .opblock .opblock-summary-method { background: #4d5263 }
.swagger-ui .opblock.opblock-get .opblock-summary-method, .swagger-ui .btn.execute { background: #1b5fa8 }
.swagger-ui .opblock.opblock-post .opblock-summary-method { background: #1a7a4c }
.swagger-ui .download-contents, .swagger-ui .info .title small { background: #4d5263 !important }
.swagger-ui .info .title small.version-stamp { background: #44600a !important }
.swagger-ui .info .title small pre.version { background: none !important }
.swagger-ui .btn.cancel { border-color: #b3261e; color: #b3261e }
.swagger-ui .parameter__in, .swagger-ui .prop-format, .swagger-ui .model .property { color: #595959 }
.swagger-ui .microlight span[style*="211, 99, 99"] { color: #ffa3a3 !important }
"""

_SCRIPT = """
function name(selector, text) {
  for (const control of document.querySelectorAll(selector)) {
    const told = typeof text === "function" ? text(control) : text;
    if (control.getAttribute("aria-label") !== told) control.setAttribute("aria-label", told);
  }
}
function put(selector, attributes) {
  for (const element of document.querySelectorAll(selector))
    for (const [attribute, value] of Object.entries(attributes))
      if (element.getAttribute(attribute) !== value) element.setAttribute(attribute, value);
}
function accessible() {
  name("#servers", "Server");
  name(".body-param__text", "Request body");
  name(".parameters-col_description select", (list) => list.closest("tr").dataset.paramName ?? "Value");
  name(".copy-to-clipboard button", "Copy");
  name(".responses-table[role=region]", (table) => (table.id || "live_responses").replaceAll("_", " "));
  put(".microlight", {tabindex: "0"});
  put(".info .title", {"aria-level": "1"});
  put("#page h3", {"aria-level": "2"});
  put("#page h4", {"aria-level": "3"});
  put("#page h5", {"aria-level": "4"});
}
function watch() {
  accessible();
  new MutationObserver(accessible).observe(document.body, {childList: true, subtree: true});
}
fetch("./docs.json").then((answer) => answer.json()).then((spec) => {
  // Where this page came from is where its requests must go, whatever proxies have told the service.
  spec.servers = [{url: new URL(".", location).href.slice(0, -1)}];
  SwaggerUIBundle({spec, dom_id: "#page", validatorUrl: null, onComplete: watch});
});
"""

PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{SERVICE_NAME}</title>
<link rel="icon" type="image/png" href="./static_content/favicon-light-32x32.png">
<link rel="stylesheet" href="./static_content/swagger-ui.css">
<style>{_STYLE}</style>
</head>
<body>
<main id="page"></main>
<script src="./static_content/swagger-ui-bundle.js"></script>
<script>{_SCRIPT}</script>
</body>
</html>
"""


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_NOWHERE = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

PAGE_POLICY = (
    f"default-src 'none'; script-src 'self' {_hash(_SCRIPT)}; style-src 'self' {_hash(_STYLE)}; "
    f"img-src 'self' data:; connect-src 'self'; {_NOWHERE}"
)
"""The Content-Security-Policy of the page: this service's own files, and the two texts above as they are."""

POLICY = f"default-src 'none'; {_NOWHERE}"
"""That of every other answer, none of which is a page."""
