"""TLS by BentoML's own options, tried before anything is served.

`bentoml serve` hands `--ssl-certfile` and the others to its workers, and each worker to uvicorn. A file that can't be
used would end each worker with a traceback, and the supervisor would start the next one, for ever; some combinations
are taken and mean less than they seem to. So the options of the running command are looked at when the service is
loaded, first of all in the supervisor. A container has no command line: there they are variables.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

import click

from serving.settings import SettingsError

VARIABLES = {
    f"BENTOML_SSL_{name.upper()}": f"ssl_{name}"
    for name in ("certfile", "keyfile", "keyfile_password", "version", "cert_reqs", "ca_certs", "ciphers")
}
"""A container's variables, by the names that BentoML's commands give the options."""

_PREFIX = "BENTOML_SSL_"

BENTOML_CIPHERS = "TLSv1"
"""What BentoML hands on where nobody has named ciphers. To OpenSSL 3 these are, for TLS 1.2, the oldest ones only (CBC
with SHA-1): careful clients have none of them, and can't agree with such a server on any."""

_DEFAULTS = {"ssl_version": int(ssl.PROTOCOL_TLS_SERVER), "ssl_cert_reqs": 0, "ssl_ciphers": BENTOML_CIPHERS}
"""What BentoML hands on, with TLS and without, where nobody has said anything."""


def container_options(environment: Mapping[str, str]) -> list[str]:
    """BentoML's options that a container's variables stand for; an empty variable is unset.

    Raises:
        SettingsError: a variable is unknown, or no number where one is wanted.
    """
    options = []
    for name, value in sorted(environment.items()):
        if not name.startswith(_PREFIX) or not value:
            continue
        if name not in VARIABLES:
            raise SettingsError(f"{name}: no such setting; there are {', '.join(VARIABLES)}")
        if name.endswith(("_VERSION", "_CERT_REQS")) and not value.isdecimal():
            raise SettingsError(f"{name}: must be a number of Python's ssl module, such as 2")
        options.append(f"{_option(VARIABLES[name])}={value}")
    return options


def check_tls(environment: Mapping[str, str]) -> None:
    """Check the TLS options of the running command, where it is one of BentoML's.

    Raises:
        SettingsError: with these options nothing, or not what they ask for, would be served.
    """
    context = click.get_current_context(silent=True)
    given = context.params if context is not None else {}
    if "ssl_certfile" not in given:
        return
    options = {name: given.get(name) for name in VARIABLES.values()}
    options = {name: None if value == _DEFAULTS.get(name) else value for name, value in options.items()}
    for variable, name in VARIABLES.items():
        if environment.get(variable) and options[name] is None:
            raise SettingsError(f"{variable}: only the image reads it; for `bentoml serve` it is {_option(name)}")
    _check(options)


def _check(options: Mapping[str, Any]) -> None:
    certificate = options["ssl_certfile"]
    others = [name for name, value in options.items() if value is not None and name != "ssl_certfile"]
    if not certificate:
        if others:
            raise _refused(others[0], "nothing is served by TLS without a certificate; add --ssl-certfile")
        return
    if options["ssl_version"] is not None:
        raise _refused("ssl_version", "TLS 1.2 and 1.3 are spoken; leave it out")
    try_out = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_certificates(try_out, "ssl_certfile", certificate)
    _load_key(try_out, certificate, options["ssl_keyfile"], options["ssl_keyfile_password"])
    _check_clients(try_out, options["ssl_cert_reqs"], options["ssl_ca_certs"])
    if options["ssl_ciphers"]:
        try:
            try_out.set_ciphers(options["ssl_ciphers"])
        except ssl.SSLError as exc:
            raise _refused("ssl_ciphers", "OpenSSL knows none of these; `openssl ciphers` lists them") from exc


def _load_certificates(try_out: ssl.SSLContext, name: str, file: str) -> None:
    try:
        try_out.load_verify_locations(file)
    except ssl.SSLError as exc:
        raise _refused(name, f"{file} holds no certificate; name a PEM file of one or more") from exc
    except OSError as exc:
        raise _refused(name, f"{file} can't be read: {exc.strerror}; name a file that the service may read") from exc


def _load_key(try_out: ssl.SSLContext, certificate: str, file: str | None, password: str | None) -> None:
    asked = []

    def answer() -> str:
        """OpenSSL would ask on the terminal, and wait."""
        asked.append(True)
        return password or ""

    try:
        try_out.load_cert_chain(certificate, file, answer)
    except (ssl.SSLError, ValueError) as exc:
        if asked:
            problem = "is not that of the key" if password else "is missing: the key is encrypted"
            raise _refused("ssl_keyfile_password", f"{problem}; give the key's password, or a key without one") from exc
        if isinstance(exc, ssl.SSLError) and exc.reason == "KEY_VALUES_MISMATCH":
            raise _refused("ssl_keyfile", f"{file or certificate} is the key of another certificate") from exc
        raise _refused("ssl_keyfile", f"{file or certificate} holds no private key; name a PEM file of one") from exc
    except OSError as exc:
        raise _refused(
            "ssl_keyfile", f"{file} can't be read: {exc.strerror}; name a file that the service may read"
        ) from exc


def _check_clients(try_out: ssl.SSLContext, requirement: int | None, authorities: str | None) -> None:
    if requirement not in (None, 1, 2):
        raise _refused("ssl_cert_reqs", "must be 0 (none is asked for), 1 (clients may have one) or 2 (they must)")
    if requirement and not authorities:
        raise _refused("ssl_cert_reqs", "no client certificate could be verified; add --ssl-ca-certs")
    if authorities:
        if not requirement:
            raise _refused("ssl_ca_certs", "no client is asked for a certificate; add --ssl-cert-reqs 2 to require one")
        _load_certificates(try_out, "ssl_ca_certs", authorities)


def _refused(name: str, problem: str) -> SettingsError:
    return SettingsError(f"{_option(name)}: {problem}")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
