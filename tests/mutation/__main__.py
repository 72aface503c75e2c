"""Changes the code bit by bit and asks whether a test notices: `python -m tests.mutation`, or `.ci/mutation`.

Nothing here is changed: each mutant stands in a copy, and its tests run in a fork of a process that has the libraries
already.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.mutation.config import CONFIG, ROOT, modules, source, stages
from tests.mutation.mutants import Mutant, mutants, reason, sample

EXIT_CODES = "exit code: 0 at least 97% killed, and a reason for each survivor; 1 otherwise; 2 wrong arguments"

LEAST_KILLED = 0.97

CPU_SECONDS = 60
"""Beside three times what the tests take without a change; a mutant that takes more runs in circles."""

WALL_SECONDS = 900
"""For what waits in vain."""

OUT_OF_TIME = {signal.SIGXCPU, signal.SIGALRM, signal.SIGKILL}

IMPORTED_ONCE = (
    "pytest", "hypothesis.strategies", "numpy", "scipy.stats", "sklearn.ensemble", "joblib", "pandas", "pydantic",
    "httpx", "shap", "bentoml.models", "bentoml._internal.configuration.containers", "bentoml._internal.models",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """How pytest ended.

    Attributes:
        code: its exit code; None where it was stopped.
        cpu: seconds, of its children too.
    """

    code: int | None
    cpu: float


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog=".ci/mutation", description=__doc__, epilog=EXIT_CODES)
    parser.add_argument(
        "--sample", type=int, metavar="N", help="about N mutants, of each module its share (default: all)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default: 0)")
    parser.add_argument("--only", metavar="TEXT", default="", help="modules with this in their path")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="so many at once (default: 1)")
    options = parser.parse_args(arguments)
    by_module = {module: list(mutants(module)) for module in modules() if options.only in module}
    chosen = [mutant for each in by_module.values() for mutant in each]
    print(f"{len(chosen)} mutants of {len(by_module)} modules", flush=True)
    if options.sample is not None:
        chosen = sample(by_module, options.sample, options.seed)
        print(f"{len(chosen)} drawn by seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        _import_once(Path(folder))
        return _report(chosen, _side_by_side(chosen, Path(folder), options.jobs))


def _import_once(folder: Path) -> None:
    """Import what every fork needs, and keep the bytecode of all else that they do."""
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(folder / "bytecode")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ |= {
        "PYTHONPYCACHEPREFIX": sys.pycache_prefix,
        "BENTOML_HOME": str(folder),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    for name in IMPORTED_ONCE:
        if importlib.util.find_spec(name):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # no fork looks through all that again


def _side_by_side(chosen: list[Mutant], folder: Path, jobs: int) -> list[str]:
    """What `_outcomes` says, in forks that have a copy of the checkout each."""
    told = []
    for job in range(jobs):
        reading, writing = os.pipe()
        if os.fork() == 0:
            try:
                with os.fdopen(writing, "w") as answer:
                    answer.write(" ".join(_outcomes(chosen[job::jobs], _copy(folder / f"tree-{job}"))))
            except SystemExit as exc:
                print(exc, file=sys.stderr, flush=True)
            finally:
                os._exit(0)
        os.close(writing)
        told.append(reading)
    outcomes = [""] * len(chosen)
    for job, reading in enumerate(told):
        with os.fdopen(reading) as answer:
            outcomes[job::jobs] = answer.read().split()  # of a fork that failed there are too few, which is an error
        os.wait()
    return outcomes


def _outcomes(chosen: list[Mutant], tree: Path) -> list[str]:
    """Of each, "killed", "stopped" where it ran out of time, or "survived" where no test noticed."""
    begun = time.monotonic()
    usual = _Usual(tree)
    outcomes = []
    for done, mutant in enumerate(chosen, 1):
        outcomes.append(_outcome(tree, mutant, usual, done))
        if outcomes[-1] != "killed":
            print(f"\n{outcomes[-1]}: {_named(mutant)}", flush=True)
        if done % 25 == 0:
            survived = outcomes.count("survived")
            print(f"{done} of {len(chosen)}, {survived} survived, {time.monotonic() - begun:.0f} s", flush=True)
    return outcomes


class _Usual(dict[tuple[str, ...], float]):
    """Of arguments for pytest the CPU seconds that they take without a change, found out when first asked for."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree

    def __missing__(self, stage: tuple[str, ...]) -> float:
        run = _pytest(self._tree, stage, WALL_SECONDS)
        if run.code != 0:
            sys.exit(f"pytest {' '.join(stage)} fails without any change; mend that first")
        self[stage] = run.cpu
        return run.cpu


