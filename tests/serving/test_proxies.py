"""Behind a real nginx as docs/http.md configures it, under a prefix that it takes off and one that it leaves on."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from tests import expect
from tests.servers import ROOT, Server, copy_store, serving, wait_for

pytestmark = pytest.mark.slow

PAGE = "https://desk.example"
(CONFIGURATION,) = re.findall(r"```nginx\n(.*?)```", (ROOT / "docs" / "http.md").read_text(encoding="utf-8"), re.DOTALL)


@dataclass(frozen=True)
class Proxied:
    """A service behind nginx.

    Attributes:
        url: nginx's, with the prefix.
        server: the service behind it.
    """

    url: str
    server: Server


def answers(port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def nginx(server: Server, folder: Path) -> Iterator[str]:
    """Address of an nginx in front of the server, as documented but for the ports."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if program is None:
        pytest.skip("needs nginx; .ci/proxy-tools installs it on Debian")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shown = CONFIGURATION.replace("127.0.0.1:3000", "{}:{}".format(*server.address))
    shown = shown.replace("127.0.0.1:8080", f"127.0.0.1:{port}")
    kept = "".join(
        f"{kind}_temp_path {folder / kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"daemon off;\nmaster_process off;\npid {folder / 'pid'};\nevents {{}}\n"
        f"http {{\naccess_log off;\n{kept}{shown}}}\n"
    )
    with subprocess.Popen([program, "-e", "stderr", "-c", str(configuration)]) as running:
        try:
            wait_for(lambda: answers(port))
            yield f"http://127.0.0.1:{port}"
        finally:
            running.terminate()


@pytest.fixture(scope="module")
def stripped(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """Behind a proxy that takes the prefix off."""
    with nginx(server, tmp_path_factory.mktemp("nginx")) as url:
        yield Proxied(f"{url}/scoring", server)


@pytest.fixture(scope="module")
def unstripped(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """Behind a proxy that leaves the prefix on, and open to a page."""
    home = copy_store(store, tmp_path_factory.mktemp("unstripped"))
    settings = {"CREDIT_RISK_ROOT_PATH": "/credit-risk", "CREDIT_RISK_CORS_ORIGINS": PAGE}
    with serving(home, **settings) as server, nginx(server, tmp_path_factory.mktemp("nginx")) as url:
        yield Proxied(f"{url}/credit-risk", server)


@pytest.fixture(params=["stripped", "unstripped"])
def proxied(request: pytest.FixtureRequest) -> Proxied:
    found: Proxied = request.getfixturevalue(request.param)
    return found


class TestPrefixes:
    def test_page(self, proxied: Proxied) -> None:
        """From the prefix one gets to the page, and all that it loads lies under the prefix too."""
        page = httpx.get(proxied.url, follow_redirects=True)
        references = re.findall(r'(?:src|href)="([^"]+)"', page.text)

        assert f"{proxied.url}/docs" == str(page.url)
        assert 3 == len(references)
        for reference in (*references, "./docs.json"):
            assert 200 == httpx.get(urljoin(str(page.url), reference)).status_code

    def test_page_sends_requests_to_where_it_came_from(self, proxied: Proxied) -> None:
        """Its script puts its own address into the document, whatever that says."""
        if shutil.which("node") is None:
            pytest.skip("needs node")
        (script,) = re.findall(r"<script>(.*?)</script>", httpx.get(f"{proxied.url}/docs").text, re.DOTALL)
        browser = f"""
            globalThis.location = "{proxied.url}/docs";
            const document = {{servers: [{{url: "http://elsewhere.example"}}]}};
            globalThis.fetch = async (path) => ({{json: async () => ({{...document, path}})}});
            globalThis.SwaggerUIBundle = ({{spec}}) => console.log(JSON.stringify(spec));
        """
        done = subprocess.run(["node", "-e", browser + script], capture_output=True, text=True, check=True, timeout=30)

        assert {"servers": [{"url": proxied.url}], "path": "./docs.json"} == json.loads(done.stdout)

    def test_document(self, proxied: Proxied, example: dict[str, Any]) -> None:
        """The address in the document is the one that works."""
        (served,) = httpx.get(f"{proxied.url}/docs.json").json()["servers"]
        direct = expect.answer(httpx.post(f"{proxied.server.url}/predict", json=example))

        assert proxied.url == served["url"]
        assert direct == expect.answer(httpx.post(f"{served['url']}/predict", json=example))

    def test_methods_and_errors(self, proxied: Proxied, example: dict[str, Any]) -> None:
        """OPTIONS, HEAD and problem documents come through as they are, that of a body over the limit too."""
        options = httpx.options(f"{proxied.url}/predict")
        head, get = httpx.head(f"{proxied.url}/health"), httpx.get(f"{proxied.url}/health")

        assert (204, "POST, OPTIONS") == (options.status_code, options.headers["Allow"])
        assert (200, get.headers["Content-Length"], b"") == (
            head.status_code,
            head.headers["Content-Length"],
            head.content,
        )
        expect.problem(httpx.get(f"{proxied.url}/nowhere"), 404, "not-found")
        expect.problem(httpx.post(f"{proxied.url}/predict", json=example | {"loan_grade": "Z"}), 422, "invalid-request")
        large = {"content": b" " * 1_048_577, "headers": {"Content-Type": "application/json"}}
        expect.problem(httpx.post(f"{proxied.url}/predict", **large), 413, "body-too-large")

    def test_without_the_prefix(self, unstripped: Proxied) -> None:
        """Who comes straight to the port needs none, and metrics know the route by one name."""
        url = unstripped.server.url

        assert [200, 200] == [httpx.get(f"{url}{path}").status_code for path in ("/livez", "/credit-risk/livez")]
        assert "/credit-risk/livez" not in httpx.get(f"{url}/metrics").text


class TestPagesOfOtherOrigins:
    def test_a_page_asks_and_sends(self, unstripped: Proxied, example: dict[str, Any]) -> None:
        """Preflight, answer and error as a browser needs them, through the proxy."""
        url, origin = f"{unstripped.url}/predict", {"Origin": PAGE}
        asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}

        preflight = httpx.options(url, headers=origin | asks)
        good = httpx.post(url, json=example, headers=origin)
        bad = httpx.post(url, json=example | {"loan_grade": "Z"}, headers=origin)
        other = httpx.post(url, json=example, headers={"Origin": "https://other.example"})

        assert (204, "POST") == (preflight.status_code, preflight.headers["Access-Control-Allow-Methods"])
        assert "Content-Type" in preflight.headers["Access-Control-Allow-Headers"]
        expect.problem(bad, 422, "invalid-request")
        for response in (preflight, good, bad):
            assert (PAGE, "Origin") == (response.headers["Access-Control-Allow-Origin"], response.headers["Vary"])
            assert "X-Request-ID" in response.headers["Access-Control-Expose-Headers"]
        assert expect.answer(good) == expect.answer(other)
        assert "Access-Control-Allow-Origin" not in other.headers
