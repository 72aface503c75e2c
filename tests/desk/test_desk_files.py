"""Files that people send to the desk of the real service: batches, drafts compared, records gone through."""

from __future__ import annotations

import csv
import io
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests import expect
from tests.applications import portfolio
from tests.artifacts import ROOT
from tests.desk.desks import PIECE, SAME_ORIGIN, Page
from tests.servers import HANG_SECONDS, Server, copy_store, run_python, serving, wait_for

ROWS = 10_000
POLICY = ROOT / "artifacts" / "policy" / "decision_policy.json"


class Recorded(NamedTuple):
    """A service that keeps records."""

    server: Server
    temporary: Path


@pytest.fixture(scope="module")
def recorded(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """With a temporary folder of its own, which is to be empty of jobs once it has stopped."""
    root = tmp_path_factory.mktemp("files")
    home, temporary = copy_store(store, root / "home"), root / "tmp"
    temporary.mkdir()
    run_python("-m", "records", "key", root / "keys.json", home=home)
    settings = {
        "CREDIT_RISK_RECORDS": f"sqlite:{root}/records",
        "CREDIT_RISK_RECORDS_KEY_FILE": f"{root}/keys.json",
        "CREDIT_RISK_DESK_UPLOAD_BYTES": "4194304",
        "TMPDIR": str(temporary),
    }
    with serving(home, **settings) as server:
        yield Recorded(server, temporary)
    assert [] == list(temporary.glob("credit-risk-desk-*"))


class Sender:
    """Sends files as the page's script does."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=HANG_SECONDS, headers=SAME_ORIGIN)
        self.token = ""

    def open(self, path: str) -> Page:
        """A page, whose token is kept."""
        response = self.client.get(f"/desk/{path}")
        assert response.status_code == 200, response.text
        page = Page(response.text)
        self.token = (page.root.all("input", name="token") or [page.root])[0].attributes.get("value") or self.token
        return page

    def announce(self, path: str, size: int, name: str = "a.csv") -> httpx.Response:
        return self.post(path, name=name, size=str(size))

    def post(self, path: str, **form: str) -> httpx.Response:
        """A form."""
        return self.client.post(f"/desk/{path}", data={"token": self.token, **form})

    def send(self, path: str, content: bytes, name: str = "a.csv") -> str:
        """A file, to where the form's action is; the path of its job."""
        announced = expect.answer(self.announce(path, len(content), name))
        base = f"/desk/{path}"
        to = str(httpx.URL(f"http://desk{base}").join(announced["piece"]).path)
        for at in range(0, len(content), announced["bytes"]):
            expect.answer(self.piece(to, at, content[at : at + announced["bytes"]]))
        return to.removeprefix("/desk/").removesuffix("/piece")

    def piece(self, to: str, at: int, content: bytes, **headers: str) -> httpx.Response:
        sent = {"X-Desk-Token": self.token, "X-Desk-Offset": str(at), **headers}
        return self.client.post(to, content=content, headers=sent)

    def wait(self, path: str, *, active: tuple[str, ...] = ("reading", "running")) -> tuple[str, Page]:
        """The job's state once nobody works on it any more, and its page."""

        def look() -> tuple[str, Page] | None:
            page = Page(self.client.get(f"/desk/{path}", headers=PIECE).text)
            state = page.root.one("div", id="job").attributes["data-state"] or ""
            return None if state in active else (state, page)

        return wait_for(look)

    def rows(self, path: str) -> list[dict[str, str]]:
        """Of a download."""
        response = self.client.get(f"/desk/{path}")
        assert response.status_code == 200, response.text
        assert response.headers["Content-Disposition"].startswith("attachment")
        return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))


@pytest.fixture(scope="module")
def sender(recorded: Recorded) -> Iterator[Sender]:
    sender = Sender(recorded.server.url)
    with sender.client:
        sender.open("batch")
        yield sender


def as_csv(documents: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for document in documents for name in document)))
    writer.writeheader()
    writer.writerows(documents)
    return text.getvalue().encode()


def applications(number: int, seed: int = 17) -> list[dict[str, Any]]:
    return [{**each, "reference": f"={i}"} for i, each in enumerate(portfolio(number, seed=seed))]


