"""A DataFrame of any dtypes gets the answers that its rows get by themselves, in its own order."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from decimal import Decimal
from types import ModuleType
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from tests import expect
from tests.applications import NUMBERS
from tests.servers import ROOT, Server

Document = dict[str, Any]


@pytest.fixture(scope="module")
def dataframe_client() -> Iterator[ModuleType]:
    """The client, imported as it imports its neighbours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "examples")
        yield importlib.import_module("dataframe_client")


@pytest.fixture(scope="module")
def frame(applications: list[Document]) -> pd.DataFrame:
    """300 applications as pandas itself reads them: NaN where there is null or nothing."""
    return pd.DataFrame(applications)


@pytest.fixture(scope="module")
def expected(client: httpx.Client, applications: list[Document]) -> list[Document]:
    """The answers to the same as JSON."""
    return expect.answer(client.post("/predict/batch", json=applications))["results"]


@pytest.fixture
def posted(server: Server) -> Iterator[tuple[httpx.Client, list[bytes]]]:
    """A client, and the bodies that it sent."""
    bodies: list[bytes] = []
    hooks = {"request": [lambda request: bodies.append(request.content)]}
    with httpx.Client(base_url=server.url, timeout=30, event_hooks=hooks) as client:
        yield client, bodies


def numpy_scalars(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns of dtype object that hold numpy's own numbers."""
    changed = frame.astype(object)
    for name in ("person_age", "loan_amnt"):
        changed[name] = pd.Series(list(frame[name].to_numpy()), dtype=object)
    assert isinstance(changed["person_age"].iloc[0], np.integer)
    return changed


def decimals(frame: pd.DataFrame) -> pd.DataFrame:
    """Money as Decimal, missing values as None."""
    changed = frame.astype(object).where(frame.notna(), None)
    for name in NUMBERS:
        changed[name] = [None if value is None else Decimal(str(value)) for value in changed[name]]
    return changed


def pyarrow(frame: pd.DataFrame) -> pd.DataFrame:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed; make dev installs it")
    changed = frame.convert_dtypes(dtype_backend="pyarrow")
    assert all(isinstance(dtype, pd.ArrowDtype) for dtype in changed.dtypes)
    return changed


DTYPES = {
    "as read": lambda frame: frame,
    "nullable": lambda frame: frame.convert_dtypes(),
    "object with None": lambda frame: frame.astype(object).where(frame.notna(), None),
    "object with NA": lambda frame: frame.astype(object).where(frame.notna(), pd.NA),
    "category": lambda frame: frame.astype("category"),
    "numpy scalars": numpy_scalars,
    "small integers": lambda frame: frame.astype({"person_age": "uint8", "cb_person_cred_hist_length": "Int16"}),
    "Decimal": decimals,
    "pyarrow": pyarrow,
}


@pytest.mark.parametrize("dtypes", DTYPES)
def test_any_dtypes_get_the_same_answers(
    dtypes: str, dataframe_client: ModuleType, client: httpx.Client, frame: pd.DataFrame, expected: list[Document]
) -> None:
    """Bit for bit."""
    scored = dataframe_client.score(client, DTYPES[dtypes](frame))

    assert scored["errors"].isna().all()
    for name in ("decision", "prediction", "probability_of_default", "credit_score", "reasons", "model_version"):
        assert [answer[name] for answer in expected] == scored[name].tolist()
    assert ("Int64", "float64") == (scored["prediction"].dtype, scored["probability_of_default"].dtype)


def test_many_rows_go_in_batches_and_keep_their_index(
    dataframe_client: ModuleType,
    posted: tuple[httpx.Client, list[bytes]],
    frame: pd.DataFrame,
    expected: list[Document],
) -> None:
    """1,001 rows in three requests, under an index of two levels, in no order and with duplicates."""
    client, bodies = posted
    index = pd.MultiIndex.from_arrays([["b", "a", "a"] * 400, [*range(600), *range(600)]])[:1001]
    rows = pd.concat([frame] * 4).iloc[:1001].set_axis(index)

    scored = dataframe_client.score(client, rows)

    assert [500, 500, 1] == [body.count(b'"person_age"') for body in bodies]
    assert index.equals(scored.index)
    pds = [answer["probability_of_default"] for answer in expected]
    assert (pds * 4)[:1001] == scored["probability_of_default"].tolist()


def test_bad_rows_keep_their_place(
    dataframe_client: ModuleType, client: httpx.Client, frame: pd.DataFrame, expected: list[Document]
) -> None:
    """With what is wrong with each of them; the others are scored."""
    rows = frame.set_axis([f"loan-{number}" for number in range(len(frame))])
    rows = rows.astype({"loan_amnt": float, "person_income": float})
    rows.loc["loan-2", "loan_grade"] = "Z"
    rows.loc["loan-5", "loan_amnt"] = np.inf
    rows.loc["loan-7", ["person_income", "loan_percent_income"]] = np.nan

    scored = dataframe_client.score(client, rows)

    bad = scored["errors"].dropna()
    assert {"loan-2": ["loan_grade"], "loan-5": ["loan_amnt"], "loan-7": ["person_income"]} == {
        name: list(errors) for name, errors in bad.items()
    }
    assert scored.loc[bad.index, ["decision", "prediction", "probability_of_default"]].isna().all(axis=None)
    good = scored["errors"].isna()
    kept = [answer["probability_of_default"] for answer, is_good in zip(expected, good, strict=True) if is_good]
    assert kept == scored.loc[good, "probability_of_default"].tolist()


@pytest.mark.parametrize("dtype", ["bool", "boolean", "object"])
def test_booleans_are_refused(
    dataframe_client: ModuleType, client: httpx.Client, frame: pd.DataFrame, dtype: str
) -> None:
    """They are no numbers and no letters, whatever holds them: nothing makes 1 or Y of True."""
    rows = frame.head(3).assign(
        cb_person_default_on_file=pd.Series([True, False, True], dtype=dtype),
        loan_amnt=pd.Series([np.True_, np.False_, np.True_], dtype=dtype),
    )

    scored = dataframe_client.score(client, rows)

    assert [{"cb_person_default_on_file", "loan_amnt"}] * 3 == [set(errors) for errors in scored["errors"]]


def test_no_rows_are_no_request(
    dataframe_client: ModuleType, posted: tuple[httpx.Client, list[bytes]], frame: pd.DataFrame
) -> None:
    """And the columns are there all the same."""
    client, bodies = posted
    scored = dataframe_client.score(client, frame.head(0))
    assert (0, []) == (len(scored), bodies)
    assert {"decision", "probability_of_default", "errors"} <= set(scored.columns)


def test_what_no_field_takes_is_said_before_anything_is_sent(
    dataframe_client: ModuleType, posted: tuple[httpx.Client, list[bytes]], frame: pd.DataFrame
) -> None:
    """A date, and two columns of one name."""
    client, bodies = posted
    with pytest.raises(TypeError, match="person_age holds Timestamp"):
        dataframe_client.score(client, frame.assign(person_age=pd.Timestamp("2026-01-01")))
    with pytest.raises(ValueError, match="same name"):
        dataframe_client.score(client, pd.concat([frame, frame[["loan_amnt"]]], axis=1))
    assert [] == bodies


def test_a_misspelt_field_is_no_missing_one(
    dataframe_client: ModuleType, client: httpx.Client, frame: pd.DataFrame
) -> None:
    """Every row says so."""
    scored = dataframe_client.score(client, frame.head(2).rename(columns={"loan_int_rate": "loan_rate"}))
    assert [["loan_rate"]] * 2 == [list(errors) for errors in scored["errors"]]


def test_a_refused_request_is_raised(dataframe_client: ModuleType, frame: pd.DataFrame) -> None:
    """With its problem document."""
    document = '{"type":"urn:problem:credit-risk-api:overloaded","status":503}'
    busy = httpx.MockTransport(
        lambda _: httpx.Response(503, headers={"Content-Type": "application/problem+json"}, text=document)
    )
    with (
        httpx.Client(base_url="http://service", transport=busy) as client,
        pytest.raises(dataframe_client.RefusedError, match=r"^503 .*overloaded"),
    ):
        dataframe_client.score(client, frame)
