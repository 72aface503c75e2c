"""Bearer tokens of an OpenID Connect issuer: which keys may sign them, and what one has to say.

Loaded only where CREDIT_RISK_ACCESS is `issuer`, since the cryptography costs memory and time to load.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from pydantic_core import from_json

from serving.access.callers import Caller, Reason, known_scopes, one_line

LEEWAY_SECONDS = 30
"""What the issuer's clock and this one's may differ by."""

MIN_RSA_BITS = 2048
MAX_KEYS = 100
MAX_KID = 256

MAX_VERIFIED = 4096
"""Tokens that are remembered as verified until they expire, some 300 bytes each."""

_ALGORITHMS = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
"""The one algorithm of each kind of key. What a token's head says is held against it, and never chooses it."""

ALGORITHMS = frozenset(_ALGORITHMS.values())

_REASONS: tuple[tuple[type[Exception], Reason], ...] = (
    (jwt.ExpiredSignatureError, Reason.EXPIRED),
    (jwt.ImmatureSignatureError, Reason.NOT_YET_VALID),
    (jwt.InvalidIssuerError, Reason.ISSUER),
    (jwt.InvalidAudienceError, Reason.AUDIENCE),
    (jwt.InvalidSignatureError, Reason.SIGNATURE),
    (jwt.InvalidAlgorithmError, Reason.ALGORITHM),
    (jwt.MissingRequiredClaimError, Reason.CLAIMS),
)


class KeySetError(Exception):
    """A document that is no usable JSON Web Key Set."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token has to say.

    Attributes:
        issuer: its `iss`, exactly.
        audience: one of its `aud`.
        scopes_claim: which claim lists scopes, a text with spaces or a list.
        caller_claim: which claim names the caller.
    """

    issuer: str
    audience: str
    scopes_claim: str
    caller_claim: str


class KeySet:
    """An issuer's public keys, those that may verify here.

    Args:
        document: a JSON Web Key Set, as it came.

    Raises:
        KeySetError: it is none, or has no usable key.
    """

    def __init__(self, document: bytes) -> None:
        try:
            entries = from_json(document)["keys"]
        except (ValueError, KeyError, TypeError):
            entries = None
        if not isinstance(entries, list):
            raise KeySetError("no JSON Web Key Set")
        usable = [(entry.get("kid"), key) for entry in entries[:MAX_KEYS] if (key := _usable(entry)) is not None]
        if not usable:
            raise KeySetError("no key for RS256 of 2048 bits and more, ES256 or EdDSA")
        self._keys = [key for _, key in usable]
        self._by_kid = {(kid, key.algorithm_name): key for kid, key in usable}

    def find(self, kid: Any, algorithm: str) -> jwt.PyJWK | None:
        """The key that a token's head names; of a head that names none the only key of its algorithm."""
        if kid is None:
            fitting = [key for key in self._keys if key.algorithm_name == algorithm]
            return fitting[0] if len(fitting) == 1 else None
        return self._by_kid.get((kid, algorithm)) if isinstance(kid, str) else None


def _usable(entry: Any) -> jwt.PyJWK | None:
    if not isinstance(entry, dict) or "d" in entry or entry.get("use", "sig") != "sig":
        return None
    operations = entry.get("key_ops", ["verify"])
    if not isinstance(entry.get("kid", ""), str) or not isinstance(operations, list) or "verify" not in operations:
        return None
    crv = entry.get("crv") if entry.get("kty") != "RSA" else None
    try:
        algorithm = _ALGORITHMS[entry["kty"], crv]
        if entry.get("alg", algorithm) != algorithm:
            return None
        key = jwt.PyJWK(entry, algorithm=algorithm)
    except Exception:  # noqa: BLE001  # one bad entry, whatever is wrong with it, must not take the others along
        return None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < MIN_RSA_BITS:
        return None
    return key


class Tokens:
    """Verifies tokens by one key set, and remembers those that were good.

    Args:
        keys: the issuer's.
        expected: what tokens have to say.
    """

    def __init__(self, keys: KeySet, expected: Expected) -> None:
        self._keys = keys
        self._expected = expected
        self._verified: dict[bytes, tuple[float, Caller]] = {}

    def verify(self, token: bytes, now: float) -> Caller | Reason:
        """Who holds the token, or what is wrong with it; `Reason.UNKNOWN` where its key isn't in the set.

        Args:
            token: as it was sent.
            now: Unix time.
        """
        digest = hashlib.sha256(token).digest()
        if (known := self._verified.get(digest)) is not None:
            if now < known[0]:
                return known[1]
            del self._verified[digest]
        try:
            claims = self._claims(token)
            if isinstance(claims, Reason):
                return claims
            end = float(claims["exp"]) + LEEWAY_SECONDS
        except Exception as exc:  # noqa: BLE001  # whatever a stranger's token brings about is a refusal
            return next((reason for kind, reason in _REASONS if isinstance(exc, kind)), Reason.MALFORMED)
        name = _name(claims.get(self._expected.caller_claim))
        if name is None:
            return Reason.CLAIMS
        scopes = known_scopes(_listed(claims.get(self._expected.scopes_claim)))
        caller = Caller(name, scopes, subject=_name(claims.get("sub")))
        if len(self._verified) >= MAX_VERIFIED:
            del self._verified[next(iter(self._verified))]  # the oldest
        self._verified[digest] = end, caller
        return caller

    def _claims(self, token: bytes) -> Mapping[str, Any] | Reason:
        header = jwt.get_unverified_header(token)
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in ALGORITHMS:
            return Reason.ALGORITHM
        if "crit" in header or (isinstance(kid, str) and len(kid) > MAX_KID):
            return Reason.MALFORMED
        key = self._keys.find(kid, algorithm)
        if key is None:
            return Reason.UNKNOWN
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=self._expected.issuer,
            audience=self._expected.audience,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud"]},
        )
        return claims


def _name(claim: Any) -> str | None:
    return one_line(claim) if isinstance(claim, str) and claim.strip() else None


def _listed(claim: Any) -> Iterable[str]:
    if isinstance(claim, str):
        return claim.split(" ")
    return [name for name in claim if isinstance(name, str)] if isinstance(claim, list) else ()
