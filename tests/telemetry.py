"""What tests of drawn contracts need of the service: the one place that knows in which module each is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unittest import mock

from engine import Engine, check_fit, open_model
from preprocessing.application import FieldError
from preprocessing.contract import Contract
from serving.http.answers import explanation, prediction
from serving.http.schemas import schemas
from serving.telemetry.metrics import Metrics

__all__ = ["Engine", "application_schema", "check_fit", "explanation", "labels", "open_model", "prediction"]


def application_schema(contract: Contract) -> dict[str, Any]:
    """An application's schema, as in /docs.json."""
    found: dict[str, Any] = schemas([(contract.model, "validation")])["LoanApplication"]
    return found


def labels(contract: Contract, errors: Sequence[FieldError]) -> list[tuple[str, str]]:
    """What errors are counted under: field and kind."""
    metrics = mock.Mock(spec_set=["_invalid_fields"])
    for error in errors:
        Metrics.count_invalid(metrics, error.loc, error.type, contract.by_name)
    return [call.args for call in metrics._invalid_fields.labels.call_args_list]
