"""What a release is refused for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploy.image.release import ROOT, refusals, stated_versions, unreleased
from serving import SERVICE_VERSION

STATED = {"pyproject.toml": "1.2.0", "CHANGELOG.md": "1.2.0"}
CLOUDS = ("ecs", "cloud-run", "container-apps")
PAGES = ("docs/operations.md", "docs/image.md", "docs/release.md", *(f"docs/clouds/{name}.md" for name in CLOUDS))


def test_one_version() -> None:
    """Service, project and changelog state the same version."""
    assert {SERVICE_VERSION} == set(stated_versions().values())


@pytest.mark.parametrize("page", PAGES)
def test_commands_name_it(page: str) -> None:
    """What is to be typed builds, runs or pushes the version that the files beside it deploy."""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert {SERVICE_VERSION} == set(re.findall(r"(?:credit-risk-api:|release VERSION=)(\d[\d.]*)", text))


@pytest.mark.parametrize(
    ("changelog", "expected"),
    [
        ("# Changelog\n\n## 2.0.0\n\n- x\n\n## 1.0.0\n", "2.0.0"),
        ("# Changelog\n\n## Unreleased\n\n- x\n\n## 1.0.0\n", "1.0.0"),
        ("# Changelog\n", "none"),
    ],
)
def test_the_changelogs_first_entry_counts(tmp_path: Path, changelog: str, expected: str) -> None:
    """An older entry does not make up for one that is missing; what is unreleased has no version yet."""
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "2.0.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(changelog)

    assert expected == stated_versions(tmp_path)["CHANGELOG.md, its first entry"]


def test_what_is_unreleased_holds_a_release_back(tmp_path: Path) -> None:
    """Entries under Unreleased would be in the release without being said to be."""
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n- x\n\n## 1.2.0\n")

    assert unreleased(tmp_path)
    assert ["CHANGELOG.md has entries under Unreleased: call the heading 1.2.0"] == refusals(
        "1.2.0", STATED, "", waiting=True
    )


def test_nothing_to_refuse() -> None:
    assert [] == refusals("1.2.0", STATED, "")


@pytest.mark.parametrize(
    ("version", "changes", "expected"),
    [
        ("1.2.0", " M README.md\n", ["the working tree has changes that are not committed"]),
        ("1.3.0", "", ["pyproject.toml says 1.2.0, not 1.3.0", "CHANGELOG.md says 1.2.0, not 1.3.0"]),
    ],
)
def test_refused(version: str, changes: str, expected: list[str]) -> None:
    """Each place that states another version is named; so are changes."""
    assert expected == refusals(version, STATED, changes)
