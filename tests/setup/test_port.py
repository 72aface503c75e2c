"""What is said of an address that nothing can listen on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from tests.servers import ROOT


def asked(host: str, port: object) -> subprocess.CompletedProcess[str]:
    """Run it as `make serve` does."""
    return subprocess.run(
        [sys.executable, ROOT / "setup" / "port.py", host, str(port)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_taken() -> None:
    """Another server has the port: the remedy is named, and after that server has gone there is nothing to say."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = asked("127.0.0.1", port)
    assert (1, "") == (refused.returncode, refused.stdout)
    assert f"setup: 127.0.0.1:{port} can't be listened on (Address already in use); name another with PORT=" in (
        refused.stderr
    )
    free = asked("127.0.0.1", port)
    assert (0, "", "") == (free.returncode, free.stdout, free.stderr)


@pytest.mark.parametrize(
    ("host", "port", "said"),
    [
        ("192.0.2.1", 0, "192.0.2.1:0 can't be listened on ("),
        ("127.0.0.1", "http", "http is no port"),
        ("127.0.0.1", 99999, "99999 is no port"),
    ],
)
def test_no_address(host: str, port: object, said: str) -> None:
    """An address of another machine, a word, and a number that is no port are refused in one line."""
    refused = asked(host, port)
    assert (1, 1) == (refused.returncode, refused.stderr.count("\n"))
    assert f"setup: {said}" in refused.stderr


def test_make_serve_asks_first() -> None:
    """Before it imports or loads anything."""
    planned = subprocess.run(
        ["make", "-n", "serve", "HOST=127.0.0.1", "PORT=3999"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert -1 < planned.index("setup/port.py 127.0.0.1 3999") < planned.index("import_model.py")


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ({}, "sqlite:/home/records"),
        ({"CREDIT_RISK_RECORDS": ""}, ""),
        ({"CREDIT_RISK_RECORDS": "postgresql://host/base"}, "postgresql://host/base"),
    ],
)
def test_make_serve_keeps_decisions(told: dict[str, str], kept: str) -> None:
    """Beside the models, unless it is told where, or nowhere."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CREDIT_RISK_")}
    said = subprocess.run(
        # What the server would be started with: BIN's programs do nothing here, and a target beside tells.
        [
            *("make", "--silent", "--eval=serve: told", "--eval=told:; @echo kept in [$$CREDIT_RISK_RECORDS]"),
            *("-o", "port", "-o", "import", "BIN=/bin/true #", "serve"),
        ],
        cwd=ROOT,
        env=environ | {"BENTOML_HOME": "/home"} | told,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    ).stdout
    assert f"kept in [{kept}]\n" in said
