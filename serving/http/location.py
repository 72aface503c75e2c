"""Where callers reach the service, which only the proxies in front of it know: what they say of it in their headers.

It is told back to nobody but the caller whose request said so, in an answer that is never stored.
"""

from __future__ import annotations

import re

from starlette.requests import Request

from serving.setting_values import PATH_PREFIX

# Names that containers and nginx's upstreams go by may have underscores.
_HOST = re.compile(r"([A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\.?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


def base_url(request: Request, root_path: str) -> str:
    """The URL in front of every route, without a slash behind it; "." where the request has no usable host.

    Args:
        request: whose X-Forwarded-Proto, -Host and -Prefix count before its own scheme and Host; what is no scheme,
            host or path doesn't count.
        root_path: the setting: what a proxy leaves in front of every path.
    """
    # uvicorn takes X-Forwarded-Proto for the request's own scheme, also where it is a WebSocket's.
    schemes = (_forwarded(request, "proto").lower(), request.scope["scheme"])
    scheme = next((scheme for scheme in schemes if scheme in ("http", "https")), "http")
    hosts = (_forwarded(request, "host"), request.headers.get("host", ""))
    host = next((host for host in hosts if _HOST.fullmatch(host)), None)
    if host is None:
        return "."
    prefix = _forwarded(request, "prefix").rstrip("/")
    return f"{scheme}://{host}{prefix if PATH_PREFIX.fullmatch(prefix) else ''}{root_path}"


def _forwarded(request: Request, what: str) -> str:
    """What the first of several proxies says, which is the one that the caller knows."""
    return request.headers.get(f"x-forwarded-{what}", "").partition(",")[0].strip()
