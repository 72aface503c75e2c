"""What commands have in common: which model and policy, and how they say what they can't do."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from records.commands.options import Refusal

if TYPE_CHECKING:
    from portfolio.assessor import Assessor

EXIT_CODES = (
    "exit code: 0 done, 1 refused or ended by a fault, with a line on standard error, 2 wrong arguments, 3 more bad "
    "rows than --max-bad, 130 and 143 ended by Ctrl-C and SIGTERM"
)

MODEL, POLICY = "credit_risk_gradient_boosting", "credit_risk_policy"
"""What they are called in BentoML's store."""


def add_model(command: argparse.ArgumentParser) -> None:
    """Arguments that say which model and policy."""
    command.add_argument(
        "--model", metavar="WHICH", help=f"a folder, or a tag of the store (default: its latest {MODEL})"
    )
    command.add_argument("--policy", metavar="WHICH", help=f"a file, or a tag (default: the store's latest {POLICY})")


def the_assessor(options: argparse.Namespace) -> Assessor:
    """The model and policy that are meant, opened.

    Raises:
        Refusal: they aren't there, or must not be used.
    """
    from decision import InvalidPolicyError
    from portfolio.assessor import Assessor
    from scoring.artifact import ArtifactError

    model = the_folder(options.model, MODEL, "--model")
    policy = the_folder(options.policy, POLICY, "--policy")
    try:
        return Assessor.open(model, policy if policy.is_file() else policy / "decision_policy.json")
    except (ArtifactError, InvalidPolicyError) as exc:
        raise Refusal(str(exc)) from None


def the_folder(which: str | None, name: str, argument: str) -> Path:
    """Where what is meant lies: a path as it is, or an entry of the store.

    Args:
        which: path or tag; None for the store's latest.
        name: of the store's entries.
        argument: that said so.

    Raises:
        Refusal: nothing is there.
    """
    if which is not None and Path(which).exists():
        return Path(which)
    home = Path(os.environ.get("BENTOML_HOME") or Path.home() / "bentoml") / "models"
    called, _, version = (which or name).partition(":")
    if not version or version == "latest":
        version = _latest(home / called)
    if not version or not (home / called / version).is_dir():
        raise Refusal(
            f"{argument}: there is no {which or name}, neither as a path nor in the store {home}; name another, or run "
            "import_model.py"
        )
    return home / called / version


def _latest(entries: Path) -> str:
    """The version that the store calls its latest; in a Bento, which has one, that; empty where there is none."""
    try:
        return (entries / "latest").read_text(encoding="utf-8").strip()
    except OSError:
        there = [path.name for path in entries.iterdir() if path.is_dir()] if entries.is_dir() else []
        return there[0] if len(there) == 1 else ""


def writable(path: Path) -> None:
    """Check that a file can be where it is wanted: before the work, not after the last row.

    Raises:
        Refusal: its folder isn't there.
    """
    if not path.parent.is_dir():
        raise Refusal(f"{path}: can't be written (there is no such folder); name a file in a folder that there is")


def write(path: Path, content: bytes, mode: int | None = None) -> None:
    """Write a file, which is there whole or not at all.

    Args:
        path: of the file, in place of what is there.
        content: of it.
        mode: of it; None for its owner alone.

    Raises:
        Refusal: it can't be.
    """
    from records.durable import replace_durably

    try:
        replace_durably(path, content)
        if mode is not None:
            path.chmod(mode)
    except OSError as exc:
        raise Refusal(f"{path}: can't be written ({exc.strerror}); name a file in a folder that can") from None