class TestBatch:
    pytestmark = pytest.mark.slow

    @pytest.mark.parametrize("kind", ["csv", "parquet"])
    def test_each_row_as_if_it_had_come_alone(
        self, recorded: Recorded, sender: Sender, kind: str, tmp_path: Path
    ) -> None:
        """Nothing is decided until it is asked for; then what is answered is on record, and bad rows are told."""
        documents = applications(40)
        if kind == "csv":
            content = as_csv(documents)
        else:
            pq.write_table(pa.Table.from_pylist(documents), tmp_path / "a")
            content = (tmp_path / "a").read_bytes()
        path = sender.send("batch", content)
        state, page = sender.wait(path)
        assert ("waiting", True) == (state, "The file fits: 40 rows" in page.root.text)
        assert 404 == sender.client.get(f"/desk/{path}/results").status_code

        assert 303 == sender.post(f"{path}/decide").status_code
        assert 303 == sender.post(f"{path}/decide").status_code  # twice, it is decided once
        state, page = sender.wait(path)

        assert "done" == state, page.root.text
        rows = sender.rows(f"{path}/results")
        assert [str(i + 1) for i in range(40)] == [row["row"] for row in rows]
        with httpx.Client(base_url=recorded.server.url, timeout=HANG_SECONDS) as client:
            for document, row in zip(documents, rows, strict=True):
                alone = expect.answer(client.post("/predict", json=document))
                for name in ("decision", "probability_of_default", "credit_score", "model_version", "policy_version"):
                    assert str(alone[name]) == row[name]
                assert " ".join(reason["code"] for reason in alone["reasons"]) == row["reasons"]
                assert f"'{document['reference']}" == row["reference"], "a formula"
        job = recorded.temporary / next(recorded.temporary.glob("credit-risk-desk-*")).name / path.split("/")[1]
        assert not {"input", "parts"} & {each.name for each in job.iterdir()}, "what was sent is kept"
        assert 303 == sender.post(f"{path}/cancel").status_code
        assert not job.exists()

    def test_what_does_not_fit_is_said_first(self, sender: Sender) -> None:
        documents = applications(3)
        for content, told in (
            (b"a,b\n1,2\n", "There is no column person_age, person_income"),
            (as_csv(documents).replace(b"person_income", b"person_age"), "stands there twice"),
            (as_csv(documents).splitlines()[0], "The file has no rows"),
            (b"PAR1" + b"\0" * 64, "Parquet"),
            (b"\xff\xfe\0", "There is no column"),
        ):
            path = sender.send("batch", content)
            state, page = sender.wait(path)
            assert "failed" == state
            assert told.lower() in page.root.text.lower()
            assert "/tmp" not in page.root.text  # no folder of the service's is named
            sender.post(f"{path}/cancel")

    def test_bad_rows_are_told_by_row_and_field(self, sender: Sender) -> None:
        documents = applications(5)
        documents[1]["person_income"] = "=HYPERLINK(1)"
        documents[3]["loan_grade"] = ""
        content = as_csv(documents) + b"one,cell\n"
        path = sender.send("batch", content)
        state, page = sender.wait(path)
        assert "waiting" == state, page.root.text
        sender.post(f"{path}/decide")
        state, page = sender.wait(path)
        assert "done" == state
        wrong = [(row["row"], row["field"]) for row in sender.rows(f"{path}/errors")]
        assert [("2", "person_income"), ("4", "loan_grade"), ("6", "")] == sorted(wrong)
        assert ["1", "3", "5"] == [row["row"] for row in sender.rows(f"{path}/results")]
        assert "HYPERLINK" not in page.root.text, "a value is shown"
        sender.post(f"{path}/cancel")

    def test_belongs_to_its_sender(self, recorded: Recorded, sender: Sender) -> None:
        """Somebody who only looks has no such page; a foreign page's request and another's token are refused."""
        path = sender.send("batch", as_csv(applications(1)))
        sender.wait(path)
        assert 403 == sender.client.post(f"/desk/{path}/decide", data={"token": "0" * 64}).status_code
        foreign = {"Sec-Fetch-Site": "cross-site"}
        refused = sender.client.post(f"/desk/{path}/decide", data={"token": sender.token}, headers=foreign)
        assert 403 == refused.status_code
        assert 404 == sender.client.get("/desk/batch/0123456789012345678901").status_code
        assert "waiting" == sender.wait(path)[0]
        sender.post(f"{path}/cancel")
        assert recorded.server.worker.is_running()

    def test_pieces(self, sender: Sender) -> None:
        """In order, no more than was announced, and no file that is larger than may be."""
        assert 413 == sender.announce("batch", 4_194_305).status_code
        assert 422 == sender.announce("batch", 0).status_code
        announced = expect.answer(sender.announce("batch", 8))
        to = f"/desk/{announced['piece']}"
        assert 409 == sender.piece(to, 4, b"late").status_code
        assert 403 == sender.piece(to, 0, b"1234", **{"X-Desk-Token": "x"}).status_code
        assert 200 == sender.piece(to, 0, b"1234").status_code
        assert 409 == sender.piece(to, 0, b"1234").status_code
        assert 409 == sender.piece(to, 4, b"12345").status_code
        assert 413 == sender.piece(to, 4, b"0" * 262_145).status_code
        path = announced["page"]
        assert "arriving" == sender.wait(path)[0]
        assert 303 == sender.post(f"{path}/cancel").status_code
        assert 404 == sender.client.get(f"/desk/{path}").status_code

    def test_ten_thousand_rows(self, recorded: Recorded, sender: Sender) -> None:
        """Others are answered meanwhile, and the page too; each row is decided once, and is on record."""
        some = applications(500)
        path = sender.send("batch", as_csv([{**each, "reference": f"r{i}"} for i, each in enumerate(some * 20)]))
        assert "waiting" == sender.wait(path)[0]
        over = threading.Event()
        answered: list[int] = []

        def ask() -> None:
            with httpx.Client(base_url=recorded.server.url, timeout=HANG_SECONDS) as client:
                while not over.is_set():
                    answered.append(client.post("/predict", json=some[0]).status_code)

        other = threading.Thread(target=ask)
        other.start()
        try:
            sender.post(f"{path}/decide")
            seen = set()

            def look() -> bool:
                page = sender.client.get(f"/desk/{path}", headers=PIECE).text
                if found := re.search(r'<progress max="10000" value="(\d+)"', page):
                    seen.add(int(found[1]))
                return 'data-state="running"' not in page

            wait_for(look)
        finally:
            over.set()
            other.join()
        state, page = sender.wait(path)
        assert ("done", {200}) == (state, set(answered)), page.root.text
        assert len(answered) > 20, "nobody else was answered"
        assert len(seen) > 2, "no progress was shown"
        rows = sender.rows(f"{path}/results")
        assert [f"r{i}" for i in range(ROWS)] == [row["reference"] for row in rows]
        assert ROWS == len({row["decision_id"] for row in rows})
        for row, again in zip(rows[:500], rows[500:1000], strict=True):
            assert row["probability_of_default"] == again["probability_of_default"]
        with httpx.Client(base_url=recorded.server.url, timeout=HANG_SECONDS) as client:
            last = expect.answer(client.get(f"/decisions/{rows[-1]['decision_id']}"))
        assert rows[-1]["decision"] in json.dumps(last)
        assert "local user" in json.dumps(last), "nobody is on record for it"
        sender.post(f"{path}/cancel")

    def test_cancelled(self, sender: Sender) -> None:
        """What is decided so far stays decided, and is to be had."""
        path = sender.send("batch", as_csv(applications(500) * 10))
        assert "waiting" == sender.wait(path)[0]
        sender.post(f"{path}/decide")
        wait_for(lambda: "Cancel" in sender.client.get(f"/desk/{path}", headers=PIECE).text)
        assert 303 == sender.post(f"{path}/cancel").status_code
        state, _ = sender.wait(path)
        assert "cancelled" == state
        assert len(sender.rows(f"{path}/results")) < 5000
        sender.post(f"{path}/cancel")


