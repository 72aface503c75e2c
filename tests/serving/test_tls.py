"""TLS by BentoML's own options: what is served, who is refused, what is said of options that can't be used."""

from __future__ import annotations

import inspect
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bentoml
import click
import httpx
import pytest
import uvicorn.config
from _bentoml_impl.worker.service import main as worker
from bentoml._internal.configuration.containers import BentoMLContainer

from serving.bento import health
from serving.bento.ciphers import CIPHERS, default_ciphers
from serving.bento.tls import BENTOML_CIPHERS, VARIABLES, check_tls, container_options
from serving.settings import SettingsError
from tests.certificates import Pair, authority, encrypted, signed
from tests.servers import HANG_SECONDS, ROOT, Server, copy_store, environment, serving, wait_for


@dataclass(frozen=True)
class Certificates:
    """An authority's, the server's and a client's; and a client's that another authority has signed."""

    folder: Path
    authority: Pair
    server: Pair
    client: Pair
    stranger: Pair


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    ours, other = authority(folder, "authority"), authority(folder, "other")
    return Certificates(
        folder,
        ours,
        signed(folder, "server", ours),
        signed(folder, "client", ours),
        signed(folder, "stranger", other),
    )


def trusting(certificates: Certificates, own: Pair | None = None) -> ssl.SSLContext:
    """What a client needs that knows the authority, and may have a certificate of its own."""
    context = ssl.create_default_context(cafile=str(certificates.authority.certificate))
    if own is not None:
        context.load_cert_chain(own.certificate, own.key)
    return context


