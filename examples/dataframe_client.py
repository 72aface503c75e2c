"""Score a pandas DataFrame: `URL=http://127.0.0.1:3000 python examples/dataframe_client.py`.

    answers = score(client, applications)
    decided = applications.join(answers)

A column for each field, of whatever dtype; a row that the service refuses keeps its place, with what is wrong with it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
from httpx_client import URL, RefusedError, answer, connect

APPLICATION = json.loads((Path(__file__).parent / "application.json").read_text(encoding="utf-8"))

ROWS = 500
"""Most rows that the service takes at once."""

COLUMNS = ("decision", "prediction", "probability_of_default", "credit_score", "reasons", "errors")
"""What an answer has whatever came of its rows; anything else that the service says follows."""


def plain(field: str, value: Any) -> str | float | bool | None:
    """What JSON has for a value: `numpy.int64(3)` is 3, `numpy.True_` is true, a Decimal the number.

    Raises:
        TypeError: for whatever no application has in it, such as a date.
    """
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"{field} holds {type(value).__name__}, which no field takes; send strings and numbers only")


def batches(frame: pd.DataFrame) -> Iterator[bytes]:
    """A frame as the bodies of requests: every NaN, NA, NaT and None is null, all else is sent as it stands."""
    if not frame.columns.is_unique:
        raise ValueError("two columns have the same name; send one column for each field")
    for start in range(0, len(frame), ROWS):
        rows = frame.iloc[start : start + ROWS]
        given = rows.astype(object).where(rows.notna(), None)
        columns = [[plain(field, value) for value in given[field]] for field in given]
        yield json.dumps([dict(zip(given, row, strict=True)) for row in zip(*columns, strict=True)]).encode()


def score(client: httpx.Client, frame: pd.DataFrame) -> pd.DataFrame:
    """A frame with the same index: a row's decision, or in `errors` why it has none (`{field: message}`).

    Raises:
        RefusedError: if a whole request is refused.
    """
    answers: list[dict[str, Any]] = []
    for body in batches(frame):
        # After a failure, calling again scores the rows before it again, which changes nothing.
        headers = {"Content-Type": "application/json"}
        answers += answer(client.post("/predict/batch?partial=true", content=body, headers=headers))["results"]
    for row in answers:
        if "errors" in row:
            row["errors"] = {error["loc"][-1]: error["msg"] for error in row["errors"]}
    columns = dict.fromkeys((*COLUMNS, *(name for row in answers for name in row)))
    scored = pd.DataFrame(answers, columns=list(columns), index=frame.index)
    # An integer column with gaps would come out as floats.
    return scored.astype({"prediction": "Int64", "probability_of_default": "float64", "credit_score": "Int64"})


def main() -> int:
    """Score 1,001 applications in three requests, one of them outside the contract, and print some of the answers."""
    count = 1001
    applications = pd.DataFrame(
        {field: [value] * count for field, value in APPLICATION.items()},
        index=pd.Index([f"loan-{number}" for number in range(count)], name="loan"),
    )
    applications["loan_amnt"] = np.linspace(1000, 51000, count)
    applications["loan_percent_income"] = applications["loan_amnt"] / applications["person_income"]
    applications["person_emp_length"] = pd.array([None, *range(1, 11)] * 91, dtype="Int64")
    applications["loan_grade"] = (
        applications["loan_grade"].where(applications.index != "loan-7", "Z").astype("category")
    )

    with connect() as client:
        scored = score(client, applications)
    print(scored["decision"].value_counts(dropna=False).sort_index().to_string())
    print(scored[["decision", "probability_of_default", "errors"]].iloc[5:9].to_string())
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RefusedError as exc:
        sys.exit(str(exc))
    except httpx.HTTPError as exc:
        sys.exit(f"{URL}: {exc}")
