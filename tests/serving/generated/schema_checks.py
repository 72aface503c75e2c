"""What Schemathesis is to hold against every answer besides its own checks; it loads this file itself.

Two of its checks know nothing but the schema, and the contract says more: a stated ratio must be that of the amounts,
and `?partial=true` answers bad rows in their places.
"""

from __future__ import annotations

import schemathesis
from schemathesis import Case, CheckContext, Response
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance


@schemathesis.check
def refuses_what_the_schema_forbids(ctx: CheckContext, response: Response, case: Case) -> None:
    """A bad request is refused; in a partial batch it is each bad row."""
    if response.status_code != 200 or (case.query or {}).get("partial") != "true":
        negative_data_rejection(ctx, response, case)


@schemathesis.check
def takes_what_the_schema_allows(ctx: CheckContext, response: Response, case: Case) -> None:
    """A good request is answered, unless its fields contradict one another."""
    errors = response.json().get("errors", ()) if response.status_code == 422 else ()
    if not errors or {error["type"] for error in errors} != {"ratio_mismatch"}:
        positive_data_acceptance(ctx, response, case)
