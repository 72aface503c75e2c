"""What all decisions of one start have in common, kept once and named by its digest."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_core import to_json

from preprocessing.documents import Strict

_LIBRARIES = ("numpy", "scipy", "pydantic", "bentoml")
"""Those whose version can change an answer's bits or its form; what the image serves needs no SciPy."""

MAX_SAMPLE_BYTES = 2048
"""Of what records are packed against; DEFLATE's window is set to twice as much."""


class Basis(Strict):
    """What decided, as far as it can be named.

    Attributes:
        service_version: of the service.
        model_name: of the model.
        model_version: of the model.
        policy_version: of the policy.
        digests: SHA-256 of each file of model and policy.
        code: SHA-256 of the source that decides.
        libraries: versions of those that can change an answer.
        processor: its kind; another one may differ in the last bits.
        fields: of an application, in the order in which a record lists its values.
        scored: the fields that attributions are of, in order.
        sample: a text much like what is received, which records are packed against.
    """

    format: Literal[1] = 1
    service_version: str
    model_name: str
    model_version: str
    policy_version: str
    digests: dict[str, str]
    code: str
    libraries: dict[str, str]
    processor: str
    fields: tuple[str, ...]
    scored: tuple[str, ...]
    sample: Annotated[str, Field(max_length=MAX_SAMPLE_BYTES)]

    @cached_property
    def document(self) -> bytes:
        """As it is kept."""
        return self.model_dump_json().encode()

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the document."""
        return sha256(self.document).digest()

    @cached_property
    def dictionary(self) -> bytes:
        """What records are packed against."""
        return to_json(self.sample)  # as it stands in a record: a text within JSON


def libraries() -> dict[str, str]:
    """Versions of the libraries that can change an answer, as far as they are there."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def processor() -> str:
    """The kind of processor, and the system on it."""
    return f"{platform.system()} {platform.machine()}"


def code_digest(packages: Iterable[Path]) -> str:
    """SHA-256 over the source files of packages, their paths within them included."""
    digest = sha256()
    for package in sorted(packages):
        for path in sorted(package.rglob("*.py")):
            content = path.read_bytes()
            digest.update(f"{package.name}/{path.relative_to(package).as_posix()} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()
