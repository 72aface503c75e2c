"""Requests that are made of the OpenAPI document, good and bad: every answer is one that the document promises."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import HANG_SECONDS, ROOT, Server

EXAMPLES = 100
"""Of each route, besides those that are made to reach every keyword of its schemas."""

CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance"),
    *("response_schema_conformance", "unsupported_method", "allow_header_conformance", "missing_required_header"),
    *("refuses_what_the_schema_forbids", "takes_what_the_schema_allows"),
)


@pytest.mark.slow
def test_every_answer_is_one_that_the_document_promises(server: Server, tmp_path: Path) -> None:
    options = {"--seed": "14", "--max-examples": EXAMPLES, "--checks": ",".join(CHECKS), "--warnings": "off"}
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/docs.json"),
            *(str(each) for option in options.items() for each in option),
            *("--phases", "examples,coverage,fuzzing", "--no-shrink", "--continue-on-failure", "--no-color"),
        ],
        cwd=tmp_path,  # where it keeps what it has found
        env=os.environ | {"SCHEMATHESIS_HOOKS": "tests.serving.generated.schema_checks", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    print(run.stdout)
    assert (0, "") == (run.returncode, run.stderr)
    assert "Tested: 13" in run.stdout
