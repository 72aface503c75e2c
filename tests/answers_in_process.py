"""Run by .ci/pythons in each Python: the answers to a file of applications, one JSON document a line.

JSON writes each number so that reading it gives the same bits. With `--make` it writes the applications instead, which
needs what tests need; answering needs no more than serving does.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from engine import Engine
from serving.http.answers import explanation
from serving.settings import load_settings
from serving.store import load_served

APPLICATIONS = 5000


def make() -> None:
    """Write applications of a realistic mix, and the golden ones."""
    from tests.applications import portfolio  # noqa: PLC0415  # needs what serving has not

    golden = json.loads(Path("artifacts/model/golden_applications.json").read_text(encoding="utf-8"))
    for document in (*portfolio(APPLICATIONS, seed=311), *(each["application"] for each in golden["applications"])):
        print(json.dumps(document))


def answer(file: Path) -> None:
    """Answer all from what the store serves; fails where a golden application's PD is not exactly the stated one."""
    served = load_served(load_settings(), None)
    assert served.scorer.golden_deviation() == 0, "a golden application gets another PD"
    engine = Engine(served.scorer, served.attributor, served.policy)
    applications = [engine.contract.parse(json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]
    for assessment in engine.explain(applications):
        print(json.dumps(explanation(assessment)))


if __name__ == "__main__":
    if sys.argv[1] == "--make":
        make()
    else:
        answer(Path(sys.argv[1]))
