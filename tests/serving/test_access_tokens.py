"""Tokens of an issuer: which are taken, and the hostile ones, each refused."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from serving.access import issuer as issuer_module
from serving.access import tokens as tokens_module
from serving.access.access import LEARNABLE
from serving.access.callers import Caller, Reason
from serving.access.issuer import Issuer, IssuerError, fetch
from serving.access.tokens import Expected, KeySet, KeySetError, Tokens
from serving.routes import AccessScope
from tests.issuer import AUDIENCE, Signer, claims, issuing, key_set

ISSUER = "https://issuer.example"
EXPECTED = Expected(ISSUER, AUDIENCE, "scope", "sub")
SIGNERS = {algorithm: Signer(f"key-{algorithm}", algorithm) for algorithm in ("RS256", "ES256", "EdDSA")}
RSA, EC = SIGNERS["RS256"], SIGNERS["ES256"]
STRANGER = Signer("key-RS256", "RS256")
"""Somebody else's key, under the name of one of the issuer's."""


def verify(token: str | bytes, *signers: Signer, expected: Expected = EXPECTED) -> Caller | Reason:
    sent = token.encode() if isinstance(token, str) else token
    return Tokens(KeySet(key_set(*(signers or SIGNERS.values()))), expected).verify(sent, time.time())


def encoded(document: Any) -> str:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def unsigned(header: Any, said: Any, signature: bytes = b"") -> str:
    return f"{encoded(header)}.{encoded(said)}.{encoded(signature)}"


def by_mac(header: dict[str, Any], secret: bytes) -> str:
    """A token whose "signature" is a MAC by what everybody knows."""
    content = f"{encoded(header)}.{encoded(claims(ISSUER))}"
    return f"{content}.{encoded(hmac.new(secret, content.encode(), hashlib.sha256).digest())}"


def changed_payload() -> str:
    head, _, signature = RSA.sign(claims(ISSUER)).split(".")
    return f"{head}.{encoded(claims(ISSUER, scope='decide records'))}.{signature}"


def pem(signer: Signer) -> bytes:
    return signer.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def now() -> int:
    return int(time.time())


HOSTILE: dict[str, tuple[Callable[[], str | bytes], Reason]] = {
    "alg none": (lambda: unsigned({"alg": "none", "typ": "JWT"}, claims(ISSUER)), Reason.ALGORITHM),
    "alg None in capitals": (lambda: unsigned({"alg": "NONE", "kid": "key-RS256"}, claims(ISSUER)), Reason.ALGORITHM),
    "no alg": (lambda: unsigned({"typ": "JWT", "kid": "key-RS256"}, claims(ISSUER)), Reason.ALGORITHM),
    "HS256 by the public key": (lambda: by_mac({"alg": "HS256", "kid": "key-RS256"}, pem(RSA)), Reason.ALGORITHM),
    "RS256 by a MAC": (lambda: by_mac({"alg": "RS256", "kid": "key-RS256"}, pem(RSA)), Reason.SIGNATURE),
    "RS512": (
        lambda: jwt.encode(claims(ISSUER), RSA.private, "RS512", {"kid": "key-RS256"}),
        Reason.ALGORITHM,
    ),
    "PS256": (lambda: jwt.encode(claims(ISSUER), RSA.private, "PS256", {"kid": "key-RS256"}), Reason.ALGORITHM),
    "another issuer": (lambda: RSA.sign(claims("https://issuer.example.evil.example")), Reason.ISSUER),
    "issuer with a slash more": (lambda: RSA.sign(claims(f"{ISSUER}/")), Reason.ISSUER),
    "no issuer": (lambda: RSA.sign(claims(ISSUER, iss=None)), Reason.CLAIMS),
    "another audience": (lambda: RSA.sign(claims(ISSUER, aud="payments")), Reason.AUDIENCE),
    "other audiences": (lambda: RSA.sign(claims(ISSUER, aud=["payments", "credit-risk-2"])), Reason.AUDIENCE),
    "no audience": (lambda: RSA.sign(claims(ISSUER, aud=None)), Reason.CLAIMS),
    "expired": (lambda: RSA.sign(claims(ISSUER, exp=now() - 31)), Reason.EXPIRED),
    "never expires": (lambda: RSA.sign(claims(ISSUER, exp=None)), Reason.CLAIMS),
    "expires in a text": (lambda: RSA.sign(claims(ISSUER) | {"exp": "tomorrow"}), Reason.MALFORMED),
    "expires when no clock gets to": (lambda: RSA.sign(claims(ISSUER) | {"exp": 10**400}), Reason.MALFORMED),
    "not yet valid": (lambda: RSA.sign(claims(ISSUER, nbf=now() + 120)), Reason.NOT_YET_VALID),
    "issued in the future": (lambda: RSA.sign(claims(ISSUER, iat=now() + 120)), Reason.NOT_YET_VALID),
    "another signer": (lambda: STRANGER.sign(claims(ISSUER)), Reason.SIGNATURE),
    "key in the head": (lambda: STRANGER.sign(claims(ISSUER), jwk=STRANGER.public), Reason.SIGNATURE),
    "key at a URL in the head": (
        lambda: STRANGER.sign(claims(ISSUER), jku="https://evil.example/keys", x5u="https://evil.example/c"),
        Reason.SIGNATURE,
    ),
    "changed scopes": (changed_payload, Reason.SIGNATURE),
    "kid of another algorithm's key": (lambda: RSA.sign(claims(ISSUER), kid="key-ES256"), Reason.UNKNOWN),
    "kid that is a path": (lambda: by_mac({"alg": "RS256", "kid": "../../../../dev/null"}, b""), Reason.UNKNOWN),
    "kid that is SQL": (lambda: STRANGER.sign(claims(ISSUER), kid="' UNION SELECT 'key"), Reason.UNKNOWN),
    "kid of no text": (lambda: unsigned({"alg": "RS256", "kid": ["key-RS256"]}, claims(ISSUER)), Reason.MALFORMED),
    "huge kid": (lambda: STRANGER.sign(claims(ISSUER), kid="k" * 4000), Reason.MALFORMED),
    "no kid, several keys fit": (lambda: RSA.sign(claims(ISSUER), kid=None), Reason.UNKNOWN),
    "critical extension": (lambda: RSA.sign(claims(ISSUER), crit=["x"], x=1), Reason.MALFORMED),
    "not base64": (lambda: "a.b.c", Reason.MALFORMED),
    "two parts": (lambda: ".".join(RSA.sign(claims(ISSUER)).split(".")[:2]), Reason.MALFORMED),
    "five parts": (lambda: f"{RSA.sign(claims(ISSUER))}.x.y", Reason.MALFORMED),
    "empty": (lambda: "", Reason.MALFORMED),
    "a head that is a list": (lambda: unsigned(["alg"], claims(ISSUER)), Reason.MALFORMED),
    "a deep head": (lambda: unsigned(b'{"alg":' + b"[" * 4000, claims(ISSUER)), Reason.MALFORMED),
    "no UTF-8": (lambda: unsigned(b'{"alg":"RS256","kid":"\xff"}', claims(ISSUER)), Reason.MALFORMED),
    "NUL": (lambda: b"\x00.\x00.\x00", Reason.MALFORMED),
    "nobody": (lambda: RSA.sign(claims(ISSUER, sub=None)), Reason.CLAIMS),
    "a caller without a name": (lambda: RSA.sign(claims(ISSUER, sub=" ")), Reason.CLAIMS),
}


class TestHostile:
    @pytest.mark.parametrize("what", HOSTILE)
    def test_is_refused(self, what: str) -> None:
        """Each by its own reason, so that it is no other part of it that the test refuses."""
        make, reason = HOSTILE[what]
        others = (*SIGNERS.values(), Signer("key-2", "RS256"))
        assert reason == verify(make(), *others)

    def test_is_refused_twice(self) -> None:
        """What was refused is not remembered as anything else."""
        tokens = Tokens(KeySet(key_set(RSA)), EXPECTED)
        token = STRANGER.sign(claims(ISSUER)).encode()
        assert [Reason.SIGNATURE] * 2 == [tokens.verify(token, time.time()) for _ in range(2)]


class TestGood:
    @pytest.mark.parametrize("algorithm", SIGNERS)
    def test_each_algorithm(self, algorithm: str) -> None:
        expected = Caller("loan-desk", frozenset({AccessScope.DECIDE, AccessScope.BATCH}))
        assert expected == verify(SIGNERS[algorithm].sign(claims(ISSUER)))

    def test_without_kid_where_one_key_fits(self) -> None:
        assert isinstance(verify(RSA.sign(claims(ISSUER), kid=None)), Caller)

    @pytest.mark.parametrize("changed", [{"exp": -20}, {"nbf": 20}, {"iat": 20}])
    def test_clocks_may_differ_a_little(self, changed: dict[str, int]) -> None:
        moved = {name: now() + seconds for name, seconds in changed.items()}
        assert isinstance(verify(RSA.sign(claims(ISSUER, **moved))), Caller)

    @pytest.mark.parametrize(
        ("claim", "scopes"),
        [
            ("decide  explain other", {AccessScope.DECIDE, AccessScope.EXPLAIN}),
            (["decide", "metrics", 7, None], {AccessScope.DECIDE, AccessScope.METRICS}),
            ("DECIDE,batch", set()),
            (7, set()),
            ({"decide": True}, set()),
            (None, set()),
        ],
    )
    def test_scopes(self, claim: Any, scopes: set[AccessScope]) -> None:
        """A text or a list; what is neither gives none."""
        caller = verify(RSA.sign(claims(ISSUER, scope=claim)))
        assert isinstance(caller, Caller)
        assert scopes == caller.scopes

    def test_claims_by_other_names(self) -> None:
        expected = Expected(ISSUER, AUDIENCE, "roles", "azp")
        caller = verify(RSA.sign(claims(ISSUER, roles=["explain"], azp="app")), expected=expected)
        assert Caller("app", frozenset({AccessScope.EXPLAIN})) == caller

    def test_a_name_is_one_short_line(self) -> None:
        caller = verify(RSA.sign(claims(ISSUER, sub="a\n{}" + "b" * 500)))
        assert isinstance(caller, Caller)
        assert (True, 64) == (caller.name.isprintable(), len(caller.name))
        other = verify(RSA.sign(claims(ISSUER, sub="a\n{}" + "b" * 499 + "c")))
        assert isinstance(other, Caller)
        assert caller.name != other.name, "whose limits and kept answers are not each other's"

    def test_is_verified_once_and_until_it_expires(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tokens, token = Tokens(KeySet(key_set(RSA)), EXPECTED), RSA.sign(claims(ISSUER)).encode()
        first = tokens.verify(token, time.time())
        decoded: list[bytes] = []
        monkeypatch.setattr(tokens_module.jwt, "get_unverified_header", lambda token: decoded.append(token) or {})
        assert first == tokens.verify(token, time.time() + 300)
        assert [] == decoded
        assert Reason.ALGORITHM == tokens.verify(token, time.time() + 331)

    def test_remembers_a_bounded_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tokens_module, "MAX_VERIFIED", 3)
        tokens = Tokens(KeySet(key_set(EC)), EXPECTED)
        for i in range(10):
            assert isinstance(tokens.verify(EC.sign(claims(ISSUER, jti=str(i))).encode(), time.time()), Caller)
        assert 3 == len(tokens._verified)


class TestKeySet:
    @pytest.mark.parametrize(
        "document", [b"", b"{}", b"[]", b'{"keys": 7}', b'{"keys": [7, {}]}', b'{"keys": []}', b"\xff"]
    )
    def test_without_a_usable_key(self, document: bytes) -> None:
        with pytest.raises(KeySetError):
            KeySet(document)

    @pytest.mark.parametrize(
        "changed",
        [
            {"use": "enc"},
            {"key_ops": ["encrypt"]},
            {"alg": "RS512"},
            {"d": "AQAB"},
            {"n": "!!"},
            {"kid": ["key-RS256"]},
            {"kid": 7},
            {"kty": "oct", "k": "c2VjcmV0"},
        ],
    )
    def test_unusable_keys_are_passed_over(self, changed: dict[str, Any]) -> None:
        """A key for something else can't verify here, and a broken one doesn't take the others along."""
        entries = [RSA.public | changed, EC.public]
        keys = KeySet(json.dumps({"keys": entries}).encode())
        assert keys.find("key-RS256", "RS256") is None
        assert keys.find("key-ES256", "ES256") is not None

    def test_short_keys_are_passed_over(self) -> None:
        with pytest.raises(KeySetError):
            KeySet(key_set(Signer("short", "RS256", bits=1024)))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time between two fetches."""
    monkeypatch.setattr(issuer_module, "UNKNOWN_SECONDS", 0.0)


