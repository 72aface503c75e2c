"""What Kubernetes puts into every container for each Service, where that Service's name begins like our settings."""

from __future__ import annotations

import re
from collections.abc import Mapping

_URL = re.compile(r"(tcp|udp|sctp)://[^\s/]+:\d+")
_BEHIND_THE_NAME = re.compile(r"_SERVICE_(HOST|PORT(_\w+)?)|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?")
"""Of a Service's variables. One, `_PORT`, is a URL, and by that such a Service is known: `CREDIT_RISK_PORT=3000` is
somebody's mistake."""


def service_links(environment: Mapping[str, str], prefix: str) -> set[str]:
    """The variables with this prefix that are of Services, and set by nobody."""
    names = [name for name in environment if name.startswith(prefix)]
    services = [
        name.removesuffix("_PORT") for name in names if name.endswith("_PORT") and _URL.fullmatch(environment[name])
    ]
    return {
        name
        for name in names
        for service in services
        if name.startswith(service) and _BEHIND_THE_NAME.fullmatch(name, len(service))
    }
