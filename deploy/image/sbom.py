"""Bills of materials as CycloneDX JSON: `python -m deploy.image.sbom IMAGE > sbom.cdx.json`, or with --locks.

An image's is asked of the image itself: Python, every Python distribution, every Debian package, and model and policy
with their files' digests and the key that vouched for them. The same image gives the same bytes. The locks' is of
all that imports, trains, tests and builds, with the digests of every file that may be installed.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from serving import SERVICE_NAME, SERVICE_VERSION

INVENTORY = Path(__file__).with_name("inventory.py")

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements-dev.txt", "setup/requirements.txt")
"""What is installed where there is a checkout; the first has all of the other two locks."""

make_licence = LicenseFactory().make_from_string


def inventory(image: str) -> dict[str, Any]:
    """What the image says is in it; it is run without a network."""
    command = ["docker", "run", "--rm", "--interactive", "--network", "none", "--entrypoint", "python", image, "-"]
    found: dict[str, Any] = json.loads(subprocess.check_output(command, input=INVENTORY.read_bytes()))
    return found


def components(found: dict[str, Any]) -> Iterator[Component]:
    """Everything found; what was installed from an index has its package URL."""
    yield _package(PackageURL("generic", None, "python", found["python"]))
    for name, version, licence in found["pypi"]:
        yield _package(PackageURL("pypi", None, name, version), licence)
    for name, version, architecture in found["deb"]:
        yield _package(PackageURL("deb", "debian", name, version, {"arch": architecture, "distro": found["distro"]}))
    for entry in found["models"]:
        reference = f"{entry['name']}@{entry['version']}"
        is_model = "gradient_boosting_model.joblib" in entry["files"]
        yield Component(
            name=entry["name"],
            version=entry["version"],
            bom_ref=reference,
            type=ComponentType.MACHINE_LEARNING_MODEL if is_model else ComponentType.DATA,
            components=[
                Component(name=name, bom_ref=f"{reference}/{name}", type=ComponentType.FILE, hashes=[_sha256(digest)])
                for name, digest in entry["files"].items()
            ],
            properties=[Property(name="signed_by", value=entry["signed_by"])] if entry["signed_by"] else None,
        )


def bill(image: str) -> str:
    """The whole document."""
    (inspected,) = json.loads(subprocess.check_output(["docker", "image", "inspect", image]))
    labels = inspected["Config"]["Labels"]
    container = Component(
        name=labels["org.opencontainers.image.title"],
        version=labels["org.opencontainers.image.version"],
        type=ComponentType.CONTAINER,
        bom_ref=inspected["Id"],
        licenses=[make_licence(labels["org.opencontainers.image.licenses"])],
        hashes=[_sha256(inspected["Id"].removeprefix("sha256:"))],
    )
    bom = Bom(
        serial_number=uuid5(NAMESPACE_URL, inspected["Id"]),
        metadata=BomMetaData(component=container, timestamp=datetime.fromisoformat(f"{inspected['Created'][:19]}Z")),
        components=components(inventory(image)),
    )
    bom.register_dependency(container, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=2)


def locked(lock: str) -> Iterator[Component]:
    """The packages of a lock's text, whichever platform they are for, with the digests that they are held to."""
    for name, version, rest in re.findall(r"^([\w.-]+)==([^\s;]+)(.*(?:\n .*)*)", lock, re.MULTILINE):
        purl = PackageURL("pypi", None, name, version)
        files = [_sha256(digest) for digest in re.findall("sha256:([0-9a-f]{64})", rest)]
        # A component has one digest, and these are of as many files: what may be downloaded.
        download = ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(purl.to_string()), hashes=files)
        component = _package(purl)
        component.external_references.add(download)
        yield component


def bill_of_locks(root: Path = ROOT) -> str:
    """What the project is imported, trained, tested and built with."""
    texts = [(root / name).read_text(encoding="utf-8") for name in LOCKS]
    name = f"{SERVICE_NAME}-tools"
    project = Component(name=name, bom_ref=name, version=SERVICE_VERSION, type=ComponentType.APPLICATION)
    bom = Bom(
        serial_number=uuid5(NAMESPACE_URL, "".join(texts)),
        metadata=BomMetaData(component=project, timestamp=datetime.fromtimestamp(0, UTC)),
        components=[component for text in texts for component in locked(text)],
    )
    bom.register_dependency(project, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=2)


def _package(purl: PackageURL, licence: str | None = None) -> Component:
    licences = [make_licence(licence)] if licence else []
    return Component(name=purl.name, version=purl.version, purl=purl, bom_ref=purl.to_string(), licenses=licences)


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m deploy.image.sbom",
        description="Print a bill of materials as CycloneDX JSON: an image's, or that of the locks.",
        epilog="exit code: 0 printed, 1 the image can't be asked, 2 wrong arguments",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "image", nargs="?", metavar="IMAGE", help="such as credit-risk-api:1.0.0; the engine must have it"
    )
    what.add_argument("--locks", action="store_true", help=f"of what {' and '.join(LOCKS)} install")
    options = parser.parse_args()
    print(bill_of_locks() if options.locks else bill(options.image))
