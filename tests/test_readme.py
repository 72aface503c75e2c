"""README and docs/ say what is so: the examples are real answers, the settings and metrics are the real ones."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from preprocessing.application import InvalidApplicationError
from preprocessing.table import BEGIN, END, markdown
from serving.settings import PREFIX, Settings
from tests.applications import CONTRACT, FIELDS, parse_application
from tests.servers import ELSEWHERE, Server

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
MONITORING = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
APPLICATION = json.loads((ROOT / "examples" / "application.json").read_bytes())
BAD = APPLICATION | {"person_income": "high"}
SHOWN = [
    (method, route, json.loads(block))
    for page in (README, API)
    for method, route, block in re.findall(r"<!-- (GET|POST) (\S+) [^\n]*-->\n```json\n(.*?)```", page, re.DOTALL)
]
WITHOUT_EXAMPLE = {"/health", "/docs", "/metrics", "/livez", "/readyz", "/healthz"} | {
    *("/decisions", "/decisions/{id}", "/decisions/{id}/replay", "/outcomes"),
}
"""What they answer is in the table of routes, or isn't the service's own."""
SENT: list[Any] = [APPLICATION, APPLICATION, APPLICATION, [APPLICATION, BAD], None, BAD]


@pytest.mark.parametrize(
    ("shown", "sent"),
    list(zip(SHOWN, SENT, strict=True)),
    ids=[f"{method} {route}" for method, route, _ in SHOWN],
)
def test_an_example_is_what_the_service_answers(shown: tuple[str, str, Any], sent: Any, server: Server) -> None:
    method, route, expected = shown
    response = httpx.request(method, server.url + route, json=sent, headers={"X-Request-ID": "my-id-1"})
    answer = response.json()
    if route == "/version":
        answer["digests"] = {name: answer["digests"][name] for name in expected["digests"]}
        answer["bento"] = None if ELSEWHERE else answer["bento"]
    assert expected == answer


def test_each_route_has_an_example(server: Server) -> None:
    """The OpenAPI document's routes are in the table, and each is shown at work."""
    routes = set(httpx.get(server.url + "/docs.json").json()["paths"])
    table = set(re.findall(r"`(?:(?:GET|POST) )?(/[\w/.{}]+)`", API.partition("## Application")[0]))
    assert routes
    assert set() == routes - table
    assert set() == routes - WITHOUT_EXAMPLE - {route.partition("?")[0] for _, route, _ in SHOWN}


def test_the_application_is_the_example() -> None:
    (block,) = re.findall(r"## Application\n\n```json\n(.*?)```", API, re.DOTALL)
    assert json.loads(block) == APPLICATION


def test_the_table_of_fields_is_the_contract_s() -> None:
    """Rewritten by `python -m preprocessing table artifacts/policy --into docs/api.md`."""
    begin = BEGIN.format("artifacts/policy")
    assert f"{begin}\n{markdown(CONTRACT)}\n{END}" in API


def test_the_table_of_fields_says_what_is_taken() -> None:
    """The ends of a field's range are taken, and what lies past them is not; so is each word."""
    section = API.partition(BEGIN.format("artifacts/policy"))[2].partition(END)[0]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|;]+)(?:;[^|]*)? \|", section, re.MULTILINE)
    assert list(FIELDS) == [name for name, _, _ in rows][:-1]
    for name, kind, allowed in rows[:-1]:
        if "string" in kind:
            taken, refused = allowed.split(", "), ["H", "", "NONE"]
        else:
            low, high = (float(end.replace(",", "")) for end in allowed.split(" to "))
            taken, refused = [low, high], [low - 1, high + 1]
            assert ("or null" in kind) == accepts(name, None)
        assert [value for value in taken if not accepts(name, value)] == [], name
        assert [value for value in refused if accepts(name, value)] == [], name


def accepts(field: str, value: Any) -> bool:
    """Whether nothing is said against this value of the field; another field may still be told not to fit it."""
    try:
        parse_application(APPLICATION | {"loan_percent_income": None} | {field: value})
    except InvalidApplicationError as refused:
        return all(error.type == "ratio_mismatch" for error in refused.errors if error.loc == (field,))
    return True


def test_every_setting_is_in_the_table_with_its_default() -> None:
    rows = re.findall(rf"^\| `{PREFIX}(\w+)` \| (\S+) \| [^|]* \| (.+) \|$", SETTINGS, re.MULTILINE)
    expected = [
        (name.upper(), shown(field.default), field.description) for name, field in Settings.model_fields.items()
    ]
    assert expected == rows


def shown(default: Any) -> str:
    return "none" if default is None else f"{default:g}" if isinstance(default, float) else str(default)


def test_every_metric_of_its_own_is_in_the_table(server: Server) -> None:
    served = set(re.findall(r"^# TYPE (credit_risk_\w+)", httpx.get(server.url + "/metrics").text, re.MULTILINE))
    assert served
    assert served <= set(re.findall(r"`(credit_risk_\w+)`", MONITORING))


def test_the_readme_is_one_screen() -> None:
    """What it is, two commands, one answer, and where to read on."""
    assert len(README.splitlines()) <= 55
