"""A program around the client that openapi-python-client makes: prints what it got, as JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

from credit_risk_api_client import Client
from credit_risk_api_client.api.decisions import predict, predict_batch, predict_explain
from credit_risk_api_client.api.service import version
from credit_risk_api_client.models import LoanApplication, Prediction, Problem

example = json.loads(sys.argv[1])
client = Client(base_url=sys.argv[2])  # it has no address of its own


def given(**changes: Any) -> LoanApplication:
    return LoanApplication.from_dict(example | changes)


def refused(**changes: Any) -> Any:
    response = predict.sync_detailed(client=client, body=given(**changes))
    problem = response.parsed
    assert isinstance(problem, Problem)
    assert response.status_code == problem.status
    return [problem.status, [error.loc for error in problem.errors or []]]


nulls = dict.fromkeys(("person_emp_length", "loan_int_rate", "loan_percent_income"))
wrong = {"loan_percent_income": 0.9}
absent = LoanApplication.from_dict({name: value for name, value in example.items() if name not in nulls})
assert "loan_int_rate" not in absent.to_dict()
answer = predict.sync(client=client, body=given())
explained = predict_explain.sync(client=client, body=given(**nulls)).explanations
results = predict_batch.sync(client=client, body=[given(), given(**wrong)], partial=True).results
served = version.sync(client=client)
print(
    json.dumps(
        {
            "predict": [answer.decision.value, answer.probability_of_default],
            "null": predict.sync(client=client, body=given(**nulls)).probability_of_default,
            "absent": predict.sync(client=client, body=absent).probability_of_default,
            "negative": refused(person_age=-1),
            "problem": refused(**wrong),
            "batch": [[error.loc for error in row.errors] if row.errors else row.decision.value for row in results],
            "explained": [[e.feature, e.value] for e in explained.risk_drivers + explained.protective_factors],
            "version": [served.service, served.bento],
            "later": Prediction.from_dict(answer.to_dict() | {"added": {"later": 1}}).decision.value,
        }
    )
)
