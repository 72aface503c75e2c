"""A program around the Python client that openapi-generator makes: prints what it got, as JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

import openapi_client
from openapi_client import ApiException, DecisionsApi, LoanApplication, Prediction, Problem, ServiceApi
from pydantic import ValidationError

example = json.loads(sys.argv[1])
client = openapi_client.ApiClient()  # where the saved document says
api = DecisionsApi(client)


def given(**changes: Any) -> LoanApplication:
    return LoanApplication(**(example | changes))


def refused(**changes: Any) -> Any:
    try:
        application = given(**changes)
    except ValidationError as exc:
        return ["client", [list(error["loc"][:1]) for error in exc.errors()]]
    try:
        return api.predict(application)
    except ApiException as exc:
        problem: Problem = exc.data
        return [problem.status, [error.loc for error in problem.errors or []]]


nulls = dict.fromkeys(("person_emp_length", "loan_int_rate", "loan_percent_income"))
wrong = {"loan_percent_income": 0.9}
absent = LoanApplication(**{name: value for name, value in example.items() if name not in nulls})
answer = api.predict(given())
explained = api.predict_explain(given(**nulls)).explanations
results = api.predict_batch([given(), given(**wrong)], partial=True).results
version = ServiceApi(client).version()
print(
    json.dumps(
        {
            "predict": [answer.decision, answer.probability_of_default],
            "null": api.predict(given(**nulls)).probability_of_default,
            "absent": api.predict(absent).probability_of_default,
            "negative": refused(person_age=-1),
            "problem": refused(**wrong),
            "batch": [row.decision or [error.loc for error in row.errors or []] for row in results],
            "explained": [[e.feature, e.value] for e in explained.risk_drivers + explained.protective_factors],
            "version": [version.service, version.bento],
            "later": Prediction.from_dict(answer.to_dict() | {"added": {"later": 1}}).decision,
        }
    )
)
