"""BentoML's own image: its commands make one that runs, and it answers as the checkout and the hardened image do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests import expect
from tests.container.containers import Container, Plain, docker, run_container

pytestmark = pytest.mark.container


class TestCommands:
    def test_no_warning(self, plain: Plain) -> None:
        """Neither command has anything to warn of, but what BentoML's own steps and the engine's disk bring."""
        lines = [line for text in plain.printed for line in text.splitlines()]
        # BentoML declares --quiet twice; its steps add a user, install Debian's packages without their manuals, and uv
        # as root. uv's cache and the image may lie on two file systems, as the engine has them.
        others = re.compile(
            "The parameter --quiet is used|useradd|update-alternatives|Running pip as the 'root' user"
            "|hardlink|UV_LINK_MODE|same filesystem",
            re.IGNORECASE,
        )

        assert [] == [line for line in lines if re.search("(?i)warning", line) and not others.search(line)]

    def test_next_step(self, plain: Plain) -> None:
        """What `bentoml build` prints for containerizing names the image that containerizing the latest made."""
        (command,) = re.findall(r"\$ bentoml (containerize \S+)", plain.printed[0])

        assert ["containerize", plain.image] == command.split()

    def test_serves_that_bento(self, plain: Plain, plain_container: Container) -> None:
        """The container serves the Bento that it was made of."""
        assert plain.image == expect.answer(httpx.get(f"{plain_container.url}/version"))["bento"]


@pytest.mark.parametrize("kind", ["plain_container", "container"])
def test_answers_as_the_checkout_does(
    kind: str,
    request: pytest.FixtureRequest,
    client: httpx.Client,
    example: dict[str, Any],
    applications: list[dict[str, Any]],
) -> None:
    """Both images: the same bytes for the same applications, from the same model and policy."""
    container: Container = request.getfixturevalue(kind)

    for path, body in {"/predict": example, "/predict/explain": example, "/predict/batch": applications}.items():
        answer = httpx.post(f"{container.url}{path}", json=body, timeout=30)

        assert expect.answer(answer)
        assert client.post(path, json=body).content == answer.content
    here, there = (expect.answer(httpx.get(f"{url}/version")) for url in (client.base_url, container.url))
    assert {**here, "bento": None} == {**there, "bento": None}


class TestImage:
    def test_size(self, plain: Plain, record_property: Callable[[str, object], None]) -> None:
        """What it is of is BentoML's: compilers and uv for the most part."""
        size = json.loads(docker("image", "inspect", plain.image).stdout)[0]["Size"]
        record_property("plain_image_megabytes", round(size / 1e6))
        assert size

    def test_user(self, plain_container: Container) -> None:
        """It doesn't run as root, but as the hardened image's user."""
        assert "uid=1034(bentoml) gid=1034(bentoml) groups=1034(bentoml)" == plain_container.run("id").strip()

    def test_restricted(self, plain: Plain) -> None:
        """Under the hardened image's restrictions it runs, too, where BENTOML_HOME is in /tmp; told to end, it does."""
        with run_container(plain.image, BENTOML_HOME="/tmp/bentoml") as container:
            assert 0 == container.stop()
            assert container.lines()
