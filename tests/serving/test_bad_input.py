"""Every kind of bad request gets its status and its problem document, and harms nobody else."""

from __future__ import annotations

import codecs
import gzip
import json
import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psutil
import pytest

from serving.routes import ROUTES
from tests import expect
from tests.applications import FIELDS
from tests.servers import HANG_SECONDS, Server

JSON = {"Content-Type": "application/json"}
SINGLE = ("/predict", "/predict/explain")
SCORING = ("/predict", "/predict/explain", "/predict/batch")
NULLABLE = ("person_emp_length", "loan_int_rate", "loan_percent_income")
NUMBERS = tuple(field for field in FIELDS if field not in ("person_home_ownership", "loan_intent", "loan_grade"))
NUMBERS = tuple(field for field in NUMBERS if field != "cb_person_default_on_file")
LIMIT = 1_048_576


def post(client: httpx.Client, path: str, body: str | bytes) -> httpx.Response:
    """POST one application's JSON text to any scoring route."""
    if path == "/predict/batch":
        body = b"[" + body + b"]" if isinstance(body, bytes) else f"[{body}]"
    return client.post(path, content=body, headers=JSON)


def at(path: str, *loc: str) -> list[list[str | int]]:
    """Where the error is on this route: in a batch it is in the first row."""
    return [[0, *loc] if path == "/predict/batch" else [*loc]]


def with_raw(application: dict[str, Any], field: str, raw: str) -> str:
    """The application as JSON text, with `raw` standing where the field's value is."""
    return json.dumps(application | {field: "@@"}).replace('"@@"', raw)


@pytest.mark.parametrize("path", SCORING)
class TestMalformed:
    @pytest.mark.parametrize(
        "body",
        [
            pytest.param("", id="empty"),
            pytest.param(" \n", id="white-space"),
            pytest.param("{", id="open-object"),
            pytest.param("[{", id="open-list"),
            pytest.param("{'person_age': 34}", id="single-quotes"),
            pytest.param('{"person_age": 34,}', id="trailing-comma"),
            pytest.param('{"person_age": 34} x', id="trailing-text"),
            pytest.param('{"person_age": nan}', id="lower-case-nan"),
            pytest.param('{"person_age": 034}', id="leading-zero"),
            pytest.param(b'{"person_age": "\xff"}', id="invalid-utf-8"),
            pytest.param('{"person_age": 34}'.encode("utf-16"), id="utf-16"),
            pytest.param(b"\xef\xbb\xbf{}", id="byte-order-mark"),
            pytest.param(b"\x00", id="nul"),
            pytest.param('{"person_age": "\\ud800"}', id="lone-surrogate-in-a-value"),
            pytest.param('{"\\udfff": 34}', id="lone-surrogate-in-a-key"),
            pytest.param('{"person_age": ' + "1" * 5000 + "}", id="integer-of-5000-digits"),
            pytest.param("[" * 100_000, id="open-lists"),
            pytest.param("[" * 100_000 + "]" * 100_000, id="deep-lists"),
            pytest.param('{"a":' * 100_000 + "1" + "}" * 100_000, id="deep-objects"),
        ],
    )
    def test_is_400(self, client: httpx.Client, path: str, body: str | bytes) -> None:
        """What is no JSON that this service can read is 400, on the object routes as on the list route."""
        document = expect.problem(client.post(path, content=body, headers=JSON), 400, "malformed-json")

        assert "send one valid UTF-8 JSON document" in document["detail"]

    @pytest.mark.parametrize(
        ("headers", "body"),
        [
            pytest.param({}, b"{}", id="missing"),
            pytest.param({"Content-Type": "text/plain"}, b"{}", id="text"),
            pytest.param({"Content-Type": "application/x-www-form-urlencoded"}, b"person_age=34", id="form"),
            pytest.param({"Content-Type": "application/jsonl"}, b"{}", id="json-lines"),
            pytest.param({"Content-Type": "application/vnd.bentoml+pickle"}, pickle.dumps([{}]), id="pickle"),
            pytest.param(JSON | {"Content-Encoding": "gzip"}, b"\x1f\x8b", id="compressed"),
        ],
    )
    def test_other_media_types_are_415(
        self, client: httpx.Client, path: str, headers: dict[str, str], body: bytes
    ) -> None:
        """Only a body declared as plain JSON is read; a pickle never is."""
        expect.problem(client.post(path, content=body, headers=headers), 415, "unsupported-media-type")

    @pytest.mark.parametrize(
        "header", [("Content-Encoding", "gzip"), ("Content-Type", "text/plain"), ("Content-Type", "application/json")]
    )
    def test_a_second_header_is_no_less_than_the_first(
        self, client: httpx.Client, path: str, header: tuple[str, str]
    ) -> None:
        """What a second header of the same name says is not ignored."""
        headers = [("Content-Type", "application/json"), ("Content-Encoding", "identity"), header]
        expect.problem(client.post(path, content=b"{}", headers=headers), 415, "unsupported-media-type")