@pytest.fixture(scope="module")
def tls(store: Path, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that wants a client's certificate."""
    options = {
        "--ssl-certfile": certificates.server.certificate,
        "--ssl-keyfile": certificates.server.key,
        "--ssl-ca-certs": certificates.authority.certificate,
        "--ssl-cert-reqs": 2,
    }
    home = copy_store(store, tmp_path_factory.mktemp("tls"))
    with serving(home, until=None, options=[str(each) for pair in options.items() for each in pair]) as server:
        wait_for(lambda: server.find(message="Application startup complete."))
        server.url = server.url.replace("http", "https")
        yield server


def checked(options: dict[str, Any], **variables: str) -> None:
    """Check options as if a command of BentoML's with them were running."""
    with click.Context(click.Command("serve")) as context:
        context.params = dict.fromkeys(VARIABLES.values()) | options
        check_tls(variables)


class TestOptions:
    def test_uvicorn_makes_its_context_so(self) -> None:
        source = inspect.getsource(uvicorn.config.Config.load)
        assert "self.ssl = create_ssl_context(" in source, "uvicorn has changed inside: see serving/bento/tls.py"
        assert BENTOML_CIPHERS == BentoMLContainer.ssl.ciphers.get(), "BentoML has changed: see serving/bento/tls.py"

    @pytest.mark.parametrize(
        ("named", "taken"), [(BENTOML_CIPHERS, CIPHERS), ("ECDHE+AESGCM", "ECDHE+AESGCM"), (None, None)]
    )
    def test_ciphers_where_nobody_has_named_any(
        self, monkeypatch: pytest.MonkeyPatch, named: str | None, taken: str | None
    ) -> None:
        """They are named, since what is Python's own choice depends on who built it."""
        made: list[dict[str, Any]] = []
        monkeypatch.setattr(uvicorn.config, "create_ssl_context", lambda **options: made.append(options))
        default_ciphers()
        uvicorn.config.create_ssl_context(ciphers=named, certfile="server.pem")  # type: ignore[call-arg]  # a stand-in
        assert [{"ciphers": taken, "certfile": "server.pem"}] == made

    def test_bentoml_has_them(self) -> None:
        """In the worker, and in the command that starts it."""
        assert set(VARIABLES.values()) <= {each.name for each in worker.params}, "see serving/bento/tls.py"
        command = subprocess.run(
            [
                sys.executable,
                "-c",
                "from bentoml_cli.serve import serve_command as serve; print(*serve.commands['serve'].params)",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert set(VARIABLES.values()) <= set(command.stdout.replace(">", " ").split()), command.stderr

    def test_nothing_is_asked_of_other_commands(self) -> None:
        check_tls({"BENTOML_SSL_CERTFILE": "nowhere"})

    def test_what_can_be_used_passes(self, certificates: Certificates) -> None:
        server = {"ssl_certfile": str(certificates.server.certificate), "ssl_keyfile": str(certificates.server.key)}
        clients = {"ssl_cert_reqs": 2, "ssl_ca_certs": str(certificates.authority.certificate)}
        both = certificates.folder / "both.pem"
        both.write_text(certificates.server.key.read_text() + certificates.server.certificate.read_text())
        locked = {"ssl_keyfile": str(encrypted(certificates.folder, certificates.server.key, "secret"))}
        checked({})
        checked({"ssl_version": 17, "ssl_cert_reqs": 0, "ssl_ciphers": "TLSv1"})  # as BentoML has it without TLS
        checked(server)
        checked(server | clients | {"ssl_ciphers": "ECDHE+AESGCM", "ssl_version": 17})
        checked({"ssl_certfile": str(both)})
        checked(server | locked | {"ssl_keyfile_password": "secret"})

    @pytest.mark.parametrize(
        ("changed", "told"),
        [
            ({"ssl_certfile": None}, "--ssl-keyfile: nothing is served by TLS without a certificate"),
            ({"ssl_certfile": "{}/absent.pem"}, "--ssl-certfile: {}/absent.pem can't be read: No such file"),
            ({"ssl_certfile": "{}/server.key"}, "--ssl-certfile: {}/server.key holds no certificate"),
            ({"ssl_keyfile": None}, "--ssl-keyfile: {}/server.pem holds no private key"),
            ({"ssl_keyfile": "{}/absent.key"}, "--ssl-keyfile: {}/absent.key can't be read: No such file"),
            ({"ssl_keyfile": "{}/client.key"}, "--ssl-keyfile: {}/client.key is the key of another certificate"),
            ({"ssl_keyfile": "{}/client.pem"}, "--ssl-keyfile: {}/client.pem holds no private key"),
            ({"ssl_keyfile": "{}/encrypted-client.key"}, "--ssl-keyfile-password: is missing: the key is encrypted"),
            (
                {"ssl_keyfile": "{}/encrypted-client.key", "ssl_keyfile_password": "wrong"},
                "--ssl-keyfile-password: is not that of the key",
            ),
            ({"ssl_version": 16}, "--ssl-version: TLS 1.2 and 1.3 are spoken; leave it out"),
            ({"ssl_ciphers": "NONSENSE"}, "--ssl-ciphers: OpenSSL knows none of these"),
            ({"ssl_cert_reqs": 3}, "--ssl-cert-reqs: must be 0 (none is asked for)"),
            ({"ssl_cert_reqs": 2}, "--ssl-cert-reqs: no client certificate could be verified; add --ssl-ca-certs"),
            ({"ssl_ca_certs": "{}/authority.pem"}, "--ssl-ca-certs: no client is asked for a certificate"),
            (
                {"ssl_ca_certs": "{}/authority.key", "ssl_cert_reqs": 1},
                "--ssl-ca-certs: {}/authority.key holds no certificate",
            ),
        ],
    )
    def test_what_can_not_be_used_is_named(
        self, certificates: Certificates, changed: dict[str, Any], told: str
    ) -> None:
        folder = certificates.folder
        encrypted(folder, certificates.client.key, "secret")
        options = {"ssl_certfile": "{}/server.pem", "ssl_keyfile": "{}/server.key"} | changed
        with pytest.raises(SettingsError) as refused:
            checked({k: v.format(folder) if isinstance(v, str) else v for k, v in options.items()})
        assert str(refused.value).startswith(f"settings refused: {told.format(folder)}")

    def test_a_containers_variables_are_not_ignored_elsewhere(self, certificates: Certificates) -> None:
        with pytest.raises(SettingsError, match=r"BENTOML_SSL_CERTFILE: only the image reads it.*--ssl-certfile"):
            checked({}, BENTOML_SSL_CERTFILE=str(certificates.server.certificate))

    def test_a_containers_variables_become_options(self) -> None:
        variables = {"BENTOML_SSL_CERTFILE": "a.pem", "BENTOML_SSL_CERT_REQS": "2", "BENTOML_SSL_CIPHERS": ""}
        assert ["--ssl-certfile=a.pem", "--ssl-cert-reqs=2"] == sorted(container_options(variables), reverse=True)
        with pytest.raises(SettingsError, match="BENTOML_SSL_CERTIFICATE: no such setting"):
            container_options({"BENTOML_SSL_CERTIFICATE": "a.pem"})
        with pytest.raises(SettingsError, match="BENTOML_SSL_CERT_REQS: must be a number"):
            container_options({"BENTOML_SSL_CERT_REQS": "required"})


@pytest.mark.slow
class TestServed:
    """By `bentoml serve`."""

    @pytest.fixture
    def caller(self, tls: Server, certificates: Certificates) -> Iterator[httpx.Client]:
        context = trusting(certificates, certificates.client)
        with httpx.Client(base_url=tls.url, verify=context, timeout=HANG_SECONDS) as client:
            yield client

    def test_every_route_answers(self, caller: httpx.Client, example: dict[str, Any], client: httpx.Client) -> None:
        """As without TLS: the scoring routes, which go past BentoML's, and its own."""
        for path, body in (("/predict", example), ("/predict/batch", [example] * 3), ("/predict/explain", example)):
            assert client.post(path, json=body).json() == caller.post(path, json=body).json()
        assert {200} == {caller.get(path).status_code for path in ("/readyz", "/metrics", "/docs", "/version")}
        assert caller.get("/docs.json").json()["servers"][0]["url"].startswith("https://127.0.0.1:")

    def test_a_large_body_and_answer(self, caller: httpx.Client, example: dict[str, Any]) -> None:
        """Many records of TLS in both directions."""
        answer = caller.post("/predict/batch", json=[example] * 500)
        assert 500 == answer.json()["batch_size"]

    def test_bentomls_client(self, tls: Server, certificates: Certificates, example: dict[str, Any]) -> None:
        """As docs/tls.md has it: by the class of its HTTP client."""

        class Trusting(httpx.Client):
            def __init__(self, **options: Any) -> None:
                super().__init__(verify=trusting(certificates, certificates.client), **options)

        class Client(bentoml.SyncHTTPClient):
            client_cls = Trusting

        with Client(tls.url) as client:
            assert "decision" in client.predict(example)
        client._temp_dir.cleanup()  # BentoML leaves it to the garbage collector, which warns

    @pytest.mark.parametrize("who", ["nobody", "stranger"])
    def test_a_client_that_the_authority_does_not_know_is_refused(
        self, tls: Server, certificates: Certificates, example: dict[str, Any], who: str
    ) -> None:
        own = certificates.stranger if who == "stranger" else None
        with httpx.Client(verify=trusting(certificates, own)) as client, pytest.raises(httpx.TransportError):
            client.post(f"{tls.url}/predict", json=example)

    def test_plain_http_is_refused(self, tls: Server, example: dict[str, Any]) -> None:
        with pytest.raises(httpx.TransportError):
            httpx.post(f"{tls.url.replace('https', 'http')}/predict", json=example)

    @pytest.mark.parametrize(("ciphers", "taken"), [("ECDHE+AESGCM", True), ("ECDHE-ECDSA-AES128-SHA", False)])
    def test_ciphers_of_tls_1_2(self, tls: Server, certificates: Certificates, ciphers: str, taken: bool) -> None:
        """With BentoML's default it would be the other way round."""
        context = trusting(certificates, certificates.client)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
        with socket.create_connection(tls.address) as plain:
            try:
                with context.wrap_socket(plain, server_hostname="127.0.0.1") as encrypted:
                    agreed = encrypted.cipher()
            except OSError:
                agreed = None
        assert taken == (agreed is not None), agreed

    def test_older_versions_are_refused(self, tls: Server, certificates: Certificates) -> None:
        context = trusting(certificates, certificates.client)
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(OSError), socket.create_connection(tls.address) as plain:  # noqa: PT011  # whatever ends it
            context.wrap_socket(plain, server_hostname="127.0.0.1")

    def test_the_refused_leave_no_line(self, tls: Server) -> None:
        """Or a scanner of ports would fill the log."""
        at_start = ("access is open", "decisions are not recorded")
        assert {"INFO"} == {line["level"] for line in tls.lines() if not line["message"].startswith(at_start)}


@contextmanager
def container(home: Path, **settings: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """What an image runs."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings |= {"BENTO_PATH": "service:CreditRisk", "BENTOML_HOST": "127.0.0.1", "BENTOML_PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "-m", "serving.bento.container"],
        cwd=ROOT,
        env=environment(home, **settings),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, port
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
class TestContainer:
    def test_by_variables(
        self, store: Path, certificates: Certificates, tmp_path: Path, example: dict[str, Any]
    ) -> None:
        """Its health check shows the server's certificate where one is wanted, and is refused without."""
        variables = {
            "BENTOML_SSL_CERTFILE": str(certificates.server.certificate),
            "BENTOML_SSL_KEYFILE": str(encrypted(certificates.folder, certificates.server.key, "secret")),
            "BENTOML_SSL_KEYFILE_PASSWORD": "secret",
            "BENTOML_SSL_CA_CERTS": str(certificates.authority.certificate),
            "BENTOML_SSL_CERT_REQS": "2",
        }
        with container(copy_store(store, tmp_path), **variables) as (process, port):
            asks = [sys.executable, "-IS", health.__file__, "/readyz"]
            own = os.environ | variables | {"BENTOML_PORT": str(port)}

            def healthy(environment: dict[str, str]) -> str:
                assert process.poll() is None
                result = subprocess.run(asks, env=environment, capture_output=True, text=True, check=False)
                assert (result.returncode == 0) == (result.stderr == "")
                return result.stderr or "healthy"

            wait_for(lambda: healthy(own) == "healthy")
            for without in ("BENTOML_SSL_CERT_REQS", "BENTOML_SSL_CERTFILE"):
                assert "healthy" != healthy(own | {without: ""})
            with httpx.Client(verify=trusting(certificates, certificates.client)) as client:
                answer = client.post(f"https://127.0.0.1:{port}/predict", json=example)
            assert 200 == answer.status_code
            process.terminate()
            assert 0 == process.wait(HANG_SECONDS)

    def test_a_key_that_is_not_there(self, store: Path, certificates: Certificates, tmp_path: Path) -> None:
        variables = {"BENTOML_SSL_CERTFILE": str(certificates.server.certificate), "BENTOML_SSL_KEYFILE": "absent.key"}
        with container(copy_store(store, tmp_path), **variables) as (process, _):
            output, _ = process.communicate(timeout=HANG_SECONDS)
        (line,) = map(json.loads, output.splitlines())
        told = "settings refused: --ssl-keyfile: absent.key can't be read: No such file or directory; name a file that "
        assert (1, "CRITICAL", f"{told}the service may read") == (process.returncode, line["level"], line["message"])


@pytest.mark.slow
def test_bentoml_serve_ends_with_one_line(certificates: Certificates, tmp_path: Path) -> None:
    """And not with a worker after the other, each of which ends with a traceback."""
    options = ["--ssl-certfile", str(certificates.server.certificate), "--ssl-keyfile", str(certificates.client.key)]
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "bentoml",
            "serve",
            "service:CreditRisk",
            "--host",
            "127.0.0.1",
            "--port",
            "1",
            *options,
        ],
        cwd=ROOT,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    (line,) = map(json.loads, result.stdout.splitlines())
    told = f"settings refused: --ssl-keyfile: {certificates.client.key} is the key of another certificate"
    assert (1, told) == (result.returncode, line["message"])
