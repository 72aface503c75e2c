"""What routes ask for: over all routes, methods, scopes, settings and connections, the real routes and made-up ones."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from starlette.responses import PlainTextResponse
from starlette.types import Message

from serving.access.access import Access
from serving.access.callers import Caller, Reason
from serving.access.gate import is_at_home, may, needs_caller, open_allowed, refused_open
from serving.access.keyfile import change_keys
from serving.access.keys import KeyEntry, KeysDocument, digest, new_key
from serving.access.limits import MANY, Rate, Sparing
from serving.http.edge import Edge
from serving.routes import GET, GUARDED, OPENABLE, POST, ROUTES, AccessScope, Route
from serving.settings import Settings
from serving.telemetry.exchange import Exchange
from serving.telemetry.telemetry import Telemetry

SCOPES = st.sampled_from(AccessScope)
PROBES = {"/livez", "/readyz", "/healthz", "/health"}
KEYS = {scopes: new_key() for scopes in (*((scope,) for scope in AccessScope), tuple(AccessScope))}


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key for each scope alone, and one for all."""
    file = tmp_path_factory.mktemp("access") / "keys.json"
    entries = [
        KeyEntry(
            name="-".join(scopes)[:40].replace("-", "."),
            scopes=scopes,
            created="2026-01-01",
            expires="2999-01-01",
            sha256=digest(key.encode()).hex(),
        )
        for scopes, key in KEYS.items()
    ]
    change_keys(file, lambda _: KeysDocument(keys=tuple(entries)), create=True)
    return file


def edge(settings: Settings) -> Edge:
    telemetry = Telemetry(CollectorRegistry())
    return Edge(PlainTextResponse("answered"), {}, settings, telemetry, Access(settings, telemetry))


@pytest.fixture(scope="module")
def served(keys_file: Path) -> Edge:
    """The edge, with access by these keys."""
    return edge(Settings(access="keys", keys_file=keys_file))


def ask(served: Edge, path: str, method: str, *headers: tuple[bytes, bytes]) -> tuple[int, dict[str, str], bytes, int]:
    """Status, headers and body of an answer, and how often the body was asked for."""
    sent: list[Message] = []
    received = mock.AsyncMock(return_value={"type": "http.request", "body": b"", "more_body": False})
    send = mock.AsyncMock(side_effect=sent.append)
    scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "headers": list(headers)}
    asyncio.run(served(scope, received, send))
    start, *rest = sent
    named = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    return start["status"], named, b"".join(each.get("body", b"") for each in rest), received.await_count


def bearing(key: str) -> tuple[bytes, bytes]:
    return b"authorization", f"Bearer {key}".encode()


class TestEveryRoute:
    """Of the service, by the edge that serves them."""

    @pytest.mark.parametrize("path", ROUTES)
    def test_by_method_and_scope(self, served: Edge, path: str) -> None:
        """Each route is answered to those who have its scope, and to nobody else; probes to all."""
        route = ROUTES[path]
        for method in route.methods:
            assert (200 if path in PROBES else 401) == ask(served, path, method)[0]
            assert (200 if path in PROBES else 401) == ask(served, path, method, bearing(new_key()))[0]
            for scopes, key in KEYS.items():
                allowed = path in PROBES or route.scope is None or route.scope in scopes
                assert (200 if allowed else 403) == ask(served, path, method, bearing(key))[0], (method, scopes)

    @pytest.mark.parametrize("path", ROUTES)
    def test_options_and_other_methods_tell_the_public_table(self, served: Edge, path: str) -> None:
        """Browsers ask OPTIONS without a credential; neither does anything."""
        assert 204 == ask(served, path, "OPTIONS")[0]
        assert 405 == ask(served, path, "DELETE")[0]

    @pytest.mark.parametrize("opened", [(), *((each,) for each in OPENABLE), OPENABLE])
    def test_opened(self, keys_file: Path, opened: tuple[str, ...]) -> None:
        """A setting opens what it names, /docs with all that its page loads."""
        served = edge(Settings(access="keys", keys_file=keys_file, open_routes=opened))
        answered = {path for path, route in ROUTES.items() if ask(served, path, route.methods[0])[0] == 200}
        page = {"/", "/docs", "/docs.json", *(path for path in ROUTES if path.startswith("/static_content/"))}
        assert answered == PROBES | set(opened) | (page if "/docs" in opened else set())

    @pytest.mark.parametrize("path", ROUTES)
    def test_open_is_open(self, path: str) -> None:
        """But for what was stored, or changes anything, to whoever may not be on this machine."""
        allowed = ROUTES[path].scope not in GUARDED
        assert (200 if allowed else 403) == ask(edge(Settings()), path, ROUTES[path].methods[0])[0]


