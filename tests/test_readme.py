"""The README says what is so: its examples are real answers, its settings and metrics are the real ones."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.settings import PREFIX, Settings
from tests.servers import Server

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
APPLICATION = json.loads((ROOT / "examples" / "application.json").read_bytes())
BAD = APPLICATION | {"person_income": "high"}
SHOWN = [
    (route, json.loads(block))
    for route, block in re.findall(r"<!-- POST (\S+) [^\n]*-->\n```json\n(.*?)```", README, re.DOTALL)
]
SENT: list[Any] = [APPLICATION, APPLICATION, [APPLICATION, BAD], BAD]


@pytest.mark.parametrize(("shown", "sent"), list(zip(SHOWN, SENT, strict=True)), ids=[route for route, _ in SHOWN])
def test_an_example_is_what_the_service_answers(shown: tuple[str, Any], sent: Any, server: Server) -> None:
    route, expected = shown
    response = httpx.post(server.url + route, json=sent, headers={"X-Request-ID": "my-id-1"})
    assert expected == response.json()


def test_the_application_is_the_example() -> None:
    (block,) = re.findall(r"### Application\n\n```json\n(.*?)```", README, re.DOTALL)
    assert json.loads(block) == APPLICATION


def test_every_setting_is_in_the_table_with_its_default() -> None:
    rows = re.findall(rf"^\| `{PREFIX}(\w+)` \| (\S+) \| (.+) \|$", README, re.MULTILINE)
    expected = [
        (name.upper(), shown(field.default), field.description) for name, field in Settings.model_fields.items()
    ]
    assert expected == rows


def shown(default: Any) -> str:
    return "none" if default is None else f"{default:g}" if isinstance(default, float) else str(default)


def test_every_metric_of_its_own_is_in_the_table(server: Server) -> None:
    served = set(re.findall(r"^# TYPE (credit_risk_\w+)", httpx.get(server.url + "/metrics").text, re.MULTILINE))
    assert served
    assert served <= set(re.findall(r"`(credit_risk_\w+)`", README))


def test_every_file_it_links_to_is_there() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
