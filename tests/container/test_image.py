"""The image as a platform team looks at it: what is in it, what it may do, how soon it is ready, what it needs."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import statistics
import subprocess
import time
import tomllib
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement

from serving.bento.protocol import KEEP_ALIVE_SECONDS
from tests.certificates import authority, signed
from tests.container.containers import RESTRICTIONS, Container, docker, run_container
from tests.crowd import post, session
from tests.servers import MODEL_ENTRY, POLICY_ENTRY, ROOT, ServerElsewhere, run_python, wait_for

pytestmark = pytest.mark.container

SIZE_MEGABYTES = 700
READY_SECONDS = 5
MEMORY_MEGABYTES = 350
LOAD_SECONDS = 10

THERE = {
    "python_version": "3.11",
    "python_full_version": "3.11.0",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
}
"""What the lock's markers ask of the image's Python."""

Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def inspected(image: str) -> dict[str, Any]:
    """What the engine knows of the image."""
    return json.loads(docker("image", "inspect", image).stdout)[0]


@pytest.fixture(scope="module")
def bill(image: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image's bill of materials."""
    return run_python("-m", "deploy.image.sbom", image, home=tmp_path_factory.mktemp("sbom"))


def bentofile() -> dict[str, Any]:
    """bentofile.yaml."""
    return yaml.safe_load((ROOT / "bentofile.yaml").read_text(encoding="utf-8"))


