"""deploy/compose with its profile `records`: decisions go into a PostgreSQL, whatever becomes of it meanwhile."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from serving.settings import Settings, load_settings
from tests.container.containers import docker
from tests.container.stacks import COMPOSE, Stack, available, ready, stack, tagged
from tests.deploy.monitoring import free_port
from tests.deploy.shipped import USER
from tests.servers import run_python, wait_for

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((COMPOSE / "compose.yaml").read_text(encoding="utf-8"))["services"]
API = yaml.safe_load((COMPOSE / "api.yaml").read_text(encoding="utf-8"))["services"]["api"]
VARIABLES = dict(
    re.findall(r"^#(CREDIT_RISK_RECORDS\w*)=(.*)$", (COMPOSE / ".env").read_text(encoding="utf-8"), re.MULTILINE)
)
"""What .env says to take the sign away of."""


def defaults() -> dict[str, str]:
    """What .env sets."""
    lines = (COMPOSE / ".env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """What a service sees, by the path at which it does."""
    return {each.split(":")[1]: each.split(":")[0] for each in service["volumes"]}


def made(folder: Path) -> Path:
    """The secrets in a copy of deploy/compose, by its own script."""
    shutil.copytree(COMPOSE, folder)
    subprocess.run([folder / "records-secrets"], capture_output=True, timeout=60, check=True)
    return folder / "secrets"


class TestFiles:
    """What can be seen without an engine."""

    def test_settings(self) -> None:
        """The service takes what .env proposes: the role that may only add, its password and the keys as secrets."""
        settings = load_settings(VARIABLES)
        assert settings.records is not None
        assert settings.records_key_file is not None
        assert re.fullmatch(r"postgresql://service@database/records\?passfile=/run/secrets/.*", settings.records)
        assert {"./secrets/api"} == {
            mounts(API)[str(path.parent)]
            for path in (Path(settings.records.partition("passfile=")[2]), settings.records_key_file)
        }

    def test_spool_outlives_the_container(self) -> None:
        """It is a volume, and the image gives its folder to the user who writes it."""
        spool = VARIABLES["CREDIT_RISK_RECORDS_SPOOL"]
        dockerfile = (COMPOSE.parent / "image" / "Dockerfile").read_text(encoding="utf-8")
        assert "spool" == mounts(SERVICES["api"])[spool]
        assert f"install -d -o {USER} -g {USER} -m 700 {spool} " in dockerfile

    def test_only_with_the_profile(self) -> None:
        """Without it no database is started, and nothing waits for one."""
        assert {"database", "records"} == {
            name for name, each in SERVICES.items() if each.get("profiles") == ["records"]
        }
        assert "depends_on" not in SERVICES["api"]
        assert Settings().records is None

    def test_owner_is_apart(self) -> None:
        """The API sees neither the owner's password nor the database's secrets, and nobody outside the database."""
        assert not {"./secrets/owner", "./secrets/database"} & {
            *mounts(API).values(),
            *mounts(SERVICES["api"]).values(),
        }
        assert "ports" not in SERVICES["database"]
        assert not [each for each in SERVICES["database"]["environment"] if "PASSWORD=" in each]

    def test_migrates_once_there_is_a_database(self) -> None:
        """And the role that it lets write is the one that is made, and that the API has."""
        service = SERVICES["records"]
        assert {"database": {"condition": "service_healthy"}} == service["depends_on"]
        assert ["migrate", "--grant", "service"] == service["command"]
        made_role = (COMPOSE / "database" / "service.sql").read_text(encoding="utf-8")
        assert "CREATE ROLE service LOGIN" in made_role

    def test_secrets(self, tmp_path: Path) -> None:
        """Two passwords, each where its readers look for it, nobody else's, and never made twice."""
        secrets = made(tmp_path / "compose")
        passwords = {role: (secrets / "database" / f"{role}.password").read_text() for role in ("owner", "service")}
        assert f"*:*:*:owner:{passwords['owner']}\n" == (secrets / "owner" / "pgpass").read_text(encoding="utf-8")
        assert f"*:*:*:service:{passwords['service']}\n" == (secrets / "api" / "pgpass").read_text(encoding="utf-8")
        assert 2 == len(set(passwords.values()))
        assert all(re.fullmatch("[0-9a-f]{48}", each) for each in passwords.values())
        files = [path for path in secrets.rglob("*") if path.is_file() and path.name != ".gitignore"]
        assert 4 == len(files)
        assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in files}
        again = subprocess.run([secrets.parent / "records-secrets"], capture_output=True, timeout=60, check=False)
        assert 1 == again.returncode
        assert passwords["owner"] == (secrets / "database" / "owner.password").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def recorded(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """`--profile records up` as it is documented; callers need no key."""
    folder = tmp_path_factory.mktemp("records") / "compose"
    secrets = made(folder)
    run_python("-m", "records", "key", secrets / "api" / "records-keys.json", home=secrets)
    # As root in a container, whoever runs the tests.
    owners = "chown 999 database/*.password && chown 1034 owner/pgpass api/pgpass api/records-keys.json"
    root = ("run", "--rm", "--user", "0", "--volume", f"{secrets}:/secrets", "--workdir", "/secrets")
    docker(*root, "--entrypoint", "sh", image, "-c", owners)
    variables = VARIABLES | {"CREDIT_RISK_ACCESS": "open", "CREDIT_RISK_KEYS_FILE": "", "PORT": str(free_port())}
    with (
        tagged(image) as tag,
        available(f"postgres:{defaults()['POSTGRES_TAG']}"),
        stack(folder / "compose.yaml", TAG=tag, **variables) as project,
    ):
        project.up("--profile", "records")
        yield project
    docker(*root, "--entrypoint", "sh", image, "-c", "rm -f */*.password */pgpass */*.json")


def decide(url: str, example: dict[str, Any]) -> str:
    """The id of a decision that was answered."""
    answer = httpx.post(f"{url}/predict", json=example, timeout=30)
    assert 200 == answer.status_code, answer.text
    return str(answer.json()["decision_id"])


@pytest.mark.container
class TestRecorded:
    def test_is_found(self, recorded: Stack, example: dict[str, Any]) -> None:
        """What was answered is in the database, and is read by the API's role as by the owner's."""
        made = decide(recorded.url, example)
        find = ("find", "--json", "--since", "2020-01-01")
        # What was decided before the database was there comes out of the spool.
        wait_for(lambda: made in recorded.container("api").run("python", "-m", "records", *find, check=False), 60)
        by_owner = recorded.run("--profile", "records", "run", "--rm", "records", *find)
        assert "postgresql" == httpx.get(f"{recorded.url}/version").json()["records"]
        assert made in by_owner

    def test_api_may_not_change_it(self, recorded: Stack) -> None:
        """Its role may add."""
        statement = "SET ROLE service; DELETE FROM decisions"
        database = recorded.container("database")
        refused = docker("exec", database.id, "psql", "-U", "owner", "-d", "records", "-c", statement, check=False)
        assert "permission denied for table decisions" in refused.stderr

    def test_owner_may(self, recorded: Stack) -> None:
        """What only the tables' owner may is one command; nothing is old enough for it yet."""
        said = recorded.run("--profile", "records", "run", "--rm", "records", "purge")
        assert said.startswith("0 ")

    def test_passwords_are_nowhere(self, recorded: Stack) -> None:
        """Not in what the engine knows, nor in a log."""
        containers = [recorded.container(service) for service in ("api", "database")]
        (line,) = containers[0].run("cat", "/run/secrets/credit-risk/pgpass").split()
        password = line.rpartition(":")[2]
        shown = [json.dumps(each.inspect()) + each.log() for each in containers]
        assert 48 == len(password)
        assert not [each for each in shown if password in each]

    def test_is_restricted(self, recorded: Stack) -> None:
        """The database has no more rights than the others, and keeps all in its volume."""
        found = recorded.container("database").inspect()
        assert {"ReadonlyRootfs": True, "CapDrop": ["ALL"], "PidsLimit": 100}.items() <= found["HostConfig"].items()
        assert "999:999" == found["Config"]["User"]
        assert {} == {port: to for port, to in found["NetworkSettings"]["Ports"].items() if to}

    def test_spools_while_the_database_is_away(self, recorded: Stack, example: dict[str, Any]) -> None:
        """It goes on answering, and all is in the database afterwards; migrating again does nothing."""
        recorded.run("--profile", "records", "stop", "database")
        made = decide(recorded.url, example)
        assert ready(recorded.url)
        recorded.up("--profile", "records")
        find = ("python", "-m", "records", "show", made)
        wait_for(lambda: made in recorded.container("api").run(*find, check=False), 60)
        assert "has this schema already; service may write to it" in recorded.container("records").log()
