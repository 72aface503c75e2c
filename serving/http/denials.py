"""What a request is told that access refuses: never which part of a credential was wrong (RFC 6750, RFC 9457)."""

from __future__ import annotations

from serving.access.access import Denied
from serving.access.callers import Reason
from serving.http.problems import (
    ForbiddenError,
    NotReadyError,
    ProblemError,
    RateLimitedError,
    UnauthorizedError,
)
from serving.routes import AccessScope

_BEARER = UnauthorizedError.default_headers["WWW-Authenticate"]


def denial(denied: Denied) -> ProblemError:
    """The problem to show."""
    if denied.reason is Reason.MISSING:
        return UnauthorizedError()
    if denied.reason is Reason.SCOPE:
        challenge = f'{_BEARER}, error="insufficient_scope", scope="{denied.scope}"'
        return ForbiddenError(
            f"this route needs the scope {denied.scope}; use a credential with it; the operator has them",
            headers={"WWW-Authenticate": challenge},
        )
    if denied.reason is Reason.GUARDED:
        remedy = "set CREDIT_RISK_ACCESS to keys or issuer"
        if denied.scope is AccessScope.DESK:
            remedy += ", or CREDIT_RISK_DESK_PROXIES"
        return ForbiddenError(
            f"while access is open, this route answers programs on the service's own machine only; {remedy}"
        )
    if denied.reason is Reason.RATE:
        return RateLimitedError(headers={"Retry-After": str(denied.retry_seconds)})
    if denied.reason is Reason.ISSUER_UNREACHABLE:
        return NotReadyError("tokens can't be checked before the issuer's keys are had; repeat the request later")
    # Whatever else is wrong with a credential, in the same words.
    return UnauthorizedError(headers={"WWW-Authenticate": f'{_BEARER}, error="invalid_token"'})
