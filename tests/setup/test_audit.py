"""What .ci/audit makes of what pip-audit says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers import ROOT

FOUND = "Found 1 known vulnerability in 1 package\nName Version ID Fix Versions\naiohttp 3.0 CVE-1 3.1"
UNKNOWN = "No known vulnerabilities found\nuv Dependency not found on PyPI and could not be audited: uv (0.13.9)"
PART = f"{FOUND}\nuv Dependency not found on PyPI and could not be audited: uv (0.13.9)"


@pytest.mark.parametrize(
    ("said", "status", "normal", "strict"),
    [
        ("No known vulnerabilities found", 0, 0, 0),
        (FOUND, 1, 1, 1),
        (PART, 1, 1, 1),
        (UNKNOWN, 0, 0, 1),
        ("ConnectionError: Max retries exceeded", 1, 0, 1),
        ("pip-audit: error: no such option", 2, 1, 1),
    ],
    ids=["nothing", "a finding", "a finding among the unknown", "no advisories", "out of reach", "broken"],
)
@pytest.mark.parametrize("lock", ["requirements-dev.txt", "requirements-ray.txt", "setup/requirements.txt"])
def test_ends_with(tmp_path: Path, lock: str, said: str, status: int, normal: int, strict: int) -> None:
    """A finding in any lock fails it; where nothing can be looked up, only --strict does."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "audit", tmp_path / ".ci")
    tool = tmp_path / ".venv" / "bin" / "pip-audit"
    tool.parent.mkdir(parents=True)
    tool.write_text(f"#!/bin/sh\ncase \"$*\" in\n*'-r {lock}')\ncat << 'END'\n{said}\nEND\nexit {status}\nesac\n")
    tool.chmod(0o755)
    for arguments, expected in (((), normal), (("--strict",), strict)):
        run = subprocess.run(
            [tmp_path / ".ci" / "audit", *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        assert expected == run.returncode
        assert ("CVE-1" in said) == ("CVE-1" in run.stdout)
        assert lock in run.stdout


def pins(name: str) -> set[str]:
    return set(re.findall(r"^[\w.-]+==[^\s;]+", (ROOT / name).read_text(), re.MULTILINE))


def test_the_largest_lock_has_all() -> None:
    """So that one audit is of all, and what is tested with is what is served and imported with."""
    assert pins("requirements.txt") < pins("requirements-import.txt") < pins("requirements-dev.txt")
    assert pins("requirements.txt") < pins("requirements-ray.txt")


@pytest.mark.parametrize(
    "name",
    [
        "requirements.txt",
        "requirements-import.txt",
        "requirements-dev.txt",
        "requirements-ray.txt",
        "setup/requirements.txt",
    ],
)
def test_locks_hold_digests_and_no_index(name: str) -> None:
    """Of every package, and nothing of where it came from."""
    text = (ROOT / name).read_text()
    for entry in re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]:
        assert re.search("--hash=sha256:[0-9a-f]{64}", entry), entry.splitlines()[0]
    assert re.findall(r"\S*(?:://|index-url|find-links)\S*", text) == []
