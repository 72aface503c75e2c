"""The container engine for the tests: the image that is shipped, and containers of it, restricted as documented.

The plain image, BentoML's own, is made by its commands as its documentation has them.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.servers import ROOT, environment, run_python, wait_for

READY_SECONDS = 180
"""How long a container is waited for; a machine that is busy with other things takes its time."""

RESTRICTIONS = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
"""What a platform team asks of a container, and what every container in these tests is run with."""


def docker(*arguments: str | Path, check: bool = True, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """A finished docker command, its output as text."""
    result = subprocess.run(
        ["docker", *map(str, arguments)], capture_output=True, text=True, timeout=timeout, check=False
    )
    assert not check or result.returncode == 0, f"docker {' '.join(map(str, arguments))}\n{result.stderr}"
    return result


def missing_engine() -> str | None:
    """Why no image can be built and run here; None where one can."""
    try:
        version = docker("version", "--format", "{{.Server.Version}}", check=False, timeout=20)
    except (FileNotFoundError, subprocess.TimeoutExpired) as exc:
        return f"no container engine: {exc}"
    if version.returncode:
        return f"no container engine: {version.stderr.strip()}"
    # A client without BuildKit (a newer one without its plugin) can't build the image.
    build = subprocess.run(
        ["docker", "build", "--help"],
        env=environment(ROOT, DOCKER_BUILDKIT="1"),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return f"the docker client lacks BuildKit: {build.stderr.strip()}" if build.returncode else None


@contextmanager
def built_image(home: Path, *imported: str | Path) -> Iterator[str]:
    """A new image built in `home`, an empty BENTOML_HOME; removed at the end.

    Args:
        home: an empty folder.
        imported: arguments for `import_model.py` (`--policy FILE`): what is packed in instead of artifacts/.
    """
    image = f"credit-risk-api:test-{uuid.uuid4().hex[:12]}"
    run_python("import_model.py", *imported, home=home)
    path = f"{Path(sys.executable).parent}:{environment(home)['PATH']}"
    built = subprocess.run(
        [ROOT / "deploy" / "image" / "build", image],
        cwd=ROOT,
        env=environment(home, PATH=path),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert built.returncode == 0, f"{built.stdout}\n{built.stderr}"
    try:
        yield image
    finally:
        docker("image", "rm", "--force", image)


@dataclass(frozen=True)
class Plain:
    """BentoML's own image.

    Attributes:
        image: the name in the command that `bentoml containerize` printed for running it.
        printed: all that `bentoml build` and `bentoml containerize` printed, in this order.
    """

    image: str
    printed: tuple[str, str]


def bentoml(*arguments: str | Path, home: Path, cwd: Path) -> str:
    """All that a BentoML command prints, on lines that are not wrapped; it must succeed."""
    result = subprocess.run(
        [sys.executable, "-m", "bentoml", *map(str, arguments)],
        cwd=cwd,
        env=environment(home, COLUMNS="200"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


@contextmanager
def plain_image(home: Path, elsewhere: Path) -> Iterator[Plain]:
    """A new image of BentoML's own, removed at the end.

    Args:
        home: a BENTOML_HOME with model and policy.
        elsewhere: the folder in which the commands are given.
    """
    # Without -f, BentoML finds the bentofile only in the working directory and below.
    built = bentoml("build", "-f", ROOT / "bentofile.yaml", ROOT, home=home, cwd=elsewhere)
    containerized = bentoml("containerize", "credit-risk-api:latest", home=home, cwd=elsewhere)
    (image,) = re.findall(r"docker run --rm -p 3000:3000 (\S+)", containerized)
    try:
        yield Plain(image, (built, containerized))
    finally:
        docker("image", "rm", "--force", image)


@dataclass(frozen=True)
class Container:
    """A running container.

    Attributes:
        id: the engine's name for it.
        url: where its port 3000 is published; empty where it has no network.
    """

    id: str
    url: str

    def run(self, *command: str, check: bool = True) -> str:
        """Standard output of a command inside."""
        return docker("exec", self.id, *command, check=check).stdout

    def inspect(self) -> dict[str, Any]:
        """What the engine knows of it."""
        return json.loads(docker("inspect", self.id).stdout)[0]

    def log(self) -> str:
        """All that it wrote."""
        result = docker("logs", self.id)
        return result.stdout + result.stderr

    def lines(self) -> list[dict[str, Any]]:
        """Its log; a line that is no JSON object fails."""
        return [json.loads(line) for line in self.log().splitlines()]

    def ready(self) -> bool:
        """Whether GET /readyz is 200; an ended container fails."""
        assert self.inspect()["State"]["Running"], self.log()
        try:
            return httpx.get(f"{self.url}/readyz", timeout=1).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self, seconds: int = 30) -> int:
        """Send SIGTERM, and give the exit code."""
        docker("stop", "--time", str(seconds), self.id)
        return self.inspect()["State"]["ExitCode"]


@contextmanager
def run_container(
    image: str, *options: str, restrictions: tuple[str, ...] = RESTRICTIONS, ready: bool = True, **settings: str
) -> Iterator[Container]:
    """A container on a free port of 127.0.0.1, once it is ready; removed at the end.

    Args:
        image: what to run.
        options: further options for `docker run`.
        restrictions: the options that take rights away.
        ready: whether to wait until it is.
        settings: environment variables inside.
    """
    variables = [argument for name, value in settings.items() for argument in ("--env", f"{name}={value}")]
    name = docker(
        "run", "--detach", *restrictions, "--publish", "127.0.0.1::3000", *variables, *options, image
    ).stdout.strip()
    try:
        ports = json.loads(docker("inspect", "--format", "{{json .NetworkSettings.Ports}}", name).stdout)
        bound = ports.get("3000/tcp")
        container = Container(name, f"http://127.0.0.1:{bound[0]['HostPort']}" if bound else "")
        if ready:
            wait_for(container.ready, READY_SECONDS)
        yield container
    finally:
        docker("rm", "--force", "--volumes", name)
