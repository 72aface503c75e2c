from __future__ import annotations

import inspect
import json
import re
from http import HTTPStatus

import pytest

from preprocessing.application import FieldError
from serving.http import problems
from serving.http.problems import (
    InternalError,
    InvalidRequestError,
    MalformedJSONError,
    OverloadedError,
    ProblemError,
    TooManyRequestsError,
    error_document,
    problem_for_status,
)

KINDS = [
    cls
    for _, cls in inspect.getmembers(problems, inspect.isclass)
    if issubclass(cls, ProblemError) and cls is not ProblemError
]


class TestTree:
    def test_is_documented(self) -> None:
        """The module's docstring draws every class with its status."""
        assert problems.__doc__ is not None
        drawn = dict(re.findall(r"\+-- (\w+) +(\d{3})", problems.__doc__))
        assert {kind.__name__: str(kind.status) for kind in KINDS} == drawn

    def test_kinds_are_distinct(self) -> None:
        """No two problems share a type."""
        assert len(KINDS) == len({kind.kind for kind in KINDS})

    @pytest.mark.parametrize("kind", KINDS)
    def test_status(self, kind: type[ProblemError]) -> None:
        """Every problem carries an error status that HTTP knows, and a title."""
        assert 400 <= HTTPStatus(kind.status) <= 599
        assert kind.title
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.kind)

    def test_retry_after(self) -> None:
        """What is worth repeating says when: every 409, 429 and 503."""
        assert {kind.__name__ for kind in KINDS if kind.status in (409, 429, 503)} == {
            kind.__name__ for kind in KINDS if kind().headers.get("Retry-After", "").isdecimal()
        }

    @pytest.mark.parametrize("kind", KINDS)
    def test_detail_names_a_remedy(self, kind: type[ProblemError]) -> None:
        """Where nothing more is known, the detail still says what to do."""
        assert re.search(r"repeat|report|send|lists|use", kind().detail)


class TestDocument:
    @pytest.mark.parametrize("kind", KINDS)
    def test_members(self, kind: type[ProblemError]) -> None:
        """The members of RFC 9457, and the request's id."""
        expected = {
            "type": f"urn:problem:credit-risk-api:{kind.kind}",
            "title": kind.title,
            "status": kind.status,
            "detail": "what happened",
            "request_id": "r-1",
        }
        assert expected == kind("what happened").document("r-1")

    def test_errors(self) -> None:
        """Wrong fields are listed in their order."""
        wrong = (
            FieldError(("loan_amnt",), "m1", "t1"),
            FieldError((3, "person_age"), "m2", "t2"),
            FieldError((), "m", "t"),
        )
        assert InvalidRequestError("d", errors=iter(wrong)).document("r")["errors"] == [
            {"loc": ["loan_amnt"], "msg": "m1", "type": "t1"},
            {"loc": [3, "person_age"], "msg": "m2", "type": "t2"},
            {"loc": [], "msg": "m", "type": "t"},
        ]
        assert error_document(wrong[0]) == {"loc": ["loan_amnt"], "msg": "m1", "type": "t1"}

    def test_without_errors(self) -> None:
        """Where no field is to blame, there is no member `errors`."""
        assert "errors" not in MalformedJSONError("d").document("r")

    def test_is_an_exception(self) -> None:
        """Uncaught, a problem reads as its detail."""
        with pytest.raises(ProblemError, match=r"^what happened$"):
            raise InternalError("what happened")


class TestResponse:
    @pytest.mark.parametrize("kind", KINDS)
    def test_is_a_problem_document(self, kind: type[ProblemError]) -> None:
        """Status, media type, headers and body agree with the document."""
        response = kind("detail: ü, \ud800".encode("utf-8", "replace").decode()).response("r-1")
        assert (kind.status, "application/problem+json") == (response.status_code, response.headers["content-type"])
        assert kind("detail: ü, ?").document("r-1") == json.loads(bytes(response.body))
        assert kind.default_headers.get("Retry-After") == response.headers.get("retry-after")

    def test_headers(self) -> None:
        """Headers given to a problem come on top of its kind's own, and do not stay there."""
        assert TooManyRequestsError(headers={"Allow": "POST"}).headers == {"Retry-After": "1", "Allow": "POST"}
        assert TooManyRequestsError(headers={"Retry-After": "9"}).headers == {"Retry-After": "9"}
        assert TooManyRequestsError().headers == {"Retry-After": "1"}


class TestProblemForStatus:
    @pytest.mark.parametrize("status", sorted({kind.status for kind in KINDS}))
    def test_every_status_of_the_tree(self, status: int) -> None:
        """A response that the framework made gets a problem of its own status."""
        assert status == problem_for_status(status).status

    @pytest.mark.parametrize("status", [402, 418, 505, 599])
    def test_any_other(self, status: int) -> None:
        """An error that the contract does not know is the service's fault."""
        assert isinstance(problem_for_status(status), InternalError)

    def test_shed_by_the_framework(self) -> None:
        """A 503 that the framework makes means that the request was shed, not that the service isn't ready."""
        assert isinstance(problem_for_status(503), OverloadedError)

    def test_is_never_shared(self) -> None:
        """Two responses never share one problem."""
        assert problem_for_status(500) is not problem_for_status(500)