class TestPolicy:
    pytestmark = pytest.mark.slow

    def test_draft(self, recorded: Recorded, sender: Sender) -> None:
        """Wrong, told why; sound, compared with the one in force, as `portfolio compare` says; nothing is changed."""
        draft = json.loads(POLICY.read_text(encoding="utf-8"))
        draft["version"] = "1.2.0"
        draft["thresholds"]["reject_from"] = 0.19
        wrong = sender.post("policy/drafts", draft=json.dumps(draft))
        assert (422, True) == (wrong.status_code, "just under the reject threshold" in wrong.text)
        draft["examples"] = [e for e in draft["examples"] if not 0.19 <= e["probability_of_default"] < 0.2]
        sound = sender.post("policy/drafts", draft=json.dumps(draft))
        assert 303 == sound.status_code, Page(sound.text).root.text
        path = sound.headers["Location"].removeprefix("../")
        page = sender.open(path)
        cells = [cell.text for cell in page.root.all("td")]
        assert "20.00%" in cells
        assert "19.00%" in cells

        content = as_csv(portfolio(3000, seed=3))
        assert path == sender.send(f"{path}/file", content)
        state, page = sender.wait(path)

        assert "done" == state, page.root.text
        (changed, applied) = re.search(r"(\d+) of ([\d,]+) applications would be decided", page.root.text).groups()  # type: ignore[union-attr]
        assert "3,000" == applied
        answers = self._answers(recorded.server.url, portfolio(3000, seed=3))
        assert int(changed) == sum(0.19 <= pd < 0.2 and decision != "REJECT" for decision, pd in answers) > 0
        report = sender.client.get(f"/desk/{path}/report")
        assert "attachment" in report.headers["Content-Disposition"]
        assert "<svg" in report.text
        assert "1.1.0" == expect.answer(sender.client.get("/version"))["policy_version"]
        assert 303 == sender.post(f"{path}/cancel").status_code

    def _answers(self, url: str, documents: list[dict[str, Any]]) -> list[tuple[str, float]]:
        with httpx.Client(base_url=url, timeout=HANG_SECONDS) as client:
            results = [
                result
                for at in range(0, len(documents), 500)
                for result in expect.answer(client.post("/predict/batch", json=documents[at : at + 500]))["results"]
            ]
        return [(result["decision"], result["probability_of_default"]) for result in results]