BOM_8, BOM_16, BOM_32 = codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF32_BE


class TestEncodings:
    @pytest.mark.parametrize(
        ("encode", "named"),
        [
            pytest.param(lambda text: BOM_8 + text.encode(), "byte order mark (EF BB BF)", id="utf-8-sig"),
            pytest.param(lambda text: BOM_16 + text.encode("utf-16-le"), "UTF-16", id="utf-16-with-its-mark"),
            pytest.param(lambda text: text.encode("utf-16-le"), "UTF-16", id="utf-16-le"),
            pytest.param(lambda text: text.encode("utf-16-be"), "UTF-16", id="utf-16-be"),
            pytest.param(lambda text: BOM_32 + text.encode("utf-32-be"), "UTF-32", id="utf-32-with-its-mark"),
            pytest.param(lambda text: text.encode("utf-32-le"), "UTF-32", id="utf-32-le"),
            pytest.param(lambda text: text.replace("B", "\xe9").encode("latin-1"), "not in Latin-1", id="latin-1"),
            pytest.param(lambda text: gzip.compress(text.encode()), "gzip", id="gzip"),
        ],
    )
    @pytest.mark.parametrize("path", SCORING)
    def test_is_named(
        self, client: httpx.Client, example: dict[str, Any], path: str, encode: Callable[[str], bytes], named: str
    ) -> None:
        """A body that isn't plain UTF-8 is 400, and says what it is instead of where the parser stumbled."""
        text = json.dumps([example] if path == "/predict/batch" else example)
        sent = encode(text)

        response = client.post(path, content=sent, headers={"Content-Type": "application/json; charset=latin-1"})

        detail = expect.problem(response, 400, "malformed-json")["detail"]
        assert named in detail
        assert "the charset in Content-Type changes nothing" in detail
        assert "line 1" not in detail

    @pytest.mark.parametrize("charset", ["utf-8", "UTF8", '"utf-8"', "utf-8; x=1"])
    def test_charset_that_is_right_is_not_blamed(self, client: httpx.Client, charset: str) -> None:
        """What is declared is only spoken of where it is another charset."""
        headers = {"Content-Type": f"application/json; charset={charset}"}

        detail = expect.problem(client.post("/predict", content=BOM_8, headers=headers), 400, "malformed-json")[
            "detail"
        ]

        assert "charset" not in detail

    @pytest.mark.parametrize("body", [b"\x00", b"\x00\x00\x00\x00", BOM_16, b'{"a": "\xc3\xa9"'])
    def test_what_is_no_text_in_it_is_not_named(self, client: httpx.Client, body: bytes) -> None:
        """A body that is no JSON in any of them keeps the parser's reason, or is no UTF-8."""
        detail = expect.problem(client.post("/predict", content=body, headers=JSON), 400, "malformed-json")["detail"]

        assert "UTF-16" not in detail
        assert "UTF-32" not in detail