def shell(image: str, script: str) -> list[str]:
    """The lines that a shell script prints in a fresh container, as root, which may read everything."""
    command = ("run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "sh", image, "-c", script)
    return docker(*command).stdout.splitlines()


def status(container: Container) -> dict[str, str]:
    """/proc/1/status of the container."""
    return dict(line.split(":\t", 1) for line in container.run("cat", "/proc/1/status").splitlines() if ":\t" in line)


def memory_megabytes(container: Container) -> float:
    """What counts against the container's limit, but for the file pages that the kernel would give back first."""
    script = (
        "cd /sys/fs/cgroup; cat memory.current memory/memory.usage_in_bytes 2> /dev/null;"
        "cat memory.stat memory/memory.stat 2> /dev/null | sed -n 's/^\\(total_\\)\\{0,1\\}inactive_file //p' | tail -1"
    )
    used, inactive = container.run("sh", "-c", script).split()
    return (int(used) - int(inactive)) / 1e6


class TestContents:
    def test_size(self, inspected: dict[str, Any], record_property: Record) -> None:
        """It is no larger than promised."""
        size = inspected["Size"] / 1e6
        record_property("image_megabytes", round(size))
        assert size <= SIZE_MEGABYTES

    def test_labels(self, inspected: dict[str, Any]) -> None:
        """It says what it is: the project's version and licence, the very commit."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        revision = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
        labels = {
            name.removeprefix("org.opencontainers.image."): v for name, v in inspected["Config"]["Labels"].items()
        }

        assert {
            "title": project["name"],
            "version": project["version"],
            "licenses": "Apache-2.0",
        }.items() <= labels.items()
        assert revision.stdout.strip() == labels["revision"].removesuffix("-dirty")

    def test_configuration(self, inspected: dict[str, Any]) -> None:
        """Numeric user, one port, a health check, and no variable but those that are known."""
        config = inspected["Config"]

        assert ("1034", {"3000/tcp": {}}) == (config["User"], config["ExposedPorts"])
        assert "/readyz" == config["Healthcheck"]["Test"][-1]
        assert {entry.partition("=")[0] for entry in config["Env"]} <= {
            *("BENTO_PATH", "BENTOML_HOME", "BENTOML_CONTAINERIZED", "BENTOML_DO_NOT_TRACK", "LANG", "PATH"),
            *(
                "OMP_NUM_THREADS",
                "OPENBLAS_NUM_THREADS",
                "PYTHONUNBUFFERED",
                "PYTHON_VERSION",
                "PYTHON_SHA256",
                "GPG_KEY",
            ),
            *("SSL_CERT_FILE", "PIP_CERT"),  # of the base image
        }

    def test_history(self, image: str) -> None:
        """No layer was made with a secret, an index or a host."""
        history = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image).stdout.splitlines()
        first = next(i for i, line in enumerate(history) if line.startswith("LABEL"))  # newest first; then the base's
        found = re.findall(
            r"(?i)\S*(?:https?://(?!127\.0\.0\.1:)|index|token|password|secret|_key\b)\S*",
            "\n".join(history[: first + 1]),
        )

        assert any("pip" in line for line in history[:first])
        assert [] == found

    def test_no_index_is_recorded(self, image: str) -> None:
        """Neither the Bento's requirements nor what pip wrote name where packages came from."""
        requirements = shell(image, "cat /home/bentoml/bento/env/python/requirements.txt")
        found = shell(
            image,
            "find / -xdev -name pip.conf -o -xdev -name uv.toml -o -xdev -name .netrc -o -xdev -name direct_url.json",
        )

        known = r"\s*#|[\w.-]+==[\w.]+( *;[^/@]*)? \\$|    --hash=sha256:[0-9a-f]{64}( \\)?$|$"
        assert [] == [line for line in requirements if not re.match(known, line)]
        assert [] == found

    def test_nothing_to_build_with(self, image: str) -> None:
        """No compiler, no linker, and no installer in the environment that serves."""
        tools = ("gcc", "g++", "cc", "c++", "cpp", "clang", "ld", "as", "make", "curl", "wget", "git", "uv")
        found = shell(
            image, f"for tool in {' '.join(tools)}; do command -v $tool; done; ls /app/.venv/bin | grep pip; true"
        )

        assert [] == found

    def test_nothing_gains_rights(self, image: str) -> None:
        """No file is set-user-id or set-group-id."""
        assert [] == shell(image, "find / -xdev -type f -perm /6000")

    def test_is_compiled(self, image: str) -> None:
        """Each module has its bytecode: a read-only container can't write it, and would compile at every start."""
        sources = shell(image, "cd /home/bentoml/bento/src && find . -name '*.py' | sort")
        compiled = shell(image, "cd /home/bentoml/bento/src && find . -name '*.cpython-311.pyc' | sort")
        libraries = shell(image, "ls /app/.venv/lib/python3.11/site-packages/numpy/lib/__pycache__")

        assert sources
        assert len(sources) == len(compiled)
        assert libraries

    def test_dockerfile_lint(self) -> None:
        """hadolint has nothing to say on the Dockerfile."""
        if (hadolint := shutil.which("hadolint", path=f"{ROOT / '.venv/bin'}")) is None:
            pytest.skip("no hadolint")
        dockerfile = ROOT / "deploy" / "image" / "Dockerfile"
        result = subprocess.run([hadolint, dockerfile], capture_output=True, text=True, check=False)

        assert (0, "") == (result.returncode, result.stdout)

    def test_names_its_base(self, inspected: dict[str, Any]) -> None:
        """The base is the one of BentoML's own image, unless BASE_IMAGE named another."""
        base = os.environ.get("BASE_IMAGE") or f"python:{bentofile()['docker']['python_version']}-slim"

        assert base == inspected["Config"]["Labels"]["org.opencontainers.image.base.name"]


class TestBillOfMaterials:
    def test_is_valid(self, bill: str) -> None:
        """It is CycloneDX 1.6 by the standard's own schema."""
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None

    def test_is_the_lock(self, bill: str) -> None:
        """The Python packages of the environment are those of requirements.txt, no more, and no other version."""
        lines = (ROOT / "requirements.txt").read_text().splitlines()
        pins = [Requirement(line.removesuffix("\\")) for line in lines if re.match(r"[\w.-]+==", line)]
        packages = [purl for component in json.loads(bill)["components"] if (purl := component.get("purl"))]
        of_the_base = ("pkg:pypi/pip@", "pkg:pypi/setuptools@", "pkg:pypi/wheel@")

        assert {
            f"pkg:pypi/{pin.name.replace('_', '-')}@{str(pin.specifier).removeprefix('==')}"
            for pin in pins
            if pin.marker is None or pin.marker.evaluate(THERE)
        } == {purl for purl in packages if purl.startswith("pkg:pypi/") and not purl.startswith(of_the_base)}
        assert any(purl.startswith("pkg:deb/debian/libc6@") for purl in packages)
        assert any(purl.startswith("pkg:generic/python@3.11.") for purl in packages)

    def test_model_and_policy(self, bill: str, container: Container) -> None:
        """Model and policy are in it with the digests that the service states, and so in the image."""
        entries = {component["name"]: component for component in json.loads(bill)["components"]}
        stated = httpx.get(f"{container.url}/version").json()
        files = [file for name in (MODEL_ENTRY, POLICY_ENTRY) for file in entries[name]["components"]]

        assert "machine-learning-model" == entries[MODEL_ENTRY]["type"]
        assert (stated["model_version"], stated["policy_version"]) == tuple(
            entries[name]["version"] for name in (MODEL_ENTRY, POLICY_ENTRY)
        )
        assert stated["digests"] == {file["name"]: file["hashes"][0]["content"] for file in files}

    def test_same_image_same_bytes(self, bill: str, image: str, tmp_path: Any) -> None:
        assert bill == run_python("-m", "deploy.image.sbom", image, home=tmp_path)


class TestRights:
    def test_user(self, container: Container) -> None:
        """It runs as 1034, also where a command is run in it."""
        assert "uid=1034(bentoml) gid=1034(bentoml) groups=1034(bentoml)" == container.run("id").strip()
        assert {"1034"} == set(status(container)["Uid"].split())

    def test_capabilities(self, container: Container) -> None:
        """It has none, can't get any, and its system calls are filtered."""
        found = status(container)

        assert {"0000000000000000"} == {found[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
        assert ("1", "2") == (found["NoNewPrivs"], found["Seccomp"])

    def test_writable(self, container: Container) -> None:
        """Nothing but /tmp, and the shared memory that every container has."""
        found = container.run(
            "sh", "-c", "find / -path /proc -prune -o -type d -writable -print 2> /dev/null", check=False
        )

        assert {"/tmp", "/dev/mqueue", "/dev/shm"} == {path for path in found.split() if not path.startswith("/tmp/")}

    def test_cannot_change_itself(self, image: str) -> None:
        """Code, model and environment are root's: a container with a writable file system can't change them either."""
        script = "find /app /home /usr -not -type l -writable; find /app /home -not -readable; true"
        assert [] == docker("run", "--rm", "--entrypoint", "sh", image, "-c", script).stdout.splitlines()

    def test_listens(self, container: Container) -> None:
        """One socket, port 3000; BentoML's supervisor would have two more."""
        tables = [line.split() for line in container.run("cat", "/proc/1/net/tcp", "/proc/1/net/tcp6").splitlines()]

        assert [f"00000000:{3000:04X}"] == [entry[1] for entry in tables if len(entry) > 3 and entry[3] == "0A"]

    def test_one_process(self, container: Container) -> None:
        """The server is the first process and the only one."""
        processes = container.run("sh", "-c", "for p in /proc/[0-9]*; do readlink $p/exe; done", check=False).split()

        assert 1 == sum("python" in executable for executable in processes)
        assert container.run("cat", "/proc/1/cmdline").startswith("python\0-m\0serving.bento.container")


class TestLife:
    def test_ready(self, image: str, record_property: Record) -> None:
        """From `docker run` to a ready service, the median of five."""
        seconds = []
        for _ in range(5):
            start = time.monotonic()
            with run_container(image):
                seconds.append(round(time.monotonic() - start, 2))
        record_property("ready_seconds", seconds)

        assert statistics.median(seconds) <= READY_SECONDS

    def test_without_a_network(self, image: str) -> None:
        """Model and policy are inside: it gets ready where nothing can be fetched, and its health check says so."""
        with run_container(image, "--network", "none", ready=False) as container:
            wait_for(lambda: "healthy" == container.inspect()["State"]["Health"]["Status"], 60)

    def test_health_check_of_an_unready_one(self, image: str) -> None:
        """It fails as long as the service is not ready."""
        check = json.loads(docker("image", "inspect", "--format", "{{json .Config.Healthcheck.Test}}", image).stdout)
        with run_container(image, ready=False, CREDIT_RISK_POLICY_PATH="/tmp/absent.json") as container:
            wait_for(lambda: '"CRITICAL"' in container.log(), 60)
            wait_for(lambda: answers(f"{container.url}/livez"), 10)
            result = docker("exec", container.id, *check[1:], check=False)

        assert result.returncode
        assert "503" in result.stderr

    def test_port(self, image: str) -> None:
        """BENTOML_PORT moves the port, and the health check with it."""
        check = json.loads(docker("image", "inspect", "--format", "{{json .Config.Healthcheck.Test}}", image).stdout)
        with run_container(image, ready=False, BENTOML_PORT="8080") as container:
            wait_for(lambda: not docker("exec", container.id, *check[1:], check=False).returncode, 60)

    def test_tls(self, image: str, tmp_path: Path) -> None:
        """Its health check knows that the port speaks TLS, and shows a certificate where one is wanted."""
        ours = authority(tmp_path, "authority")
        signed(tmp_path, "server", ours)
        for path in (tmp_path, *tmp_path.iterdir()):
            path.chmod(0o755)  # for user 1034
        variables = {"CERTFILE": "server.pem", "KEYFILE": "server.key", "CA_CERTS": "authority.pem"}
        settings = {f"BENTOML_SSL_{name}": f"/tls/{file}" for name, file in variables.items()}
        volume = ("--volume", f"{tmp_path}:/tls:ro")
        with run_container(image, *volume, ready=False, BENTOML_SSL_CERT_REQS="2", **settings) as container:
            wait_for(lambda: "healthy" == container.inspect()["State"]["Health"]["Status"], 60)

    def test_a_disk_without_room(self, image: str, example: dict[str, Any]) -> None:
        """Nothing can be written, from the start on; it decides, and tells of the metrics."""
        with run_container(
            image, "--tmpfs", "/tmp:size=4k", restrictions=(RESTRICTIONS[0], *RESTRICTIONS[3:])
        ) as container:
            assert 200 == httpx.post(f"{container.url}/predict", json=example).status_code
            wait_for(lambda: "credit_risk_metrics_lost 1.0" in httpx.get(f"{container.url}/metrics").text, 60)

    def test_a_disk_that_can_not_be_written_to(self, image: str) -> None:
        """It ends with one line that says what it lacks."""
        result = docker("run", "--rm", "--read-only", image, check=False)
        (line,) = map(json.loads, result.stdout.splitlines())
        told = "settings refused: BENTOML_HOME: /tmp/bentoml can't be made: Read-only file system; give the container "

        assert (1, "", True) == (result.returncode, result.stderr, line["message"].startswith(told))

    def test_one_worker(self, image: str) -> None:
        """More than one worker is refused, in one line that says what to do instead."""
        result = docker("run", "--rm", "--env", "CREDIT_RISK_WORKERS=2", image, check=False)

        assert 1 == result.returncode
        message = "settings refused: CREDIT_RISK_WORKERS: a container runs one worker; run more containers"
        assert [message] == [json.loads(line)["message"] for line in result.stdout.splitlines()]

    def test_sigterm(self, image: str) -> None:
        """It drains and ends with 0, and every line of its log is JSON."""
        with run_container(image) as container:
            assert 0 == container.stop()
            messages = [line["message"] for line in container.lines()]

        assert "SIGTERM: not ready any more" in messages
        assert messages[-1].startswith("Finished server process")

    def test_sigterm_while_it_starts(self, image: str) -> None:
        """A container that isn't ready yet ends at once, though it is the first process."""
        with run_container(image, ready=False) as container:
            time.sleep(1)
            start = time.monotonic()
            assert 0 == container.stop()
            assert time.monotonic() - start < 5

    def test_keeps_idle_connections(self, container: Container) -> None:
        """Longer than BentoML's 5 s, after which a proxy would find a connection closed that it just wants to use."""
        assert KEEP_ALIVE_SECONDS > 60
        url = httpx.URL(container.url)
        with closing(HTTPConnection(url.host, url.port)) as connection:
            connection.connect()
            connection.auto_open = 0  # it would quietly connect again
            for pause in (6, 0):
                connection.request("GET", "/livez")
                response = connection.getresponse()
                assert (200, b"") == (response.status, response.read()[:0])
                time.sleep(pause)


class TestMemory:
    def test_while_serving(self, image: str, applications: list[dict[str, Any]], record_property: Record) -> None:
        """Single applications, explanations and batches of 500 at once, within a limit of 512 MB."""
        with run_container(image, "--memory", "512m", "--memory-swap", "512m") as container:
            idle = memory_megabytes(container)
            requests, highest = asyncio.run(under_load(container, applications))
            after = memory_megabytes(container)
            state = container.inspect()["State"]
        record_property("memory_megabytes", {"idle": idle, "under load": highest, "after": after, "requests": requests})

        assert state["Running"]
        assert requests > 100
        assert highest <= MEMORY_MEGABYTES


async def under_load(container: Container, applications: list[dict[str, Any]]) -> tuple[int, float]:
    """Load the container with 16 clients for a while; how many requests were answered, and the most memory seen."""
    server = ServerElsewhere(container.url)
    bodies: dict[str, Any] = {
        "/predict": applications[0],
        "/predict/explain": applications[1],
        "/predict/batch": list(islice(cycle(applications), 500)),
    }
    answered, samples = 0, [0.0]
    end = time.monotonic() + LOAD_SECONDS

    async def ask(path: str) -> None:
        nonlocal answered
        while time.monotonic() < end:
            assert 200 == (await post(client, path, bodies[path])).status_code
            answered += 1

    async def watch() -> None:
        while time.monotonic() < end:
            samples.append(await asyncio.to_thread(memory_megabytes, container))
            await asyncio.sleep(0.2)

    async with session(server, 16) as client:
        paths = ["/predict"] * 8 + ["/predict/explain"] * 4 + ["/predict/batch"] * 4
        await asyncio.gather(watch(), *(ask(path) for path in paths))
    return answered, max(samples)


def answers(url: str) -> bool:
    """Whether a GET is 200."""
    try:
        return httpx.get(url, timeout=1).status_code == 200
    except httpx.TransportError:
        return False
