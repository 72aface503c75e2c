"""Kills an import at every step that it takes in the store, and imports again: `killed_import.py MODEL HOME`.

Every import runs in a fork of this process, so that hundreds of them are cheap. An audit hook sees every change of the
store before it happens, and kills the fork at the n-th. The second time round an older version is in the store already,
the file that was being written is left half-written, and another import is killed before one is let through.

Prints a line for each n: the exit status of the killed import and of the last one, which also checks the store.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bentoml

from decision import read_policy
from import_model import DEFAULT_POLICY, Entry, model_entry, policy_entry, save
from scoring.artifact import read_artifact
from tests.stores import model_store

MOST_STEPS = 1000
MOST_BYTES = 5_000
"""Of each file, which is enough to be cut."""


def in_fork(work: Callable[..., None], *arguments: Any) -> int:
    """Run `work` in a fork; its exit status, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        try:
            work(*arguments)
        except BaseException:  # noqa: BLE001  # a fork must not return into its parent's code
            traceback.print_exc()
            os._exit(70)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def import_killed(home: Path, entries: list[Entry], step: int, cut: bool) -> None:
    steps, written = 0, Path()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal steps, written
        below = [Path(a) for a in arguments if isinstance(a, str | Path) and str(a).startswith(str(home))]
        looks_only = event.startswith(("os.listdir", "os.scandir", "glob.", "pathlib."))
        if not below or looks_only or (event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        steps += 1
        if steps == step:
            if cut and written.is_file():
                os.truncate(written, written.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        written = below[-1]

    with model_store(home):
        sys.addaudithook(hook)
        save(entries)


def import_whole(home: Path, entries: list[Entry], check: bool) -> None:
    with model_store(home) as models:
        save(entries)
        for entry in entries if check else ():
            stored = bentoml.models.get(entry.tag.partition(":")[0])  # by name alone: the latest
            files = {name: Path(stored.path_of(name)).read_bytes() for name in entry.contents}
            assert (entry.tag, entry.contents) == (str(stored.tag), files)
            versions = {path.name for path in (models / stored.tag.name).iterdir() if path.is_dir()}
            assert versions - {"0.0.1"} == {stored.tag.version}


def kill_at_every(nth_step: int, home: Path, entries: list[Entry], again: bool) -> None:
    older = [entry._replace(tag=entry.tag.partition(":")[0] + ":0.0.1") for entry in entries]
    for step in range(1, MOST_STEPS, nth_step):
        place = home / str(step)
        if again:
            in_fork(import_whole, place, older, False)
        killed = in_fork(import_killed, place, entries, step, again)
        if again:
            in_fork(import_killed, place, entries, 1 + 7 * step % 20, True)
        print(killed, in_fork(import_whole, place, entries, True), flush=True)
        if killed == 0:
            break


def main() -> None:
    model, home = map(Path, sys.argv[1:])
    entries = [
        model_entry(read_artifact(model)),
        policy_entry(read_policy(DEFAULT_POLICY, read_artifact(model).contract)),
    ]
    entries = [
        entry._replace(contents={name: content[:MOST_BYTES] for name, content in entry.contents.items()})
        for entry in entries
    ]
    kill_at_every(1, home / "empty", entries, again=False)
    kill_at_every(8, home / "used", entries, again=True)


if __name__ == "__main__":
    main()
