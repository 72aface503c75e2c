"""Install a lock into this Python's environment with uv: `python setup/install.py requirements-import.txt`.

Nothing is installed but what a digest in the lock says, byte for byte; uv itself is held to setup/requirements.txt.

uv comes by pip, and pip's configuration (its files and PIP_ variables: index, proxy, certificates) holds for uv too,
which does not read it. Only what it says of how to reach packages counts: `user`, `target` and their like would have uv
somewhere else. What is said to uv itself (UV_ variables) goes first. Standard library only: it runs in an
environment that has nothing yet.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

OWN = Path(__file__).with_name("requirements.txt")

HELD = ("--require-hashes", "--requirement")
"""A lock, each of whose packages is held to the digests beside it."""

CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, Red Hat
    "/etc/ssl/ca-bundle.pem",  # SUSE
)
"""Where Linux distributions keep the certificates that the system trusts, a company's own among them."""

REACH = (
    *("index-url", "extra-index-url", "no-index", "find-links", "trusted-host", "proxy", "cert", "client-cert"),
    *("timeout", "retries", "cache-dir", "no-cache-dir", "keyring-provider", "use-feature", "use-deprecated"),
)
"""pip's options that say how packages are reached, rather than where they go or which are allowed."""

TRUE = ("1", "true", "yes", "on")


def effective(listing: str) -> dict[str, str]:
    """The settings that hold for `pip install`, by option, of what `pip config list` prints.

    As pip has it, a section for the command goes before `global`, and a variable before both.
    """
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listing.splitlines():
        name, _, value = line.partition("=")
        section, _, option = name.partition(".")
        if section in found:
            found[section][option] = str(ast.literal_eval(value))
    return found["global"] | found["install"] | found[":env:"]


def reaching(pip: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """The environment in which pip knows of its configuration only how packages are reached."""
    stated = {f"PIP_{option.replace('-', '_').upper()}": pip[option] for option in REACH if option in pip}
    others = {name: value for name, value in environ.items() if not name.startswith("PIP_")}
    return others | {"PIP_CONFIG_FILE": os.devnull} | stated


def pip_environment(environ: Mapping[str, str], system: str | None) -> dict[str, str]:
    """Have a pip that is older than 24.2, as Python 3.11 and 3.12 bring it, trust what the system trusts."""
    if any(environ.get(name) for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")):
        return {}
    stated = environ.get("SSL_CERT_FILE") or system
    return {"PIP_CERT": stated} if stated else {}


def uv_environment(pip: Mapping[str, str], environ: Mapping[str, str], system: str | None) -> dict[str, str]:
    """What to add to the environment for uv: pip's settings where it has none of its own, the system's certificates.

    Args:
        pip: pip's settings by option, as `effective` has them.
        environ: the environment as it is.
        system: the file of certificates that the system trusts; None where there is none.
    """
    added: dict[str, str] = {}

    def carry(option: str, *names: str, separator: str = " ") -> bool:
        values = pip.get(option, "").split()
        if not values or any(environ.get(name) for name in names):
            return False
        added[names[0]] = separator.join(values)
        return True

    carry("index-url", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
    if carry("extra-index-url", "UV_INDEX", "UV_EXTRA_INDEX_URL"):
        # To uv, the first index that has a package at all is the only one for it; to pip, all are one.
        added.setdefault("UV_INDEX_STRATEGY", environ.get("UV_INDEX_STRATEGY") or "unsafe-best-match")
    carry("find-links", "UV_FIND_LINKS", separator=",")
    carry("trusted-host", "UV_INSECURE_HOST")
    carry("proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
    carry("proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
    carry("cert", "SSL_CERT_FILE")
    carry("client-cert", "SSL_CLIENT_CERT")
    if "UV_SYSTEM_CERTS" not in environ and (system or sys.platform != "linux"):
        added["UV_SYSTEM_CERTS"] = "true"
    return added


def main(lock: str) -> None:
    """Install uv with this environment's pip, then `lock` with uv."""
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    system = next((path for path in CERTIFICATES if Path(path).is_file()), None)
    listing = subprocess.run([*pip, "config", "list"], stdout=subprocess.PIPE, text=True, check=True).stdout
    settings = effective(listing)
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        environment = reaching(settings, os.environ)
        added = {} if "cert" in settings else pip_environment(os.environ, system)
        subprocess.run([*pip, "install", *HELD, str(OWN)], env=environment | added, check=True)
    # Not compiled to bytecode: that was most of an installation's time, for modules most of which nothing here imports.
    command = [str(uv), "pip", "install", "--python", sys.executable, *HELD, lock]
    if settings.get("no-index", "").lower() in TRUE:
        command.append("--no-index")  # uv has no variable for it
    subprocess.run(command, env=os.environ | uv_environment(settings, os.environ, system), check=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except subprocess.CalledProcessError as exc:
        sys.exit(exc.returncode)
