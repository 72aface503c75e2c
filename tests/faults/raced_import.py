"""A start beside an import of newer versions, at every step of either: `raced_import.py MODEL POLICY HOME`.

Prints a line for each step: which of the two went on while the other stood at it, and the versions that were served, or
what the start failed with.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from decision import read_policy
from import_model import DEFAULT_POLICY, STAGING, Entry, model_entry, policy_entry, save
from scoring.artifact import read_artifact
from serving.settings import Settings
from serving.store import load_served
from tests.killed_import import in_fork
from tests.stores import model_store

MOST_STEPS = 1000
WRITES = os.O_WRONLY | os.O_RDWR
ENDED = 3


def start() -> str:
    """What a service that starts now would serve."""
    try:
        served = load_served(Settings(), None)
    except Exception as exc:  # noqa: BLE001  # whatever it is, it is what the test looks at
        return f"{type(exc).__name__}: {exc}"
    return f"{served.scorer.manifest.version} {served.policy.policy.version}"


def interrupted(home: Path, step: int, is_step: Callable[[str, Any], bool], other: Callable[[], object]) -> list[bool]:
    """Have `other` run just before this step; the list is not empty once it has."""
    steps, done = 0, list[bool]()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal steps
        if done or not any(isinstance(a, str | Path) and str(a).startswith(str(home)) for a in arguments):
            return
        if is_step(event, arguments):
            steps += 1
            if steps == step:
                done.append(True)
                other()

    sys.addaudithook(hook)
    return done


def writes(event: str, arguments: Any) -> bool:
    """Whether the store is about to be changed, elsewhere than where an import gathers what it writes."""
    looks_only = event.startswith(("os.listdir", "os.scandir", "glob.", "pathlib."))
    gathers = all(STAGING in str(a) for a in arguments if isinstance(a, str | Path))
    return not (looks_only or gathers) and (event != "open" or bool(arguments[2] & WRITES))


def during_the_import(home: Path, old: list[Entry], new: list[Entry], step: int) -> None:
    with model_store(home):
        save(old)
        done = interrupted(home, step, writes, lambda: print("import", start(), flush=True))
        save(new)
    os._exit(0 if done else ENDED)


def during_the_start(home: Path, old: list[Entry], new: list[Entry], step: int) -> None:
    with model_store(home):
        save(old)
        done = interrupted(home, step, lambda *_: True, lambda: save(new))
        print("start", start(), flush=True)
    os._exit(0 if done else ENDED)


def main() -> None:
    model, policy, home = map(Path, sys.argv[1:])
    old_model = read_artifact(model.with_name("old"))
    old = [model_entry(old_model), policy_entry(read_policy(DEFAULT_POLICY, old_model.contract))]
    new_model = read_artifact(model)
    new = [model_entry(new_model), policy_entry(read_policy(policy, new_model.contract))]
    for way in (during_the_import, during_the_start):
        for step in range(1, MOST_STEPS):
            if in_fork(way, home / f"{way.__name__}-{step}", old, new, step):
                break


if __name__ == "__main__":
    main()
