"""From the form to an override that two people made, on the real service behind a proxy that signs people in."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from records.keyring import add_key
from tests.desk.desks import SAME_ORIGIN, Browser, Page
from tests.servers import HANG_SECONDS, ROOT, Server, copy_store, environment, run_python, serving

pytestmark = pytest.mark.slow

SECRET = "s" * 40
REFUSED = json.loads(Path("artifacts/model/golden_applications.json").read_text(encoding="utf-8"))["applications"][2]


class Service:
    """A served one, its records, and the people who come through its proxy."""

    def __init__(self, server: Server, settings: dict[str, str], home: Path) -> None:
        self.server = server
        self.settings, self.home = settings, home
        self.clients = ExitStack()

    def person(self, name: str, role: str) -> Browser:
        client = self.clients.enter_context(httpx.Client(base_url=self.server.url, timeout=HANG_SECONDS))
        signed_in = {"X-Desk-Secret": SECRET, "X-Forwarded-Email": name, "X-Forwarded-Groups": f"desk-{role}"}
        return Browser(client, **signed_in)

    def command(self, *arguments: str) -> Any:
        """What a command about the records prints."""
        return json.loads(run_python("-m", "records", *arguments, "--json", home=self.home, **self.settings))


@pytest.fixture(scope="module")
def service(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("desk")
    add_key(folder / "keys.json")
    (folder / "secret").write_text(SECRET)
    kept = {
        "CREDIT_RISK_RECORDS": f"sqlite:{folder}/records",
        "CREDIT_RISK_RECORDS_KEY_FILE": str(folder / "keys.json"),
    }
    people = {"CREDIT_RISK_DESK_PROXIES": "127.0.0.1", "CREDIT_RISK_DESK_SECRET_FILE": str(folder / "secret")}
    home = copy_store(store, folder / "home")
    with serving(home, **kept, **people) as running:
        service = Service(running, kept, home)
        with service.clients:
            yield service


def sent(browser: Browser, path: str, **form: str) -> httpx.Response:
    """What a form of the page that is open answers."""
    data = {"token": browser.token, **form}
    return browser._client.post(f"/desk/{path}", data=data, headers=SAME_ORIGIN | browser._headers)


def seen(page: Page) -> str:
    return page.root.all("input", name="seen")[0].attributes["value"] or ""


def test_from_form_to_override(service: Service) -> None:
    """Decided, on record, the letter sent, an override proposed by the officer and confirmed by a reviewer."""
    officer, reviewer = (
        service.person("ann@lender.example", "officer"),
        service.person("bob@lender.example", "reviewer"),
    )
    application = REFUSED["application"]

    decided = officer.ready().read(officer.send("decide", application))
    assert "Reject" == decided.root.one("h2", id="decided").text
    reasons = [each.text for each in decided.root.one("section", aria_labelledby="reasons").all("li")]
    (link,) = [each for each in decided.root.all("a") if each.text == "on record"]
    path = (link.attributes["href"] or "").removeprefix("./")
    decision = path.rpartition("/")[2]

    record = officer.open(path)
    assert reasons == [each.text for each in record.root.one("section", aria_labelledby="reasons").all("li")]

    letter = officer.open(f"{path}/letter").root.one("article")
    told = [each.text for each in letter.all("li")]
    assert [reason.startswith(text) for reason, text in zip(reasons, told, strict=True)] == [True] * len(reasons)
    today = datetime.now(UTC).date().isoformat()
    assert 303 == sent(officer, f"{path}/letter", date=today).status_code

    assert 303 == sent(officer, f"{path}/replay").status_code
    page = officer.open(path)
    assert "identical" in page.root.one("p", class_="verdict").text
    why = {"outcome": "APPROVE", "code": "DATA_CORRECTED", "text": "The income was a typing error"}
    assert 303 == sent(officer, f"{path}/propose", seen=seen(page), **why).status_code
    assert 403 == sent(officer, f"{path}/confirm", seen="0").status_code

    assert decision in reviewer.open("reviews").root.one("table").text
    page = reviewer.open(path)
    assert "ann@lender.example looked at it" in page.root.one("p", class_="panel care").text
    assert 303 == sent(reviewer, f"{path}/confirm", seen=seen(page), text="seen the statement").status_code
    assert "Overridden: Approve" in reviewer.open(path).root.one("h2", id="overridden").text

    shown = service.command("show", decision)
    assert ("REJECT", today, "APPROVE") == (shown["decision"], shown["notified"], shown["override"]["decision"])
    done = [(act["kind"], act["by"]) for act in shown["events"] if act["kind"] != "viewed"]
    ann, bob = "ann@lender.example", "bob@lender.example"
    assert [("notified", ann), ("replayed", ann), ("proposed", ann), ("confirmed", bob)] == done
    assert {ann, bob} == {act["by"] for act in shown["events"] if act["kind"] == "viewed"}
    verified = run_python("-m", "records", "verify", home=service.home, **service.settings)
    assert "broken" not in verified

    lines = json.dumps(service.server.lines())
    assert decision in lines
    assert not [word for word in ("typing error", "seen the statement") if word in lines]


def test_letter_that_can_not_be_used(store: Path, tmp_path: Path) -> None:
    """The service doesn't start, and says which line is wrong."""
    (tmp_path / "ours.html").write_text("Dear {{ name }}\n", encoding="utf-8")
    settings = environment(store, CREDIT_RISK_DESK_LETTER=str(tmp_path / "ours.html"))
    started = [sys.executable, "-c", "import service"]
    result = subprocess.run(started, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)
    told = "settings refused: CREDIT_RISK_DESK_LETTER: ours.html, line 1: 'name' is undefined"
    assert (1, told) == (result.returncode, json.loads(result.stdout)["message"])
