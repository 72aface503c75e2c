"""Make a release: `make release VERSION=1.0.0`. docs/release.md says what comes of it.

Checked before anything is made: a clean tree, and one version in the service, the project and the changelog.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import tomllib
from pathlib import Path

from deploy.image.sbom import bill, bill_of_locks, inventory
from serving import SERVICE_NAME, SERVICE_VERSION

ROOT = Path(__file__).resolve().parents[2]


def stated_versions(root: Path = ROOT) -> dict[str, str]:
    """The version of the service, by where it is stated; of the changelog, the newest that was given one."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    entry = re.search(r"^## (?!Unreleased)(\S+)", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    return {
        "serving/__init__.py": SERVICE_VERSION,
        "pyproject.toml": project["version"],
        "CHANGELOG.md, its first entry": entry[1] if entry else "none",
    }


def unreleased(root: Path = ROOT) -> bool:
    """Whether the changelog has entries that belong to no version yet."""
    return "\n## Unreleased\n" in (root / "CHANGELOG.md").read_text(encoding="utf-8")


def refusals(version: str, stated: dict[str, str], changes: str, *, waiting: bool = False) -> list[str]:
    """Why there can be no release of this version; nothing where there can.

    Args:
        version: what is to be released.
        stated: versions by where they are stated.
        changes: what `git status --porcelain` prints.
        waiting: whether the changelog has entries that are unreleased.
    """
    wrong = [f"{place} says {found}, not {version}" for place, found in stated.items() if found != version]
    if waiting:
        wrong.append(f"CHANGELOG.md has entries under Unreleased: call the heading {version}")
    if changes.strip():
        wrong.append("the working tree has changes that are not committed")
    return wrong


def digests(image: str, sbom: str) -> dict[str, object]:
    """What the image is, down to model and policy, in a form that can be compared."""
    (inspected,) = json.loads(output("docker", "image", "inspect", image))
    found = inventory(image)
    return {
        "version": SERVICE_VERSION,
        "revision": output("git", "rev-parse", "HEAD").strip(),
        "image": {"name": image, "id": inspected["Id"], "layers": inspected["RootFS"]["Layers"]},
        "bento": found["bento"],
        "models": {f"{entry['name']}:{entry['version']}": entry["files"] for entry in found["models"]},
        "signed_by": {f"{entry['name']}:{entry['version']}": entry["signed_by"] for entry in found["models"]},
        "requirements_sha256": hashlib.sha256((ROOT / "requirements.txt").read_bytes()).hexdigest(),
        "sbom_sha256": hashlib.sha256(sbom.encode()).hexdigest(),
    }


def output(*command: str) -> str:
    """Standard output of a command that must succeed."""
    return subprocess.check_output(command, cwd=ROOT, text=True)


def main(version: str) -> None:
    """Check, test, build, and write dist/<version>/."""
    folder = ROOT / "dist" / version
    if folder.exists():
        raise SystemExit(f"no release: {folder} holds one of this version; raise the version, or move it away")
    changes = output("git", "status", "--porcelain")
    if found := refusals(version, stated_versions(), changes, waiting=unreleased()):
        raise SystemExit("no release: " + "; ".join(found))
    image = f"{SERVICE_NAME}:{version}"
    for target in ("test", "image", "test-image"):
        subprocess.run(["make", target, f"IMAGE={image}"], cwd=ROOT, check=True)
    folder.mkdir(parents=True)
    sbom = bill(image) + "\n"
    (folder / "sbom.cdx.json").write_text(sbom, encoding="utf-8")
    (folder / "sbom-tools.cdx.json").write_text(bill_of_locks() + "\n", encoding="utf-8")
    (folder / "digests.json").write_text(json.dumps(digests(image, sbom), indent=2) + "\n", encoding="utf-8")
    print(f"{image}: {folder.relative_to(ROOT)}/digests.json, sbom.cdx.json, sbom-tools.cdx.json")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m deploy.image.release",
        description="Check, test, build, and write a release's digests and bill of materials to dist/VERSION.",
        epilog="exit code: 0 released, 1 refused or failed, 2 wrong arguments",
    )
    parser.add_argument("version", metavar="VERSION", help="such as 1.0.0, as the project states it")
    main(parser.parse_args().version)
