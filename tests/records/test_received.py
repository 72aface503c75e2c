"""The rows of a body as they came, whatever JSON does between them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.http.received import received

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
spaces = st.text(" \t\r\n", max_size=3)
flat = st.dictionaries(st.text(), scalars, max_size=5)


@given(st.lists(st.tuples(flat, st.booleans(), spaces), min_size=1, max_size=8))
def test_each_row_as_it_came(drawn: list[tuple[dict[str, Any], bool, str]]) -> None:
    """Byte for byte: braces, quotes and escapes in texts among them, and any space between."""
    texts = [
        json.dumps(row, ensure_ascii=ascii_only, separators=(f"{space},", f":{space}"))
        for row, ascii_only, space in drawn
    ]
    body = f"[{','.join(texts)}]".encode("utf-8", "surrogatepass")
    assert texts == received(body, [row for row, _, _ in drawn])


@pytest.mark.parametrize(
    "rows",
    [[{"a": {"b": 1}}], [{"a": {"b": 1}}, {"c": 2}], [[{"a": 1}]], [1, {"a": 1}], [{"a": [{}]}, 5], ["{}"], [{}, "{"]],
)
def test_what_is_no_application_is_written_anew(rows: list[Any]) -> None:
    """Every row has its text, and means the same."""
    texts = received(json.dumps(rows).encode(), rows)
    assert rows == [json.loads(text) for text in texts]


@pytest.mark.parametrize("before", ["{}", '{"b": 1}', "[{}]", '[1, {"b": "}"}]'])
def test_what_is_named_twice_is_no_row_of_its_own(before: str) -> None:
    """The last value of a name counts, and what the name had before stands in the body all the same."""
    body = f'[{{"c": "{{"}}, {{"a": {before}, "a": 2}}]'
    texts = received(body.encode(), rows := json.loads(body))
    assert rows == [json.loads(text) for text in texts] == [{"c": "{"}, {"a": 2}]


def test_one_pass() -> None:
    """A body that is all quotes and braces is looked at once, not once for each of them."""
    row = {"a": '{"' * 100_000}
    body = json.dumps([row]).encode()
    assert [row] == [json.loads(text) for text in received(body, [row])]
    assert [{"a": {}}] * 3 == [json.loads(text) for text in received(b'[{"a":{}},{"a":{}},{"a":{}}]', [{"a": {}}] * 3)]
