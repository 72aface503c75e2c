"""No server is left behind by a test run, a benchmark or a demo that is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from tests.lifeline import MARK
from tests.servers import ROOT, environment, wait_for


def started(path: Path) -> list[psutil.Process]:
    """The processes whose ids a script has written."""
    return [psutil.Process(int(pid)) for pid in path.read_text(encoding="ascii").split()]


def has_ended(process: psutil.Process) -> bool:
    """Also where nobody has asked for its status yet."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_what_has_left_its_parent_and_its_session_ends_too(tmp_path: Path) -> None:
    """A grandchild in a session of its own, whose parent has ended, ends when the owner is killed."""
    ids = tmp_path / "ids"
    script = f"""
        import subprocess, sys, time
        from tests.lifeline import hold
        hold()
        child = "import subprocess as s; print(s.Popen(['sleep', '600'], start_new_session=True, stdout=s.DEVNULL).pid)"
        left = subprocess.run([sys.executable, "-c", child], stdout=subprocess.PIPE, text=True, check=True).stdout
        open({str(ids)!r}, "w").write(left)
        time.sleep(600)
    """
    owner = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT)
    try:
        wait_for(lambda: owner.poll() is not None or (ids.exists() and ids.read_text(encoding="ascii")))
        (sleeper,) = started(ids)
        assert sleeper not in psutil.Process(owner.pid).children(recursive=True), "it was to lose its parent"
        assert not has_ended(sleeper)
    finally:
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    wait_for(lambda: has_ended(sleeper))


def test_an_ordinary_end_leaves_nothing_either() -> None:
    """Neither what was started nor the guard, once the process has ended by itself."""
    script = """
        import os, subprocess
        from tests.lifeline import hold
        hold()
        print(subprocess.Popen(["sleep", "600"], start_new_session=True, stdout=subprocess.DEVNULL).pid)
        os.sys.stdout.flush()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    assert not psutil.pid_exists(int(done.stdout)) or has_ended(psutil.Process(int(done.stdout)))


@pytest.mark.slow
def test_a_killed_test_run_leaves_no_server(store: Path, tmp_path: Path) -> None:
    """kill -9 of a pytest that has a server running: supervisor, worker and all that they started end."""
    ids = tmp_path / "ids"
    test = tmp_path / "test_that_is_killed.py"
    test.write_text(
        textwrap.dedent(f"""
            import time
            from pathlib import Path
            import psutil
            from tests.servers import copy_store, serving

            def test_that_is_killed(tmp_path):
                with serving(copy_store(Path({str(store)!r}), tmp_path)) as server:
                    supervisor = psutil.Process(server.supervisor.pid)
                    pids = [p.pid for p in (supervisor, *supervisor.children(recursive=True))]
                    Path({str(tmp_path / "new")!r}).write_text(" ".join(map(str, pids)))
                    Path({str(tmp_path / "new")!r}).rename({str(ids)!r})
                    time.sleep(600)
        """),
        encoding="utf-8",
    )
    configured = ("-c", ROOT / "pyproject.toml", "--rootdir", ROOT)
    output = tmp_path / "output"
    with output.open("wb") as out:
        run = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "tests.conftest", *configured, test],
            cwd=ROOT,
            env={name: value for name, value in environment(tmp_path).items() if name != MARK},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(lambda: run.poll() is not None or ids.exists())
        assert ids.exists(), output.read_text(encoding="utf-8")
        processes = started(ids)
        assert len(processes) >= 2
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    wait_for(lambda: all(has_ended(process) for process in processes))
