"""What a serving process loads to answer: arrays, and nothing that opens a pickle."""

from __future__ import annotations

from pathlib import Path

from tests.artifacts import MODEL_FOLDER, POLICY_FOLDER
from tests.servers import run_python

SERVE = """
import sys
import service
import serving.parts
from engine import Engine
from serving.store import load_served

served = load_served(service.settings, None)
engine = Engine(served.scorer, served.attributor, served.policy)
assert served.scorer.golden_deviation() == 0
assert len(engine.explain(served.scorer.golden)) == len(engine.assess(served.scorer.golden)) > 1
"""

TRAINING = ("sklearn", "scipy", "joblib", "model_signing", "pyarrow")
"""What training, signing, importing and portfolios load."""

LOADED = "print(*{name.partition('.')[0] for name in sys.modules})"


def serve(home: Path, code: str) -> str:
    """Run `code`, with the shipped model and policy by their paths."""
    paths = {
        "CREDIT_RISK_MODEL_PATH": str(MODEL_FOLDER),
        "CREDIT_RISK_POLICY_PATH": str(POLICY_FOLDER / "decision_policy.json"),
    }
    return run_python("-c", code, home=home, **paths)


def test_none_of_what_training_needs(tmp_path: Path) -> None:
    """Importing what answers, opening the model and explaining with it load none of it."""
    loaded = set(serve(tmp_path, SERVE + LOADED).split())
    assert {"service", "scoring", "numpy"} <= loaded
    assert set() == loaded & set(TRAINING)


def test_nor_is_it_needed(tmp_path: Path) -> None:
    """Where none of it can be imported at all, the same answers are given."""
    serve(tmp_path, f"import sys\nsys.modules.update(dict.fromkeys({TRAINING}))\n{SERVE}")


ANSWERING = ("numpy", "aiohttp", "prometheus_client", "uvicorn", "engine", "scoring.artifact", "preprocessing", "desk")
"""What the supervisor, which answers nothing, would import before it starts a worker."""


def test_the_supervisor_imports_none_of_what_answers(tmp_path: Path) -> None:
    """What there is to serve is known without it, and the schemas of the routes are too."""
    code = "import service, sys\nprint(*(api.schema() for api in service.CreditRisk.apis.values()), *sys.modules)"
    printed = serve(tmp_path, code)
    assert "probability_of_default" in printed
    assert not set(ANSWERING) & set(printed.split())
