"""What a serving process loads to answer: arrays, and nothing that opens a pickle."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.artifacts import MODEL_FOLDER, POLICY_FOLDER
from tests.servers import run_python

SERVE = """
import sys
import service
from engine import Engine
from serving.store import load_served

served = load_served(service.settings, None)
engine = Engine(served.scorer, served.attributor, served.policy)
assert served.scorer.golden_deviation() == 0
assert len(engine.explain(served.scorer.golden)) == len(engine.assess(served.scorer.golden)) > 1
"""

LOADED = "print(*{name.partition('.')[0] for name in sys.modules})"


def serve(home: Path, code: str) -> str:
    """Run `code`, with the shipped model and policy by their paths."""
    paths = {
        "CREDIT_RISK_MODEL_PATH": str(MODEL_FOLDER),
        "CREDIT_RISK_POLICY_PATH": str(POLICY_FOLDER / "decision_policy.json"),
    }
    return run_python("-c", code, home=home, **paths)


def test_neither_scikit_learn_nor_joblib(tmp_path: Path) -> None:
    """Importing the service, opening the model and explaining with it load neither."""
    loaded = set(serve(tmp_path, SERVE + LOADED).split())
    assert {"service", "scoring", "numpy"} <= loaded
    assert set() == loaded & {"sklearn", "joblib"}


@pytest.mark.parametrize("module", ["sklearn", "joblib"])
def test_nor_are_they_needed(tmp_path: Path, module: str) -> None:
    """Where they can't be imported at all, the same answers are given."""
    serve(tmp_path, f"import sys\nsys.modules[{module!r}] = None\n{SERVE}")