@pytest.mark.parametrize("path", SCORING)
class TestWrongFields:
    @pytest.mark.parametrize("field", NUMBERS)
    @pytest.mark.parametrize(
        "raw",
        ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 400, '"9000"', "true", "[]", "{}", "-1", "1e10"],
    )
    def test_numbers(self, client: httpx.Client, example: dict[str, Any], path: str, field: str, raw: str) -> None:
        """A number that is none, or out of bounds, is 422 and names its field alone."""
        response = post(client, path, with_raw(example, field, raw))

        assert at(path, field) == expect.wrong_fields(response)

    @pytest.mark.parametrize("field", [field for field in FIELDS if field not in NUMBERS])
    @pytest.mark.parametrize("raw", ['"Z"', '""', "null", "1", "true", '["RENT"]', '"\\u017f"'])
    def test_categories(self, client: httpx.Client, example: dict[str, Any], path: str, field: str, raw: str) -> None:
        """A word that the field doesn't take is 422 and names its field alone."""
        response = post(client, path, with_raw(example, field, raw))

        assert at(path, field) == expect.wrong_fields(response)

    @pytest.mark.parametrize("field", [field for field in FIELDS if field not in NULLABLE])
    def test_missing(self, client: httpx.Client, example: dict[str, Any], path: str, field: str) -> None:
        """A required field that is missing is named."""
        sent = {name: value for name, value in example.items() if name != field}

        assert at(path, field) == expect.wrong_fields(post(client, path, json.dumps(sent)))

    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("postcode", "postcode"),
            ("n" * 200, "n" * 64),
            ("a\n\u202e\x00", "a\\n\\u202e\\x00"),
            ("\U0001f600", "\\U0001f600"),
        ],
    )
    def test_unknown(self, client: httpx.Client, example: dict[str, Any], path: str, name: str, shown: str) -> None:
        """An unknown field is named, cut at 64 characters and escaped."""
        response = post(client, path, json.dumps(example | {name: "anything"}))

        assert at(path, shown) == expect.wrong_fields(response)

    def test_many_unknown(self, client: httpx.Client, example: dict[str, Any], path: str) -> None:
        """Of many unknown fields twenty are named and the rest counted, so that no answer outgrows its request."""
        response = post(client, path, json.dumps(example | {f"unknown_{i}": i for i in range(2000)}))

        errors = expect.problem(response, 422, "invalid-request")["errors"]
        assert len(errors) == 21
        assert errors[-1]["msg"] == "1980 more unknown field(s); remove them"

    def test_all_at_once(self, client: httpx.Client, path: str) -> None:
        """Every wrong field is named in one answer."""
        sent = dict.fromkeys(FIELDS, "wrong")

        assert [at(path, field)[0] for field in FIELDS] == expect.wrong_fields(post(client, path, json.dumps(sent)))

    def test_ratio(self, client: httpx.Client, example: dict[str, Any], path: str) -> None:
        """A stated ratio that disagrees is an error that names all three fields."""
        response = post(client, path, json.dumps(example | {"loan_percent_income": 0.4}))

        (error,) = expect.problem(response, 422, "invalid-request")["errors"]
        assert at(path, "loan_percent_income") == [error["loc"]]
        assert all(name in error["msg"] for name in ("loan_percent_income", "loan_amnt", "person_income"))

    @pytest.mark.parametrize("raw", ["1", '"text"', "null", "[]", "true", "[" * 150 + "]" * 150])
    def test_no_object(self, client: httpx.Client, path: str, raw: str) -> None:
        """What is no JSON object is no application."""
        assert at(path) == expect.wrong_fields(post(client, path, raw))

    @pytest.mark.parametrize("raw", ["[" * 150 + "]" * 150, '{"a":' * 150 + "1" + "}" * 150])
    def test_nested_value(self, client: httpx.Client, example: dict[str, Any], path: str, raw: str) -> None:
        """A value nested as deep as the parser allows is a wrong value like any other."""
        assert at(path, "loan_amnt") == expect.wrong_fields(post(client, path, with_raw(example, "loan_amnt", raw)))

    def test_last_of_duplicate_keys_holds(self, client: httpx.Client, example: dict[str, Any], path: str) -> None:
        """Where a key stands twice, the last one holds, and the first isn't even looked at."""
        other = {**example, "loan_grade": "E"}
        twice = json.dumps(example)[:-1] + ', "loan_grade": "E"}'
        first_wrong = '{"loan_grade": 1, ' + json.dumps(other)[1:]
        last_wrong = json.dumps(example)[:-1] + ', "loan_grade": 1}'

        expected = expect.answer(post(client, path, json.dumps(other)))

        assert expected == expect.answer(post(client, path, twice))
        assert expected == expect.answer(post(client, path, first_wrong))
        assert at(path, "loan_grade") == expect.wrong_fields(post(client, path, last_wrong))


class TestBatch:
    @pytest.mark.parametrize(
        ("body", "detail"),
        [
            ("[]", "the list holds 0 applications; send 1 to 500"),
            (json.dumps([{}] * 501), "the list holds 501 applications; send 1 to 500"),
            ("{}", "the body must be a JSON list of applications; send one alone to /predict"),
            ('"text"', "the body must be a JSON list of applications; send one alone to /predict"),
            ("null", "the body must be a JSON list of applications; send one alone to /predict"),
        ],
    )
    def test_no_list_of_1_to_500(self, client: httpx.Client, body: str, detail: str) -> None:
        """A batch is a list of 1 to 500."""
        response = client.post("/predict/batch", content=body, headers=JSON)

        assert detail == expect.problem(response, 422, "invalid-request")["detail"]

    def test_every_bad_row_is_named(self, client: httpx.Client, example: dict[str, Any]) -> None:
        """A bad row refuses the whole batch, and every bad row and field is named."""
        rows = [example, {**example, "loan_grade": "Z", "extra": 1}, example, 7, {**example, "person_age": None}]

        response = client.post("/predict/batch", json=rows)

        assert [[1, "loan_grade"], [1, "extra"], [3], [4, "person_age"]] == expect.wrong_fields(response)

    @pytest.mark.parametrize("value", ["maybe", "", "True", "1", "true&partial=no"])
    def test_partial_is_true_or_false(self, client: httpx.Client, example: dict[str, Any], value: str) -> None:
        """The query parameter takes the two words of JSON."""
        response = client.post(f"/predict/batch?partial={value}", json=[example])

        assert "true or false" in expect.problem(response, 422, "invalid-request")["detail"]

    @pytest.mark.parametrize(("body", "status", "kind"), [("[", 400, "malformed-json"), ("[]", 422, "invalid-request")])
    def test_partial_does_not_mend_a_request(self, client: httpx.Client, body: str, status: int, kind: str) -> None:
        """What is wrong with the request as a whole stays an error."""
        response = client.post("/predict/batch?partial=true", content=body, headers=JSON)

        expect.problem(response, status, kind)


