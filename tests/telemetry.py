"""What tests of drawn contracts need of the service: the one place that knows in which module each is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unittest import mock

from serving.answers import explanation, prediction
from serving.schemas import schemas

from preprocessing.application import FieldError
from preprocessing.contract import Contract
from serving import metrics
from serving.engine import Assessment, Engine
from serving.store import check_fit, open_model

__all__ = [
    "Assessment",
    "Engine",
    "application_schema",
    "check_fit",
    "explanation",
    "labels",
    "open_model",
    "prediction",
]


def application_schema(contract: Contract) -> dict[str, Any]:
    """An application's schema, as in /docs.json."""
    found: dict[str, Any] = schemas([(contract.model, "validation")])["LoanApplication"]
    return found


def labels(contract: Contract, errors: Sequence[FieldError]) -> list[tuple[str, str]]:
    """What errors are counted under: field and kind."""
    with mock.patch.object(metrics, "invalid_fields") as counter:
        for error in errors:
            metrics.count_invalid(error, contract.by_name)
    return [call.args for call in counter.labels.call_args_list]
