"""Who is let in at the desk, and what each may do there; proxies that sign people in, keys, and nobody."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from starlette.types import Message, Receive, Scope, Send

from serving.access.access import Access
from serving.access.callers import Caller, Reason
from serving.access.people import LOCAL, PEER, PERSON, Person, SecretError, of_caller, read_secret
from serving.http.edge import PROBLEM, Edge
from serving.routes import DESK, OF_DESK, AccessScope, route_at
from serving.settings import Settings, SettingsError, load_settings
from serving.telemetry.telemetry import Telemetry

SECRET = "s" * 40
HERE = ("127.0.0.1", 40_000)
PROXY = ("10.0.3.7", 40_000)
SIGNED_IN = {"X-Desk-Secret": SECRET, "X-Forwarded-Email": "ann@lender.example", "X-Forwarded-Groups": "a,desk-officer"}


async def nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError


@pytest.fixture(scope="module")
def secret_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("secret") / "secret"
    file.write_text(f"{SECRET}\n")
    return file


class Door:
    """The edge, with a desk that notes who has come."""

    def __init__(self, settings: Settings) -> None:
        telemetry = Telemetry(CollectorRegistry())
        self.came: list[Person | str] = []
        self.edge = Edge(nothing, {}, settings, telemetry, Access(settings, telemetry))
        self.edge.desk = self._desk

    async def _desk(self, scope: Scope, _receive: Receive, send: Send) -> None:
        problem = scope[PROBLEM]
        self.came.append(scope[PERSON] if problem is None else f"{problem.status} {problem.kind}")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def knock(
        self,
        headers: dict[str, str],
        peer: tuple[str, int] = PROXY,
        client: tuple[str, int] | None = None,
        host: str = "desk.example",
        server: str = "10.0.0.2",
        more: tuple[tuple[str, str], ...] = (),
    ) -> Person | str:
        """Who came in, or why nobody did."""
        scope: Scope = {
            "type": "http", "method": "GET", "path": "/desk/", "query_string": b"", "server": (server, 3000),
            "client": client or peer, PEER: peer,
            "headers": [(k.lower().encode(), v.encode()) for k, v in (("Host", host), *headers.items(), *more)],
        }  # fmt: skip

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(_: Message) -> None:
            pass

        asyncio.run(self.edge(scope, receive, send))
        return self.came[-1]


@pytest.fixture(scope="module")
def door(secret_file: Path) -> Door:
    """Behind one proxy."""
    return Door(load_settings({
        "CREDIT_RISK_DESK_PROXIES": "10.0.3.7, 2001:db8::/32", "CREDIT_RISK_DESK_SECRET_FILE": str(secret_file),
    }))  # fmt: skip


class TestProxies:
    def test_says_who_it_is(self, door: Door) -> None:
        assert Person("ann@lender.example", frozenset({"officer"})) == door.knock(SIGNED_IN)
        assert Person("ann@lender.example", frozenset({"officer"})) == door.knock(SIGNED_IN, ("2001:db8::1", 1))
        assert Person("ann@lender.example", frozenset({"officer"})) == door.knock(SIGNED_IN, ("::ffff:10.0.3.7", 1))

    def test_by_the_connection_s_own_end(self, door: Door) -> None:
        """What uvicorn takes for the client is what a proxy says, or what a client says to one."""
        assert isinstance(door.knock(SIGNED_IN, client=("192.0.2.1", 1)), Person)
        assert "401 unauthorized" == door.knock(SIGNED_IN, ("192.0.2.1", 1), client=PROXY)
        assert "401 unauthorized" == door.knock(SIGNED_IN, ("127.0.0.1", 1), client=PROXY)

    @pytest.mark.parametrize("secret", ["", "s" * 39, "s" * 41, "S" * 40])
    def test_with_its_secret_alone(self, door: Door, secret: str) -> None:
        assert "401 unauthorized" == door.knock(SIGNED_IN | {"X-Desk-Secret": secret})

    def test_user_where_there_is_no_email(self, door: Door) -> None:
        headers = {name: value for name, value in SIGNED_IN.items() if name != "X-Forwarded-Email"}
        assert "401 unauthorized" == door.knock(headers)
        assert Person("ann", frozenset({"officer"})) == door.knock(headers | {"X-Forwarded-User": "ann"})
        long = door.knock(headers | {"X-Forwarded-User": "a\u0007" + "b" * 200})
        assert isinstance(long, Person)
        assert (64, True) == (len(long.name), long.name.isprintable())

    def test_two_people_never_become_one(self, door: Door) -> None:
        """By a name that is cut, or written so that it can be shown: each has jobs, limits and acts of their own."""
        for pair in (("a" * 64 + "1@x", "a" * 64 + "2@x"), ("a\u0007", "a\\x07")):
            names = {door.knock(SIGNED_IN | {"X-Forwarded-Email": name}) for name in pair}
            assert 2 == len(names)

    @pytest.mark.parametrize("name", ["x-forwarded-groups", "x-forwarded-email", "x-forwarded-user", "x-desk-secret"])
    def test_a_header_that_stands_there_twice(self, door: Door, name: str) -> None:
        """A proxy that adds to what a client has sent has made two: one of them is anybody's."""
        said = {name.lower(): value for name, value in (SIGNED_IN | {"X-Forwarded-User": "ann"}).items()}
        assert isinstance(door.knock(said), Person)
        assert "401 unauthorized" == door.knock(said, more=((name, "desk-reviewer"),))

    @pytest.mark.parametrize("groups", ["", "desk-officers", "officer", "Desk-Officer"])
    def test_nothing_for_other_groups(self, door: Door, groups: str) -> None:
        assert "403 forbidden" == door.knock(SIGNED_IN | {"X-Forwarded-Groups": groups})

    def test_groups_by_their_own_names(self, secret_file: Path) -> None:
        door = Door(load_settings({
            "CREDIT_RISK_DESK_PROXIES": "10.0.3.7", "CREDIT_RISK_DESK_SECRET_FILE": str(secret_file),
            "CREDIT_RISK_DESK_GROUPS": "officer=Loans, reviewer=Loans,policy=0f-1e",
        }))  # fmt: skip
        person = door.knock(SIGNED_IN | {"X-Forwarded-Groups": "Loans,all"})
        assert Person("ann@lender.example", frozenset({"officer", "reviewer"})) == person
        assert "403 forbidden" == door.knock(SIGNED_IN)


