"""What a comparison of a draft reads, and what it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from decision.files import CATALOGUE_FILE, POLICY_FILE

MODEL, IN_FORCE, DRAFT = "model", "policy", "draft"
"""Folders of the job."""

PAGE = "comparison.html"
"""The report with its plots."""

PROGRAM = "desk.programs.comparing"


def lay_out(folder: Path, contents: Mapping[str, bytes], draft: bytes) -> None:
    """What the program reads, but for the file.

    Args:
        folder: of the job.
        contents: the very bytes of what is served, by name.
        draft: the policy that is proposed; its reasons are those in force.
    """
    of_policy = {name: contents[name] for name in (POLICY_FILE, CATALOGUE_FILE)}
    of_model = {name: content for name, content in contents.items() if name not in of_policy}
    for name, files in ((MODEL, of_model), (IN_FORCE, of_policy), (DRAFT, of_policy | {POLICY_FILE: draft})):
        (folder / name).mkdir()
        for file, content in files.items():
            (folder / name / file).write_bytes(content)
