"""Idle connections are kept for longer than whoever pools them keeps them, however the service is started."""

from __future__ import annotations

import asyncio
import inspect
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import uvicorn
from uvicorn.server import ServerState

from serving.bento.protocol import UVICORN_KEEP_ALIVE_SECONDS, HTTPProtocol
from tests.servers import Server


class TestKeepAlive:
    @pytest.mark.parametrize(("given", "kept"), [(None, 75), (5, 75), (90, 90), (1, 1)])
    def test_outlives_the_proxies_in_front(self, given: int | None, kept: int) -> None:
        """BentoML hands uvicorn's default on where nobody has said anything; what somebody has said holds."""
        options = {} if given is None else {"timeout_keep_alive": given}
        config = uvicorn.Config(str, log_config=None, **options)
        config.load()
        loop = asyncio.new_event_loop()
        try:
            connection = HTTPProtocol(config, ServerState(), {}, loop)
        finally:
            loop.close()

        assert kept == connection.timeout_keep_alive

    def test_uvicorns_default(self) -> None:
        """What is taken for nothing said is what uvicorn has where nothing is said."""
        assert UVICORN_KEEP_ALIVE_SECONDS == inspect.signature(uvicorn.Config).parameters["timeout_keep_alive"].default

    @pytest.mark.slow
    def test_a_pool_that_pauses(self, server: Server) -> None:
        """Node keeps connections open; after five seconds of silence each one still serves."""
        if shutil.which("node") is None:
            pytest.skip("needs node")
        program = Path(__file__).with_name("keep_alive.js")
        command = ["node", str(program), f"{server.url}/health", "200", "5"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

        assert {"failed": 0, "reused": 200} == json.loads(done.stdout)
