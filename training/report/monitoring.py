"""What is watched once the model serves: the alerts' own rules, so that the report can't say otherwise than they do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, Field

from training.errors import TrainingError

ALERTS = Path("deploy/prometheus/rules/alerts.yml")
"""Where the alerts are, from the root of the project."""

GROUP = "credit-risk-model"
"""Of the alerts that speak of the model; the others speak of the service."""

ROOT = Path(__file__).parents[2]


class Trigger(BaseModel):
    """One alert.

    Attributes:
        alert: its name.
        expr: what has to hold.
        lasting: for how long, as Prometheus writes it.
        labels: severity, and window where there are several.
        annotations: summary, and where the runbook is.
    """

    alert: str
    expr: str
    lasting: Annotated[str, Field(alias="for")] = "0m"
    labels: dict[str, str]
    annotations: dict[str, str]

    @property
    def summary(self) -> str:
        """What it says."""
        return self.annotations["summary"]

    @property
    def condition(self) -> str:
        """What has to hold, on one line."""
        return " ".join(self.expr.split())


def triggers(root: Path = ROOT) -> tuple[Trigger, ...] | None:
    """The alerts on the model; None where training runs without the files of the deployment.

    Raises:
        TrainingError: the file is there, and holds no such alerts.
    """
    path = root / ALERTS
    if not path.is_file():
        return None
    document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    rules = [rule for group in document["groups"] if group["name"] == GROUP for rule in group["rules"]]
    if not rules:
        raise TrainingError(f"{ALERTS}: has no alerts in a group {GROUP}; name the model's alerts so")
    return tuple(Trigger.model_validate(rule) for rule in rules)
