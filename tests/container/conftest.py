"""The image that the tests of this folder share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.container.engine import Container, built_image, missing_engine, run_container


@pytest.fixture(scope="session")
def engine() -> None:
    """Skip where no image can be built and run."""
    if reason := missing_engine():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def image(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:  # noqa: ARG001  # or skip
    """The image that is shipped: the one that CREDIT_RISK_TEST_IMAGE names, else a new one."""
    if name := os.environ.get("CREDIT_RISK_TEST_IMAGE"):
        yield name
    else:
        with built_image(tmp_path_factory.mktemp("image")) as name:
            yield name


@pytest.fixture(scope="session")
def container(image: str) -> Iterator[Container]:
    """A running container that the tests only look at."""
    with run_container(image) as running:
        yield running