class TestRoutes:
    @pytest.mark.parametrize("path", sorted(ROUTES))
    @pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
    def test_wrong_method_is_405(self, client: httpx.Client, path: str, method: str) -> None:
        """A method that the route doesn't take is 405, with the methods that it takes."""
        if method in ROUTES[path].methods:
            return
        response = client.request(method, path)

        assert (405, ", ".join((*ROUTES[path].methods, "OPTIONS"))) == (response.status_code, response.headers["Allow"])
        if method != "HEAD":
            expect.problem(response, 405, "method-not-allowed")

    @pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS"])
    @pytest.mark.parametrize(
        "path",
        [
            "/nothing",
            "/predict/",
            "/predict/batch/",
            "/health/",
            "/predict/explain/more",
            "/PREDICT",
            "/static_content/",
            "/static_content/../service.py",
            "/static_content/%2e%2e/index.html",
            "/%ff",
            "/predict%00",
            "/docs.json/",
            "/index.html",
        ],
    )
    def test_unknown_path_is_404(self, client: httpx.Client, path: str, method: str) -> None:
        """Only the routes of the contract are served, and none of them under a second name."""
        response = client.request(method, path)

        assert response.status_code == 404
        if method != "HEAD":
            expect.problem(response, 404, "not-found")

    def test_websocket_is_405(self, client: httpx.Client) -> None:
        """No upgrade is taken up: a websocket handshake is the GET that it also is."""
        handshake = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }

        expect.problem(client.get("/predict", headers=handshake), 405, "method-not-allowed")

    def test_what_is_no_http_is_400(self, server: Server) -> None:
        """Bytes that are no HTTP never become a request: the server itself refuses them, and repeats nothing."""
        received = exchange(server, b"SENTINEL\r\nHost: x\r\n\r\n")

        assert received.startswith(b"HTTP/1.1 400 ")
        assert received.endswith(b"\r\n\r\nInvalid HTTP request received.")


class TestLargeBodies:
    @pytest.mark.parametrize("path", SCORING)
    def test_limit(self, client: httpx.Client, example: dict[str, Any], path: str) -> None:
        """A body of exactly 1 MiB is read; with one byte more it is 413."""
        body = json.dumps([example] if path == "/predict/batch" else example)

        expect.answer(client.post(path, content=body.ljust(LIMIT), headers=JSON))
        expect.problem(client.post(path, content=body.ljust(LIMIT + 1), headers=JSON), 413, "body-too-large")

    @pytest.mark.parametrize("path", SCORING)
    @pytest.mark.parametrize("chunked", [False, True])
    def test_20_megabytes(self, server: Server, client: httpx.Client, path: str, *, chunked: bool) -> None:
        """A body of 20 MB is 413, and the worker holds no more of it than the limit."""
        body = b" " * 20_000_000
        chunks = (body[i : i + 65_536] for i in range(0, len(body), 65_536))
        before = server.worker.memory_info().rss

        with peak_memory(server.worker) as peak:
            response = client.post(path, content=chunks if chunked else body, headers=JSON)

        expect.problem(response, 413, "body-too-large")
        assert peak[0] - before < 8_000_000

    def test_refused_by_its_declared_length(self, server: Server) -> None:
        """A body that is declared too large is refused before it is sent."""
        received = exchange(
            server,
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 20000000\r\n"
            b"Connection: close\r\n\r\n",
        )

        assert received.startswith(b"HTTP/1.1 413 ")

    def test_client_that_goes_away(self, server: Server, client: httpx.Client, example: dict[str, Any]) -> None:
        """A connection that is closed in the middle of its body is nobody else's trouble."""
        for _ in range(5):
            with socket.create_connection(server.address) as connection:
                connection.sendall(
                    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                    b"Content-Length: 100\r\nX-Request-ID: gone\r\n\r\n{"
                )

        expect.answer(client.post("/predict", json=example))


def exchange(server: Server, data: bytes) -> bytes:
    """What the server sends back to these bytes until it closes the connection."""
    with socket.create_connection(server.address, timeout=HANG_SECONDS) as connection:
        connection.sendall(data)
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
    return received


@contextmanager
def peak_memory(process: psutil.Process) -> Iterator[list[int]]:
    """The highest resident set size seen while the block ran, in bytes, as the list's one element."""
    peak = [process.memory_info().rss]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()
