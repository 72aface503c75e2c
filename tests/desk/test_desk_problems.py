"""What a person reads when the service says no: what has happened, what to do, and what was typed, still there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from desk.problems import refused
from tests.desk.desks import PIECE, Page
from tests.desk.offices import GOLDEN, Clerk, Office

DOCUMENT = {name: value for name, value in GOLDEN[0].items() if name != "loan_percent_income"}
SAID = [
    (401, "Sign in again"),
    (403, "Ask whoever runs the service for the role"),
    (429, "Wait a few seconds, then send it again"),
    (503, "Wait a little, then send it again"),
    (504, "sent again, it is not decided twice"),
]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return Office(tmp_path_factory.mktemp("office"))


def refusing(status: int) -> Callable[..., Awaitable[Any]]:
    """What the service answers with a problem."""

    async def answer(*_: Any) -> Any:
        return refused(status, "in the API's words")

    return answer


@pytest.mark.parametrize(("status", "what_to_do"), SAID)
def test_says_what_to_do(office: Office, monkeypatch: pytest.MonkeyPatch, status: int, what_to_do: str) -> None:
    """The whole page keeps the form as it was typed; the piece stands in the place of an answer."""
    for name in ("file", "try_out"):
        monkeypatch.setattr(office.desk._host, name, refusing(status))
    clerk = Clerk(office, "ann").ready()
    sent = clerk.send("decide", DOCUMENT)
    page = clerk.read(sent)
    problem = page.root.one("div", id="problem").text
    assert status == sent.status_code
    assert what_to_do in problem
    assert "in the API's words" in problem
    typed = page.root.one("input", name="person_income").attributes["value"]
    assert str(DOCUMENT["person_income"]) == typed
    piece = clerk.send("what-if", DOCUMENT, **PIECE)
    assert status == piece.status_code
    assert what_to_do in Page(piece.text).root.one("section", role="alert").text


def test_a_viewer_is_told_which_role_is_needed(office: Office) -> None:
    """And whom to ask; there is nothing to send."""
    told = Clerk(office, "vic", "viewer").get("example")
    assert 403 == told.status_code
    assert "needs the role officer" in told.text
    assert "Ask whoever runs the service" in told.text