class TestRefusals:
    def test_without_a_credential(self, served: Edge) -> None:
        status, headers, body, received = ask(served, "/predict", "POST")
        document = json.loads(body)
        assert (401, 'Bearer realm="credit-risk-api"') == (status, headers["www-authenticate"])
        assert ("urn:problem:credit-risk-api:unauthorized", 401) == (document["type"], document["status"])
        assert 0 == received, "the body was read"

    def test_every_wrong_credential_is_told_the_same(self, served: Edge) -> None:
        """Whatever is wrong with it."""
        key = KEYS[AccessScope.DECIDE,]
        wrong = [
            [bearing(new_key())],
            [bearing(key[:-1])],
            [bearing(key)] * 2,
            [(b"authorization", b"")],
            [(b"authorization", b"Basic " + key.encode())],
            [(b"authorization", b"Bearer " + b"A" * 60_000)],
        ]
        told = set()
        for headers in wrong:
            status, named, body, received = ask(served, "/predict", "POST", (b"x-request-id", b"1"), *headers)
            told.add((status, named["www-authenticate"], body, received))
        ((status, challenge, _, received),) = told
        assert (401, 'Bearer realm="credit-risk-api", error="invalid_token"', 0) == (status, challenge, received)

    def test_without_the_scope(self, served: Edge) -> None:
        """What the route needs is told; what the caller has is not."""
        status, headers, body, received = ask(served, "/predict", "POST", bearing(KEYS[AccessScope.METRICS,]))
        challenge = 'Bearer realm="credit-risk-api", error="insufficient_scope", scope="decide"'
        assert (403, challenge, 0) == (status, headers["www-authenticate"], received)
        assert b"metrics" not in body

    def test_of_a_head_has_no_body(self, served: Edge) -> None:
        status, _, body, _ = ask(served, "/metrics", "HEAD")
        assert (401, b"") == (status, body)

    def test_rate(self, keys_file: Path) -> None:
        """Each caller has its own."""
        served = edge(Settings(access="keys", keys_file=keys_file, requests_per_second_per_caller=2))
        with mock.patch("time.monotonic", return_value=100.0):
            got = [ask(served, "/version", "GET", bearing(KEYS[AccessScope.DECIDE,])) for _ in range(3)]
            other = ask(served, "/version", "GET", bearing(KEYS[AccessScope.BATCH,]))
        assert ([200, 200, 429], 200) == ([status for status, *_ in got], other[0])
        assert ("1", "urn:problem:credit-risk-api:rate-limited") == (
            got[-1][1]["retry-after"],
            json.loads(got[-1][2])["type"],
        )


