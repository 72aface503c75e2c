"""The two that are compared, by what people name: policies' files, models' folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from decision import InvalidPolicyError, read_policy
from decision.files import POLICY_FILE, beside_or_default
from engine import Engine, check_fit, open_model
from portfolio.assessor import Assessor, Origin
from portfolio.errors import NotComparableError
from scoring.artifact import MANIFEST, Artifact, read_artifact
from scoring.attribution import Attributor
from scoring.scorer import Scorer


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two.

    Attributes:
        assessor: its model and policy.
        unfit: why they can't be served together as they are; None where they can. A comparison gives no reasons, so
            that it needs no reference population that fits.
    """

    assessor: Assessor
    unfit: str | None = None


def are_models(a: Path, b: Path) -> bool:
    """Whether two paths are models; else they are policies.

    Raises:
        NotComparableError: these are neither two policies nor two models.
    """
    kinds = {_is_model(a), _is_model(b)}
    if len(kinds) == 2:
        raise NotComparableError(
            f"{a} and {b} are a policy and a model; name two of a kind (for two models, --policy-b is B's own policy)"
        )
    return kinds == {True}


def open_policies(a: Path, b: Path, model: Path) -> tuple[Side, Side]:
    """Two policies, by their files or folders, for one model.

    Raises:
        ArtifactError: the model can't be used.
        InvalidPolicyError: a policy can't be used.
    """
    opened = _opened(model)
    return _side(opened, a), _side(opened, b)


def open_models(a: Path, b: Path, policy: Path, policy_b: Path) -> tuple[Side, Side]:
    """Two models' folders, each with its policy's file or folder.

    Raises:
        ArtifactError: a model can't be used.
        InvalidPolicyError: a policy can't be used.
    """
    return _side(_opened(a), policy), _side(_opened(b), policy_b)


class _Opened(NamedTuple):
    """A model."""

    folder: Path
    artifact: Artifact
    scorer: Scorer
    attributor: Attributor


def _opened(model: Path) -> _Opened:
    artifact = read_artifact(model)
    return _Opened(model, artifact, *open_model(artifact))


def _side(model: _Opened, policy: Path) -> Side:
    policy = policy / POLICY_FILE if policy.is_dir() else policy
    artifact = model.artifact
    files = read_policy(policy, artifact.contract, beside_or_default(policy))
    digests = {**artifact.digests, **files.digests}
    origin = Origin(model.folder.resolve(), policy.resolve(), digests, artifact.distribution)
    assessor = Assessor(Engine(model.scorer, model.attributor, files), files, origin)
    try:
        check_fit(artifact, files)
    except InvalidPolicyError as exc:
        return Side(assessor, " ".join(str(exc).splitlines()))
    return Side(assessor)


def _is_model(path: Path) -> bool:
    if path.is_dir():
        if (path / MANIFEST).exists():
            return True
        if not (path / POLICY_FILE).exists():
            raise NotComparableError(f"{path}: holds neither {MANIFEST} nor {POLICY_FILE}; name a model's folder or a "
                                     "policy's file")  # fmt: skip
    return False
