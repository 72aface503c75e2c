"""How rounds are shared out, what is sent, and what peers that merge requests answer."""

from __future__ import annotations

import shutil
import threading
from contextlib import ExitStack
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks import heloc
from benchmarks.applications import engine, mix
from benchmarks.arguments import ON_REQUEST, PARTS
from benchmarks.load import LoadError, closed_loop
from benchmarks.peers.assessing import answers, validated
from benchmarks.run import Run
from benchmarks.sections import book
from benchmarks.servers import BUNDLE, ECHO, EVERYTHING, FLOOR, Yard
from benchmarks.targets import TARGETS


def run_of(rounds: int, tmp_path: Path, *servers: str) -> Run:
    return Run(rounds, 1.0, Yard(tmp_path), ExitStack(), servers or None)


def test_all_take_turns_in_an_order_that_turns_as_well(tmp_path: Path) -> None:
    asked: list[str] = []

    def ask(name: str) -> float:
        asked.append(name)
        return len(asked)

    measured = run_of(3, tmp_path).in_turn({name: partial(ask, name) for name in "abc"}, {"b": 1})
    assert "".join(asked) == "abc" + "ca" + "ca"
    assert measured["a"].rounds == (1, 5, 7)
    assert measured["b"].rounds == (2,)


def test_only_the_named_servers_are_measured(tmp_path: Path) -> None:
    kinds = (BUNDLE, EVERYTHING, FLOOR, ECHO)
    assert run_of(1, tmp_path).wanted(kinds) == list(kinds)
    assert run_of(1, tmp_path, "echo", "bundle").wanted(kinds) == [BUNDLE, ECHO]
    with pytest.raises(LoadError, match="no server is called ecco; there are bundle, everything, floor, echo"):
        run_of(1, tmp_path, "ecco").wanted(kinds)


def test_an_invalid_application_refuses_no_other_of_its_batch() -> None:
    good, spoilt = mix()[0], mix()[1].document | {"loan_grade": "Z"}
    merged = answers(engine(), [validated(good.document), validated(spoilt), validated(good.document)])
    assert merged[0] == merged[2] == good.answer
    assert len(merged[1]["errors"]) == 1


class Keyed(BaseHTTPRequestHandler):
    """Answers whoever has the key."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if self.headers["Authorization"] == "Bearer a b" else 401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
@pytest.mark.parametrize(("key", "refused"), [("Bearer a b", False), ("Bearer another", True)])
def test_the_closed_loop_sends_headers(key: str, refused: bool) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Keyed)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/any"
    load = closed_loop(url, [b"{}"], 1, 1, headers={"Authorization": key}, refusals=True)
    server.shutdown()
    server.server_close()
    thread.join()
    assert load.requests > 0
    assert load.refused == (load.requests if refused else 0)


def test_a_book_whose_data_is_elsewhere_is_not_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(heloc, "DATA_FILE", tmp_path / "loans.csv")
    section = book.measure(run_of(1, tmp_path))
    assert section.notes == ("Not measured: loans.csv is not on this machine.",)
    assert not section.ratios


def test_every_target_is_about_a_part_that_each_run_has() -> None:
    assert {target.section for target in TARGETS} <= set(PARTS) - set(ON_REQUEST)
