"""The images that the tests of this folder share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.containers import Container, Plain, built_image, missing_engine, plain_image, run_container
from tests.servers import copy_store


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


@pytest.fixture(scope="session")
def plain(engine: None, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plain]:  # noqa: ARG001  # or skip
    """BentoML's own image, made in a folder that holds nothing of the project."""
    home = copy_store(store, tmp_path_factory.mktemp("plain"))
    with plain_image(home, tmp_path_factory.mktemp("elsewhere")) as made:
        yield made


@pytest.fixture(scope="session")
def plain_container(plain: Plain) -> Iterator[Container]:
    """A container of BentoML's own image, run without any restriction, as BentoML says to."""
    with run_container(plain.image, restrictions=()) as running:
        yield running