def _outcome(tree: Path, mutant: Mutant, usual: _Usual, number: int) -> str:
    path = tree / mutant.module
    for stage in map(tuple, stages(mutant.module)):
        seconds = int(3 * usual[stage]) + CPU_SECONDS
        path.write_text(mutant.code, encoding="utf-8")
        os.utime(path, (number, number))  # bytecode is known by its time and size, and the size may be another mutant's
        try:
            run = _pytest(tree, stage, seconds)
        finally:
            path.write_text(source(mutant.module), encoding="utf-8")
        if run.code != 0:
            return "stopped" if run.code is None else "killed"
    return "survived"


def _pytest(tree: Path, arguments: tuple[str, ...], cpu_seconds: int) -> Run:
    """Run pytest on a tree, in a fork."""
    child = os.fork()
    if child == 0:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))
        signal.alarm(WALL_SECONDS)
        os._exit(_in_fork(tree, arguments))
    _, status, used = os.wait4(child, 0)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what its tests have started
    if os.WIFSIGNALED(status):
        code = None if os.WTERMSIG(status) in OUT_OF_TIME else -os.WTERMSIG(status)
        return Run(code, used.ru_utime + used.ru_stime)
    return Run(os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime)


def _in_fork(tree: Path, arguments: tuple[str, ...]) -> int:
    import pytest  # noqa: PLC0415  # imported by the parent, when it knew that it would need it

    os.chdir(tree)
    sys.path[:] = [str(tree), *(path for path in sys.path if Path(path or ".").resolve() != ROOT)]
    for name in [name for name, module in sys.modules.items() if _is_ours(module)]:
        del sys.modules[name]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    if "MUTATION_SHOW" not in os.environ:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
    # Libraries that bring plugins for pytest are there before it.
    options = [
        "-x",
        "-p",
        "no:cacheprovider",
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
        "-m",
        "not slow and not container",
    ]
    for plugin in ("xdist", "cov", "randomly"):
        options += ["-p", f"no:{plugin}"]
    return int(pytest.main([*options, *arguments], plugins=[_Quick()]))


def _is_ours(module: Any) -> bool:
    """Whether a module, or a package without a file of its own, is of this checkout, and so not of the tree."""
    places = [getattr(module, "__file__", None), *getattr(module, "__path__", [])]
    return any(place and Path(place).is_relative_to(ROOT) and ".venv" not in Path(place).parts for place in places)


class _Quick:
    """The same examples for each mutant, and none looked for that is simpler than the one that failed."""

    @staticmethod
    def pytest_sessionstart() -> None:
        from hypothesis import HealthCheck, Phase, settings  # noqa: PLC0415  # before pytest it couldn't rewrite it

        settings.register_profile(
            "mutation", deadline=None, derandomize=True, database=None, max_examples=CONFIG["examples"],
            phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        settings.load_profile("mutation")


def _copy(tree: Path) -> Path:
    """The checkout as it stands, without what git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    return tree


def _named(mutant: Mutant) -> str:
    why = reason(mutant) or "NO REASON IS STATED"
    return f"{mutant.module}:{mutant.line} {mutant.operator}\n  - {mutant.was}\n  + {mutant.now}\n  {why}"


def _report(chosen: list[Mutant], outcomes: list[str]) -> int:
    counts = Counter(outcomes)
    survivors = [mutant for mutant, outcome in zip(chosen, outcomes, strict=True) if outcome == "survived"]
    print()
    for module in sorted({mutant.module for mutant in chosen}):
        of_module = [outcome for mutant, outcome in zip(chosen, outcomes, strict=True) if mutant.module == module]
        print(f"{module:32} {len(of_module) - of_module.count('survived'):4} of {len(of_module):4} killed")
    unexplained = [mutant for mutant in survivors if reason(mutant) is None]
    share = 1 - len(survivors) / len(chosen)
    print(
        f"\n{len(chosen)} mutants: {counts['killed']} killed, {counts['stopped']} stopped, {len(survivors)} survived, "
        f"{len(unexplained)} of them without a reason; {share:.1%} noticed"
    )
    return 0 if share >= LEAST_KILLED and not unexplained else 1


if __name__ == "__main__":
    sys.exit(main())
