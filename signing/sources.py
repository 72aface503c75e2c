"""What an import reads: the files that it was given or, where a key is trusted, what that key vouches for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from decision.files import CATALOGUE_FILE, beside_or_default
from serving.vouching import TrustedKey
from signing.folders import FolderError


class Sources(NamedTuple):
    """Where model and policy are read from.

    Attributes:
        model: a folder, and the key that vouches for it; None where the policy is imported alone.
        policy: a file.
        catalogue: another.
        policy_by: the key that vouches for the two.
    """

    model: tuple[Path, str | None] | None
    policy: Path
    catalogue: Path
    policy_by: str | None


def found(
    model: Path | None, policy: Path, catalogue: Path | None, keys: Sequence[TrustedKey], copies: ExitStack
) -> Sources:
    """What to read: the files themselves or, where keys are trusted, copies of the folders that one vouches for.

    Raises:
        FolderError: a folder is not as a trusted key has signed it, or policy and reasons don't lie in one. Nothing of
            any has been opened.
    """
    if not keys:
        return Sources((model, None) if model else None, policy, catalogue or beside_or_default(policy), None)
    try:
        from signing.signatures import vouched  # noqa: PLC0415  # takes a second, for those who trust a key
    except ImportError as exc:
        raise FolderError(
            f"no signature can be verified here ({exc}); import where requirements-import.txt is installed, not on "
            "an Intel Mac, for which there are no packages"
        ) from exc

    catalogue = catalogue or policy.with_name(CATALOGUE_FILE)
    if catalogue.resolve().parent != policy.resolve().parent:
        raise FolderError(
            f"{catalogue} lies outside of {policy.parent}, and a policy is signed with its reasons; put both into one "
            "folder, and sign that"
        )
    of_model = copies.enter_context(vouched(model, keys)) if model else None
    of_policy = copies.enter_context(vouched(policy.parent, keys))
    for file in (policy, catalogue):
        if not (of_policy.folder / file.name).is_file():
            raise FolderError(f"{file} is not there; name a file of a signed folder")
    return Sources(
        (of_model.folder, of_model.signed_by) if of_model else None,
        of_policy.folder / policy.name,
        of_policy.folder / catalogue.name,
        of_policy.signed_by,
    )
