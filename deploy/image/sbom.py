"""The image's bill of materials as CycloneDX JSON: `python -m deploy.image.sbom IMAGE > sbom.cdx.json`.

Asked of the image itself: Python, every Python distribution, every Debian package, and model and policy with their
files' digests. The same image gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

INVENTORY = Path(__file__).with_name("inventory.py")

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


def _package(purl: PackageURL, licence: str | None = None) -> Component:
    licences = [make_licence(licence)] if licence else []
    return Component(name=purl.name, version=purl.version, purl=purl, bom_ref=purl.to_string(), licenses=licences)


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m deploy.image.sbom",
        description="Print an image's bill of materials as CycloneDX JSON.",
        epilog="exit code: 0 printed, 1 the image can't be asked, 2 wrong arguments",
    )
    parser.add_argument("image", metavar="IMAGE", help="such as credit-risk-api:1.0.0; the engine must have it")
    print(bill(parser.parse_args().image))
