"""What is in the image, as JSON. Run inside it by sbom.py; needs nothing but the standard library."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from importlib.metadata import PackageMetadata, distributions
from pathlib import Path

TIMED = {"bento.yaml", "model.yaml"}
"""BentoML's own files, which hold the times of import and build."""

LICENCE_CLASSIFIER = "License :: OSI Approved :: "


def licence(metadata: PackageMetadata) -> str | None:
    """What a distribution states, unless that is a whole text."""
    stated: str = next(iter(metadata.get_all("License-Expression") or metadata.get_all("License") or ()), "")
    if stated and len(stated) <= 64 and "\n" not in stated:
        return stated
    classifiers = metadata.get_all("Classifier") or []
    return next((name.removeprefix(LICENCE_CLASSIFIER) for name in classifiers if LICENCE_CLASSIFIER in name), None)


def bento_tag(path: Path) -> str:
    """Name and version of the Bento, each a line of its own."""
    stated = dict(
        line.split(": ", 1) for line in path.read_text().splitlines() if line.startswith(("name:", "version:"))
    )
    return f"{stated['name']}:{stated['version']}"


def signed_by(entry: Path) -> str | None:
    """The fingerprint of the key that vouched for a model or a policy when it was imported; None where none did."""
    found = re.search("^  signed_by: ([0-9a-f]{64})$", (entry / "model.yaml").read_text(), re.MULTILINE)
    return found[1] if found else None


def content(folder: Path) -> str:
    """A digest of all that was built into the Bento, but for times and bytecode: the same for the same sources."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in TIMED)
    lines = [f"{sha256(path)} {path.relative_to(folder)}\n" for path in files if path.suffix != ".pyc"]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def sha256(path: Path) -> str:
    """The digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


release = platform.freedesktop_os_release()
folders = [*sys.path, f"{sys.base_prefix}/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"]
fields = "${Package} ${Version} ${Architecture}\n"
packages = subprocess.check_output(["dpkg-query", "--show", "--showformat", fields], text=True)
bento = Path(os.environ["BENTO_PATH"])
models = bento / "models"
entries = [path for path in models.glob("*/*") if path.is_dir()]

json.dump(
    {
        "python": platform.python_version(),
        "distro": f"{release['ID']}-{release['VERSION_ID']}",
        "pypi": sorted({(found.name, found.version, licence(found.metadata)) for found in distributions(path=folders)}),
        "deb": [line.split() for line in packages.splitlines()],
        "bento": {"tag": bento_tag(bento / "bento.yaml"), "content_sha256": content(bento)},
        "models": [
            {
                "name": entry.parent.name,
                "version": entry.name,
                "signed_by": signed_by(entry),
                "files": {path.name: sha256(path) for path in sorted(entry.iterdir()) if path.name not in TIMED},
            }
            for entry in sorted(entries)
        ],
    },
    sys.stdout,
)