def found(source: Issuer, token: str) -> Caller | Reason:
    """As access asks: what isn't known may be by now."""

    async def ask() -> Caller | Reason:
        found = source.find(token.encode(), time.time())
        if found in LEARNABLE and await source.learn():
            found = source.find(token.encode(), time.time())
        return found

    return asyncio.run(ask())


class Failures:
    def __init__(self) -> None:
        self.number = 0

    def add(self) -> None:
        self.number += 1


@pytest.fixture
def failures() -> Iterator[Failures]:
    return Failures()


class TestIssuer:
    def source(self, url: str, failures: Failures, jwks_url: str | None = None) -> Issuer:
        return Issuer(Expected(url, AUDIENCE, "scope", "sub"), jwks_url, failures.add)

    def test_keys_are_discovered(self, failures: Failures) -> None:
        with issuing(RSA) as issuer:
            source = self.source(issuer.url, failures)
            assert not source.ready
            asyncio.run(source.refresh())
            assert source.ready
            assert isinstance(found(source, RSA.sign(claims(issuer.url))), Caller)
        assert ["/realm/.well-known/openid-configuration", "/realm/keys"] == issuer.asked

    def test_are_fetched_once_while_they_are_fresh(self, failures: Failures) -> None:
        with issuing(RSA) as issuer:
            source = self.source(issuer.url, failures, f"{issuer.url}/keys")
            for _ in range(3):
                asyncio.run(source.refresh())
        assert ["/realm/keys"] == issuer.asked

    def test_go_on_while_the_issuer_is_away(self, failures: Failures, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(issuer_module, "FRESH_SECONDS", 0.0)
        with issuing(RSA) as issuer:
            source = self.source(issuer.url, failures)
            asyncio.run(source.refresh())
            issuer.stop()
            asyncio.run(source.refresh())
            assert 1 == failures.number
            assert isinstance(found(source, RSA.sign(claims(issuer.url))), Caller)

    @pytest.mark.usefixtures("impatient")
    def test_a_new_key_is_found_with_its_first_token(self, failures: Failures) -> None:
        with issuing(RSA) as issuer:
            source = self.source(issuer.url, failures)
            asyncio.run(source.refresh())
            old = RSA.sign(claims(issuer.url))
            assert isinstance(found(source, old), Caller)
            issuer.signers[:] = [EC]
            assert isinstance(found(source, EC.sign(claims(issuer.url))), Caller)
            assert Reason.UNKNOWN == found(source, old), "a withdrawn key's token, verified before"

    def test_unknown_keys_bring_about_few_fetches(self, failures: Failures) -> None:
        with issuing(RSA) as issuer:
            source = self.source(issuer.url, failures, f"{issuer.url}/keys")
            asyncio.run(source.refresh())
            for i in range(20):
                assert Reason.UNKNOWN == found(source, STRANGER.sign(claims(issuer.url), kid=f"kid-{i}"))
        assert ["/realm/keys"] == issuer.asked

    @pytest.mark.usefixtures("impatient")
    def test_many_at_once_wait_for_one_fetch(self, failures: Failures) -> None:
        with issuing(RSA) as issuer:
            source = self.source(issuer.url, failures, f"{issuer.url}/keys")

            async def all_at_once() -> list[bool]:
                return await asyncio.gather(*(source.learn() for _ in range(50)))

            assert {True} == set(asyncio.run(all_at_once()))
            assert source.ready
        assert ["/realm/keys"] == issuer.asked

    @pytest.mark.usefixtures("impatient")
    def test_away_from_the_start(self, failures: Failures) -> None:
        """Nobody can be known, which isn't the token's fault; once it is back all is well."""
        with issuing(RSA) as issuer:
            issuer.stop()
            source = self.source(issuer.url, failures)
            token = RSA.sign(claims(issuer.url))
            assert Reason.ISSUER_UNREACHABLE == found(source, token)
            issuer.start()
            assert isinstance(found(source, token), Caller)

    @pytest.mark.parametrize(
        "discovery",
        [
            {"issuer": "https://issuer.example"},
            {"jwks_uri": "file:///etc/passwd"},
            {"jwks_uri": "http://issuer.example/keys"},
            {"jwks_uri": 7},
            {"jwks_uri": None},
        ],
    )
    def test_a_discovery_document_that_leads_astray(self, failures: Failures, discovery: dict[str, Any]) -> None:
        with issuing(RSA) as issuer:
            issuer.discovery = discovery
            source = self.source(issuer.url, failures)
            asyncio.run(source.refresh())
        assert (False, 1) == (source.ready, failures.number)

    def test_a_broken_key_set_keeps_the_keys(self, failures: Failures, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(issuer_module, "FRESH_SECONDS", 0.0)
        with issuing(RSA) as issuer:
            source = self.source(issuer.url, failures)
            asyncio.run(source.refresh())
            issuer.signers.clear()
            asyncio.run(source.refresh())
            assert 1 == failures.number
            assert isinstance(found(source, RSA.sign(claims(issuer.url))), Caller)

    def test_a_document_has_its_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(issuer_module, "MAX_BYTES", 10)
        with issuing(RSA) as issuer, pytest.raises(IssuerError, match="more than 10 bytes"):
            fetch(f"{issuer.url}/keys")
