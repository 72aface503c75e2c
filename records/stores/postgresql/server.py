"""A PostgreSQL server: how it is reached, how long it is waited for, and what is said of it.

A server that hangs (its machine stands still, its disk does not answer) says nothing, while the kernel goes on
confirming what it is sent: neither the server's own time limits nor those of TCP are reached. So each wait has an end
here.
"""

from __future__ import annotations

import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import Diagnostic
from psycopg.rows import TupleRow

from records.errors import StoreError, StoreUnavailableError

IN_USE = 0x6372_6564_6974
"""The advisory lock: shared by all that write, and for one alone that changes the schema."""

_LEAST_SECONDS = 2
"""To connect in; libpq takes no less."""

_SESSION = """
SELECT
    set_config('synchronous_commit', CASE current_setting('synchronous_commit')
        WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false),
    set_config('statement_timeout', %(limit)s, false),
    set_config('lock_timeout', %(limit)s, false),
    set_config('idle_in_transaction_session_timeout', %(limit)s, false),
    set_config('tcp_user_timeout', %(limit)s, false),
    set_config('tcp_keepalives_idle', %(idle)s, false),
    set_config('tcp_keepalives_interval', %(idle)s, false)
"""
"""Limits of the server's own, for when this side is gone without a word: its locks must not be held for hours."""

T = TypeVar("T")


class Connection(psycopg.Connection[TupleRow]):
    """One that stops waiting, each of whose statements is a transaction.

    Attributes:
        deadline: of what is being done, by the monotonic clock.
        warnings: what the server warned of.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.deadline = float("inf")
        self.warnings: list[str] = []
        self.add_notice_handler(self._noticed)

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait until the deadline at most."""
        left = max(0.0, self.deadline - time.monotonic())
        if left == float("inf"):
            return super().wait(gen, interval, timeout)
        return super().wait(gen, interval, left if timeout is None else min(left, timeout))

    def _noticed(self, notice: Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self.warnings.append(notice.message_primary or "a warning")


class Server:
    """Where a URL leads to, or several servers of which one may be written to.

    Args:
        where: the URL, as libpq reads it.
        seconds: after which a server that doesn't answer is given up.

    Attributes:
        name: the URL without secrets, for errors.

    Raises:
        StoreError: it is no such URL. It is not quoted: whatever is wrong with it, there may be a password in it.
    """

    def __init__(self, where: str, seconds: float) -> None:
        self.seconds = seconds
        self._parameters = _parsed(where)
        self._secrets = [str(self._parameters[key]) for key in ("password", "sslpassword") if self._parameters.get(key)]
        self._hosts = str(self._parameters.get("host", "")).split(",")
        ports = str(self._parameters.get("port", "")).split(",")
        ports = ports * len(self._hosts) if len(ports) == 1 else ports
        places = (f"{host}:{port}" if port else host for host, port in zip(self._hosts, ports, strict=False))
        user = self._parameters.get("user")
        self.name = f"postgresql://{f'{user}@' if user else ''}{','.join(places)}/{self._parameters.get('dbname', '')}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})"

    def connected(self, deadline: float, *, writes: bool) -> Connection:
        """A new connection, its statements durable when they return.

        Raises:
            psycopg.Error: there is none, or none that may be written to where that is asked.
            StoreError: what it writes isn't durable.
        """
        left = (deadline - time.monotonic()) / len(self._hosts)
        limit = str(max(1, int(self.seconds * 1000)))
        own: dict[str, Any] = {
            "connect_timeout": max(_LEAST_SECONDS, int(left)),
            "tcp_user_timeout": limit,
            "keepalives": 1,
            "keepalives_idle": max(1, int(self.seconds)),
            "keepalives_interval": max(1, int(self.seconds)),
            "keepalives_count": 1,
            "application_name": self._parameters.get("application_name", "credit-risk-records"),
        }
        if writes:
            own["target_session_attrs"] = "read-write"  # a demoted primary goes on answering
        connection = Connection.connect(make_conninfo(**self._parameters | own), autocommit=True)
        try:
            connection.deadline = max(deadline, time.monotonic() + _LEAST_SECONDS)
            connection.execute(_SESSION, {"limit": limit, "idle": str(own["keepalives_idle"])})
            if writes:
                self._check_synced(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_synced(self, connection: Connection) -> None:
        ((synced,),) = connection.execute("SELECT current_setting('fsync')")
        if synced != "on":
            raise StoreError(f"{self.name}: fsync is off there, and what was kept can be lost; turn it on")

    def error(self, error: Exception) -> StoreUnavailableError:
        """What is said of an error, on one line."""
        text = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, psycopg.Error) and error.sqlstate:  # then the rest of it may quote values
            text = f"{error.diag.message_primary} ({error.sqlstate})"
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return StoreUnavailableError(f"{self.name}: {text}")


def _parsed(where: str) -> dict[str, Any]:
    try:
        parameters = conninfo_to_dict(where)
    except (psycopg.Error, ValueError):  # the latter of what is encoded and no text
        raise StoreError(
            "not a PostgreSQL URL; it looks like postgresql://user@host:5432/database, special characters of a "
            "password percent-encoded"
        ) from None
    # What follows an @ or a / in a password that is not encoded becomes a host, a port or a database.
    plain = {key: str(value) for key, value in parameters.items() if key not in {"user", "password", "sslpassword"}}
    ports = plain.get("port", "").split(",")
    if any("@" in value for value in plain.values()) or not all(port.isdecimal() or not port for port in ports):
        raise StoreError(
            "a PostgreSQL URL that is cut at the wrong places; percent-encode special characters of user and password: "
            "@ is %40, / is %2F"
        ) from None
    return parameters
