"""A PostgreSQL of the tests' own: a private cluster on a free port of 127.0.0.1, from the programs of Debian's package.

The system's cluster is never used, nor its settings. PostgreSQL refuses to run as root, whose tests therefore run it as
the user that the package makes. `fsync` stays on: what the tests see kept was written as in production.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.lifeline import MARK
from tests.servers import HANG_SECONDS, wait_for

PROGRAMS = Path("/usr/lib/postgresql")
USER = "records"
"""Owns what is made for it, and may do nothing else."""

ADMIN = "admin"
_ACCOUNT = "postgres"


def missing_postgres() -> str | None:
    """Why there can be no server here; None where there can."""
    if _programs() is None:
        return "no PostgreSQL here: apt-get install postgresql"
    if os.geteuid() == 0 and not _account():
        return f"PostgreSQL does not run as root, and there is no user {_ACCOUNT}"
    return None


@dataclass
class Postgres:
    """A cluster, running or stopped.

    Attributes:
        folder: all of it; the log too.
        port: on 127.0.0.1; the same after a restart.
        password: of `USER` and `ADMIN`.
        settings: that it is started with.
    """

    folder: Path
    port: int
    password: str
    settings: dict[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.folder / "log"

    def url(self, schema: str = "public", user: str = USER, port: int | None = None) -> str:
        """What a client is given; `port`: of what stands before the server."""
        place = f"127.0.0.1:{port or self.port}/postgres"
        return f"postgresql://{user}:{self.password}@{place}?options=-csearch_path%3D{schema}"

    def connect(self, schema: str = "public") -> psycopg.Connection[Any]:
        """The administrator's, each statement of which is a transaction."""
        return psycopg.connect(self.url(schema, ADMIN), autocommit=True, connect_timeout=10)

    def execute(self, statement: str, schema: str = "public") -> list[Any]:
        """The rows of one statement."""
        with self.connect(schema) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def new_schema(self) -> str:
        """The name of an empty one, which is `USER`'s. A database takes half a second to make."""
        name = f"records_{secrets.token_hex(6)}"
        self.execute(f"CREATE SCHEMA {name} AUTHORIZATION {USER}")
        return name

    def start(self) -> None:
        """Start it, until it takes connections."""
        assert self._process is None
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "on",
            "shared_buffers": "32MB",
            "autovacuum": "off",  # none of what is tested lasts long enough for it
        } | self.settings
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [_program("postgres"), "-D", str(self.folder / "data"), *arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **_account(),
            )
        wait_for(self._takes_connections)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it by its own process: SIGINT ends what its clients do, SIGQUIT is a crash."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(timeout=HANG_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def restart(self) -> None:
        """Stop it and start it."""
        self.stop()
        self.start()

    @contextmanager
    def hung(self) -> Iterator[None]:
        """All of its processes stand still: the kernel takes what is sent to them, and nobody answers."""
        assert self._process is not None
        postmaster = psutil.Process(self._process.pid)
        postmaster.suspend()  # first: it would start others
        still = [postmaster, *postmaster.children(recursive=True)]
        # Who stands still doesn't see that its postmaster has ended, and has no mark of tests/lifeline.py any more: its
        # title stands where its environment was. So who sets it going again does so at this process's end, too.
        with subprocess.Popen(
            ["/bin/sh", "-c", 'read -r _; kill -CONT "$@" 2> /dev/null', "sh", *(str(each.pid) for each in still)],
            stdin=subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if name != MARK},
            start_new_session=True,
        ):
            for each in still[1:]:
                each.suspend()
            yield

    def _takes_connections(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text(encoding="utf-8", errors="replace")
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def postgres(settings: Mapping[str, str] | None = None) -> Iterator[Postgres]:
    """A running cluster; gone, with its folder, in the end."""
    with _cluster(settings or {}) as cluster:
        password_file = cluster.folder / "password"
        password_file.write_text(cluster.password, encoding="utf-8")
        _run(
            cluster.folder,
            "initdb",
            "--pgdata=data",
            f"--username={ADMIN}",
            "--auth=scram-sha-256",
            f"--pwfile={password_file}",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",  # of the making alone; what runs on it syncs
        )
        cluster.start()
        cluster.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{cluster.password}'")
        yield cluster


@contextmanager
def standby(primary: Postgres) -> Iterator[Postgres]:
    """A running hot standby, which follows the primary."""
    with _cluster(primary.settings) as cluster:
        cluster.password = primary.password
        _run(
            cluster.folder,
            "pg_basebackup",
            "--pgdata=data",
            f"--dbname={primary.url(user=ADMIN)}&application_name=standby",
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
        )
        cluster.start()
        yield cluster


@contextmanager
def _cluster(settings: Mapping[str, str]) -> Iterator[Postgres]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))  # pytest's folders are closed to other users
    cluster = Postgres(folder, port, secrets.token_hex(12), dict(settings))
    try:
        if account := _account():
            shutil.chown(folder, **account)
        yield cluster
    finally:
        cluster.stop(signal.SIGQUIT)  # nobody will ask it again: nothing needs to be written
        shutil.rmtree(folder)


def _programs() -> Path | None:
    versions = [path for path in PROGRAMS.glob("*/bin") if (path / "initdb").exists()]
    return max(versions, key=lambda path: int(path.parent.name), default=None)


def _program(name: str) -> str:
    folder = _programs()
    assert folder is not None
    return str(folder / name)


def _account() -> dict[str, Any]:
    """As whom to run it, for `subprocess` and `shutil.chown`; nothing where this is no root."""
    if os.geteuid() != 0:
        return {}
    try:
        account = pwd.getpwnam(_ACCOUNT)
    except KeyError:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid}


def _run(folder: Path, program: str, *arguments: str) -> None:
    done = subprocess.run(
        [_program(program), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
        **_account(),
    )
    assert done.returncode == 0, done.stderr