class TestHealth:
    pytestmark = pytest.mark.slow

    def test_counts_and_months(self, sender: Sender) -> None:
        """What is shown is what /metrics and the records have."""
        page = sender.open("health")
        metrics = sender.client.get("/metrics").text
        given = {
            outcome: int(float(number))
            for outcome, number in re.findall(r'credit_risk_decisions_total\{outcome="(\w+)"\} (\S+)', metrics)
        }
        table = page.root.one("section", aria_labelledby="mix")
        shown = [int(each.attributes["value"] or "") for each in table.all("data", class_="n")]
        assert [given[each] for each in ("APPROVE", "CONDITIONAL_APPROVAL", "REJECT")] == shown
        assert 303 == sender.post("health/performance").status_code
        state, page = sender.wait("health")
        assert "done" == state
        counts = page.root.all("section", aria_labelledby="months")[0].all("td")
        assert f"{sum(given.values()):,}" in [cell.text for cell in counts]
        assert "attachment" in sender.client.get("/desk/health/performance/report").headers["Content-Disposition"]


def test_policy_as_a_person_reads_it(client: httpx.Client) -> None:
    """Every rule, reason and example is there, its values escaped."""
    page = Page(client.get("/desk/policy").text)
    document = json.loads(POLICY.read_text(encoding="utf-8"))
    reasons = json.loads(POLICY.with_name("reason_codes.json").read_text(encoding="utf-8"))
    text = page.root.text
    for said in (
        *(rule["description"] for rule in document["rules"]),
        *(example["name"] for example in document["examples"]),
        *(reason["text"] for reason in reasons["reasons"]),
    ):
        assert said in text


def test_health_without_records(client: httpx.Client) -> None:
    page = Page(client.get("/desk/health").text)
    assert "Decisions are not recorded here" in page.root.text
    assert "CreditRiskDrift.md" in page.root.text


def test_a_file_that_fits(client: httpx.Client) -> None:
    """The template is the contract's own example."""
    response = client.get("/desk/batch/template")
    (row,) = csv.DictReader(io.StringIO(response.text))
    assert "person_income" in row
    assert "no-store" == response.headers["Cache-Control"]
