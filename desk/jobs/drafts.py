"""A draft of the policy: checked, and laid out for a comparison."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from decision import InvalidPolicyError, Policy, read_policy
from decision.files import CATALOGUE_FILE, POLICY_FILE
from preprocessing.contract import Contract

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


@dataclass(frozen=True, slots=True)
class Checked:
    """A draft that has been looked at.

    Attributes:
        text: as it was sent.
        policy: None where it is none.
        problems: what is wrong with it: file, place and remedy.
    """

    text: str
    policy: Policy | None
    problems: tuple[str, ...] = ()


def check(text: str, contract: Contract, catalogue: bytes) -> Checked:
    """Look at a draft as the service would that had to serve it, with the reasons in force."""
    with tempfile.TemporaryDirectory(prefix="credit-risk-draft-") as folder:
        path = Path(folder) / POLICY_FILE
        path.write_text(text, encoding="utf-8")
        (Path(folder) / CATALOGUE_FILE).write_bytes(catalogue)
        try:
            files = read_policy(path, contract)
        except InvalidPolicyError as exc:
            return Checked(text, None, tuple(line.removeprefix(f"{POLICY_FILE}: ") for line in str(exc).splitlines()))
    return Checked(text, files.policy)
