"""Two versions of model and policy behind the proxy: `switch` under load, and back, without a failed request."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from scoring.artifact import MANIFEST
from tests import expect
from tests.artifacts import POLICY_FOLDER, edit, small_model
from tests.container.containers import built_image, docker
from tests.container.offered import Sample, offering
from tests.container.stacks import Stack, available, build, ready, stack, tagged
from tests.deploy.monitoring import free_port
from tests.servers import ROOT, run_python, wait_for

pytestmark = pytest.mark.container

RATE = 200
OLD, NEW = ("2.0.0", "1.1.0"), ("3.0.0", "4.0.0")
"""Versions of model and policy."""


@pytest.fixture(scope="module")
def new_image(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The image with another model, of few trees, and another policy, under versions of their own."""
    assert image
    home = tmp_path_factory.mktemp("new")
    model = small_model(tmp_path_factory.mktemp("model") / "small")
    edit(model / MANIFEST, lambda manifest: manifest.update(version=NEW[0]))
    policy = tmp_path_factory.mktemp("policy")
    shutil.copytree(POLICY_FOLDER, policy, dirs_exist_ok=True)
    edit(policy / "decision_policy.json", lambda document: document.update(version=NEW[1]))
    run_python("import_model.py", "--model", model, home=home)
    with built_image(home, "--policy", policy / "decision_policy.json") as name:
        yield name


@pytest.fixture(scope="module")
def unready_image(image: str) -> Iterator[str]:
    """An image that lives and never is ready."""
    name = f"{image}-unready"
    build(name, f"FROM {image}\nENV CREDIT_RISK_POLICY_PATH=/absent.json\n")
    yield name
    docker("image", "rm", "--force", name)


class BlueGreen:
    """The two colours and the proxy, made of a copy of deploy/compose: `switch` writes down there what answers."""

    def __init__(self, project: Stack) -> None:
        self.project = project

    def switch(self, *arguments: str, seconds: int = 90) -> subprocess.CompletedProcess[str]:
        """Run `switch`, which waits so long for readiness."""
        return subprocess.run(
            [self.project.file.parent / "switch", *arguments],
            env=self.project.environment | {"READY_SECONDS": str(seconds)},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def versions(self) -> tuple[str, str]:
        """What answers: versions of model and policy."""
        version = expect.answer(httpx.get(f"{self.project.url}/version"))
        return version["model_version"], version["policy_version"]


@pytest.fixture(scope="module")
def tags(image: str, new_image: str, unready_image: str) -> Iterator[dict[str, str]]:
    """The tags of the images."""
    with ExitStack() as opened:
        yield {
            name: opened.enter_context(tagged(each))
            for name, each in {"old": image, "new": new_image, "unready": unready_image}.items()
        }


@pytest.fixture(scope="module")
def running(tags: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlueGreen]:
    """The old version as blue."""
    folder = tmp_path_factory.mktemp("deploy") / "compose"
    shutil.copytree(ROOT / "deploy" / "compose", folder, ignore=shutil.ignore_patterns("active.map"))
    open_to_all = {
        "CREDIT_RISK_ACCESS": "open",
        "CREDIT_RISK_KEYS_FILE": "",
    }  # who may ask is test_compose.py's subject
    with (
        stack(folder / "blue-green.yaml", PORT=str(free_port()), **open_to_all) as project,
        available(yaml_image(project)),
    ):
        blue_green = BlueGreen(project)
        first = blue_green.switch("blue", tags["old"])
        assert first.returncode == 0, first.stdout + first.stderr
        yield blue_green
        project.run("rm", "--stop", "--force", "proxy")


def yaml_image(project: Stack) -> str:
    """The proxy's image."""
    return project.config()["proxy"]["image"]


def versions_of(samples: list[Sample]) -> set[tuple[str, str]]:
    return {(sample.answer["model_version"], sample.answer["policy_version"]) for sample in samples}


def test_the_first_start(running: BlueGreen) -> None:
    """`switch` brings up a colour and the proxy in front of it, and nothing else."""
    assert {"blue", "proxy"} == running.project.services()
    assert OLD == running.versions()


def test_over_and_back_under_load(
    running: BlueGreen,
    tags: dict[str, str],
    applications: list[dict[str, Any]],
    record_property: pytest.RecordProperty,
) -> None:
    """No request fails; until the switch all get the old version, from its end on the new one, and back again."""
    with offering(running.project.url, applications, RATE) as before:
        time.sleep(3)
    if before.milliseconds(0.99) > 1000:
        pytest.skip(f"this machine has no room for {RATE} requests/s just now, without any switch: {before}")

    with offering(running.project.url, applications, RATE) as offered:
        time.sleep(2)
        over = time.perf_counter(), running.switch("green", tags["new"]), time.perf_counter()
        services = running.project.services()
        time.sleep(3)
        back = time.perf_counter(), running.switch("blue"), time.perf_counter()
        time.sleep(2)

    print(offered, f"; over in {over[2] - over[0]:.1f} s, back in {back[2] - back[0]:.1f} s", sep="")
    record_property("blue_green", str(offered))
    assert [0, 0] == [over[1].returncode, back[1].returncode], over[1].stderr + back[1].stderr
    assert [] == offered.failed()
    assert {"green", "proxy"} == services
    assert len(offered.samples) > RATE * (back[2] - over[0])
    assert {OLD} == versions_of([each for each in offered.samples if each.end < over[0]])
    assert {NEW} == versions_of([each for each in offered.samples if each.due > over[2] and each.end < back[0]])
    assert {OLD} == versions_of([each for each in offered.samples if each.due > back[2]])
    assert {OLD, NEW} == versions_of(offered.samples)  # never one's model with the other's policy


def test_the_one_that_went_drained(running: BlueGreen) -> None:
    """It was told by SIGTERM, and ended by itself."""
    green = running.project.container("green")
    state = green.inspect()["State"]

    assert (False, 0) == (state["Running"], state["ExitCode"])
    assert 1 == sum(line["message"] == "SIGTERM: not ready any more" for line in green.lines())


def test_unready_is_refused(running: BlueGreen, tags: dict[str, str]) -> None:
    """A version that doesn't become ready gets nothing; what answered goes on, also when the proxy starts again."""
    refused = running.switch("green", tags["unready"], seconds=15)
    before = running.versions()
    docker("restart", running.project.container("proxy").id)

    assert (1, True) == (refused.returncode, "green isn't ready" in refused.stderr), refused.stderr
    assert OLD == before
    wait_for(lambda: ready(running.project.url))
    assert OLD == running.versions()


def test_the_active_one_is_refused(running: BlueGreen, tags: dict[str, str]) -> None:
    """The colour that answers is not made anew under its callers."""
    refused = running.switch("blue", tags["new"])

    assert (1, True) == (refused.returncode, "name the other colour" in refused.stderr), refused.stderr
    assert OLD == running.versions()


@pytest.mark.parametrize("arguments", [(), ("red",)])
def test_usage(running: BlueGreen, arguments: tuple[str, ...]) -> None:
    """What is no colour is told how to use it."""
    refused = running.switch(*arguments)

    assert (2, True) == (refused.returncode, refused.stderr.startswith("usage: "))