LOOPBACK = st.sampled_from(["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
AWAY = st.one_of(st.ip_addresses().filter(lambda address: not address.is_loopback).map(str), st.just("::ffff:10.0.0.1"))
AWAY = AWAY.filter(lambda address: not address.startswith("::ffff:7f"))
ODD = st.sampled_from([None, "", "/run/service.sock", "localhost", "127.0.0.1.evil.example", "2130706433"])
HERE_HOSTS = st.sampled_from(["localhost", "LOCALHOST:3000", "127.0.0.1:3000", "[::1]:3000", "[::1]"])
AWAY_HOSTS = st.sampled_from(["risk.example", "127.0.0.1.evil.example", "10.0.0.1:3000", "", "[::2]", "localhost.evil"])
FORWARDED = st.sampled_from(
    ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded", "via", "x-real-ip"]
)


def connection(server: str | None, client: str | None, *headers: tuple[str, str]) -> dict[str, Any]:
    return {
        "server": (server, 3000) if server is not None else None,
        "client": (client, 50_000) if client is not None else None,
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }


class TestGuarded:
    """Routes to come, made up: what gives back stored personal data, or changes anything."""

    @given(
        scope=st.sampled_from(sorted(GUARDED)),
        methods=st.sampled_from([GET, POST, ("GET", "DELETE")]),
        ends=st.tuples(LOOPBACK | AWAY | ODD, LOOPBACK | AWAY | ODD),
        host=HERE_HOSTS | AWAY_HOSTS,
        forwarded=st.lists(FORWARDED, max_size=2),
        root_path=st.none() | st.just("/credit-risk"),
    )
    def test_is_open_only_at_home(
        self,
        scope: AccessScope,
        methods: tuple[str, ...],
        ends: tuple[str | None, str | None],
        host: str,
        forwarded: list[str],
        root_path: str | None,
    ) -> None:
        """From a loopback address, to one, asked for as one, and by nobody's hand on the way."""
        route = Route("/made-up", methods, scope=scope)
        request = connection(*ends, ("host", host), *((name, "x") for name in forwarded))
        loopback = {"127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"}
        home = set(ends) <= loopback and host.lower().startswith(("localhost:", "127.0.0.1:", "[::1]")) | (
            host == "localhost"
        )
        expected = None if home and not forwarded and root_path is None else Reason.GUARDED
        assert expected == refused_open(route, request, root_path)

    @given(scope=st.none() | SCOPES, at_home=st.booleans())
    def test_the_rule(self, *, scope: AccessScope | None, at_home: bool) -> None:
        assert open_allowed(scope, at_home=at_home) == (at_home or scope not in GUARDED)

    @given(server=LOOPBACK, client=LOOPBACK, hosts=st.lists(HERE_HOSTS, max_size=3))
    def test_one_host_only(self, server: str, client: str, hosts: list[str]) -> None:
        assert (len(hosts) == 1) == is_at_home(connection(server, client, *(("host", host) for host in hosts)))

    @given(
        scope=SCOPES,
        opened=st.sets(st.sampled_from([*OPENABLE, "/made-up"])),
        has=st.frozensets(SCOPES),
        methods=st.sampled_from([GET, POST]),
    )
    def test_where_access_is_limited(
        self, scope: AccessScope, opened: set[str], has: frozenset[AccessScope], methods: tuple[str, ...]
    ) -> None:
        """No setting opens it, and only its scope gets in."""
        assume(scope in GUARDED)
        route = Route("/made-up", methods, scope=scope)
        assert needs_caller(route, opened)
        assert (scope in has) == may(Caller("a", has), route)

    @given(scope=st.sampled_from(sorted(GUARDED)), probe=st.booleans(), opened_by=st.none() | st.just("/made-up"))
    def test_cant_be_declared_open(self, *, scope: AccessScope, probe: bool, opened_by: str | None) -> None:
        assume(probe or opened_by)
        with pytest.raises(ValueError, match="never open"):
            Route("/made-up", scope=scope, probe=probe, opened_by=opened_by)

    @pytest.mark.parametrize("methods", [POST, ("DELETE",), ("GET", "PUT")])
    def test_what_is_more_than_looked_at_needs_a_scope(self, methods: tuple[str, ...]) -> None:
        with pytest.raises(ValueError, match="needs no scope"):
            Route("/made-up", methods)

    @pytest.mark.parametrize("server", ["10.0.0.1", "0.0.0.0", None])  # nothing listens
    def test_by_the_edge(self, server: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
        """The real edge, with one such route among its own: 403, with the remedy."""
        monkeypatch.setitem(ROUTES, "/records", Route("/records", scope=AccessScope.RECORDS))
        sent: list[Message] = []
        scope = {"type": "http", "method": "GET", "path": "/records"}
        scope |= connection(server, "127.0.0.1", ("host", "localhost"))
        asyncio.run(edge(Settings())(scope, mock.AsyncMock(), mock.AsyncMock(side_effect=sent.append)))
        assert 403 == sent[0]["status"]
        assert b"CREDIT_RISK_ACCESS" in sent[1]["body"]


class TestRate:
    @given(
        per_second=st.floats(0.1, 1000),
        gaps=st.lists(st.floats(0, 3), min_size=1, max_size=100),
    )
    def test_never_more_than_allowed(self, per_second: float, gaps: list[float]) -> None:
        """In any time, what the rate gives for it, and besides what may come at once: a second's worth, or one."""
        rate, now, taken = Rate(per_second), 0.0, []
        for gap in gaps:
            now += gap
            if not rate.wait("a", now):
                taken.append(now)
        for i, start in enumerate(taken):
            for j in range(i, len(taken)):
                assert j - i + 1 <= (taken[j] - start) * per_second + max(1, per_second) + 1e-6

    @given(st.floats(0.1, 1000))
    def test_whoever_waits_as_told_may_come(self, per_second: float) -> None:
        rate = Rate(per_second)
        while not (wait := rate.wait("a", 5.0)):
            pass
        assert wait >= 1
        assert 0 == rate.wait("a", 5.0 + wait)

    def test_memory_is_bounded(self) -> None:
        """Also where more callers come at once than are kept in mind."""
        rate = Rate(0.1)
        for i in range(3 * MANY):
            rate.wait(str(i), i / 1e6)
        assert len(rate._next) <= MANY

    def test_of_many_only_those_are_forgotten_that_may_come_again(self) -> None:
        rate = Rate(1)
        for i in range(MANY):
            rate.wait(str(i), 0.0)
        rate.wait("late", 5.0)
        assert {"late"} == set(rate._next)
        assert rate.wait("late", 5.0)

    def test_open_counts_addresses(self) -> None:
        telemetry = Telemetry(CollectorRegistry())
        access = Access(Settings(requests_per_second_per_caller=1), telemetry)
        exchanges = [Exchange("1", "POST", "/predict") for _ in range(3)]
        with mock.patch("time.monotonic", return_value=7.0):
            denied = [
                asyncio.run(access.refusal(ROUTES["/predict"], connection("::1", client), exchange))
                for client, exchange in zip(("10.0.0.1", "10.0.0.1", "10.0.0.2"), exchanges, strict=True)
            ]
        assert [None, Reason.RATE, None] == [each and each.reason for each in denied]


def test_refusals_get_few_lines() -> None:
    """The first of each second, and the next one says how many were left out."""
    spare = Sparing(2)
    assert [0, 0, None, None] == [spare.take(1.5) for _ in range(4)]
    assert [2, 0, None] == [spare.take(2.0) for _ in range(3)]