class TestOthers:
    def test_local_user(self) -> None:
        """On this machine, where nobody is known; known on every page, and gone once people are."""
        door = Door(Settings())
        assert LOCAL == door.knock({}, HERE, host="localhost:3000", server="127.0.0.1")
        assert "403 forbidden" == door.knock({}, HERE, server="127.0.0.1")
        assert "403 forbidden" == door.knock({}, HERE, host="localhost:3000")
        assert "403 forbidden" == door.knock({}, ("10.1.1.1", 1), host="localhost:3000", server="127.0.0.1")
        forwarded = {"X-Forwarded-For": "192.0.2.7"}
        assert "403 forbidden" == door.knock(forwarded, HERE, host="localhost:3000", server="127.0.0.1")
        assert "403 forbidden" == door.knock(SIGNED_IN)

    def test_no_local_user_beside_people(self, door: Door) -> None:
        assert "401 unauthorized" == door.knock({}, HERE, host="localhost:3000", server="127.0.0.1")

    def test_roles_are_scopes(self) -> None:
        """Of a key or a token; one for the desk alone looks on."""
        for scopes, roles in (
            ({AccessScope.DESK}, {"viewer"}),
            ({AccessScope.DESK_OFFICER, AccessScope.EXPLAIN}, {"officer"}),
            ({AccessScope.DESK_REVIEWER, AccessScope.DESK_POLICY}, {"reviewer", "policy"}),
        ):
            assert Person("x", frozenset(roles)) == of_caller(Caller("x", frozenset(scopes)))
        assert Reason.SCOPE == of_caller(Caller("x", frozenset(set(AccessScope) - OF_DESK)))

    def test_one_route(self) -> None:
        """All of it is one label in metrics and logs, and nothing beside it is."""
        assert {DESK} == {route_at(path) for path in ("/desk", "/desk/", "/desk/a/b", "/desk/static/x.js")}
        assert {None} == {route_at(path) for path in ("/desks", "/deskx/", "/Desk")}

    def test_off(self) -> None:
        """Without a desk there is no such route."""
        door = Door(Settings(desk="off"))
        door.edge.desk = None
        sent: list[Message] = []

        async def receive() -> Message:
            raise AssertionError

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/desk/", "headers": [], "client": None, "server": None}
        asyncio.run(door.edge(scope, receive, send))
        assert 404 == sent[0]["status"]


class TestSettings:
    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ({"DESK_PROXIES": "10.0.3.7"}, "DESK_SECRET_FILE: goes with CREDIT_RISK_DESK_PROXIES; set both"),
            ({"DESK_SECRET_FILE": "/x"}, "DESK_SECRET_FILE: goes with CREDIT_RISK_DESK_PROXIES; set both"),
            ({"DESK_PROXIES": "10.0.3.7/24", "DESK_SECRET_FILE": "x"}, "'10.0.3.7/24' is no address or network"),
            ({"DESK_PROXIES": "proxy", "DESK_SECRET_FILE": "x"}, "'proxy' is no address or network"),
            ({"DESK_GROUPS": "chief=x"}, "'chief=x' is no role with its group, such as officer=credit-officers; roles"),
            ({"DESK_GROUPS": "officer="}, "'officer=' is no role with its group"),
            ({"DESK": "yes"}, "DESK: Input should be 'on' or 'off'"),
        ],
    )
    def test_refused(self, given: dict[str, str], told: str) -> None:
        with pytest.raises(SettingsError) as info:
            load_settings({f"CREDIT_RISK_{name}": value for name, value in given.items()})
        assert told in str(info.value)

    @pytest.mark.parametrize("content", ["", "short", "a" * 1025, "two words " * 8, "\u00fc" * 40])
    def test_no_secret(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "secret").write_text(content, encoding="utf-8")
        with pytest.raises(SecretError, match="openssl rand -hex 32"):
            read_secret(tmp_path / "secret")
        with pytest.raises(SettingsError, match=r"DESK_SECRET_FILE: .* can't be read"):
            Door(Settings(desk_proxies=(), desk_secret_file=tmp_path / "none"))
