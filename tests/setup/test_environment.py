"""Which Python `make serve` takes, when .venv is made anew, and what is said where none will do.

Pythons are stand-ins here, but for the one that is asked what it is; .ci/pythons makes real environments of real ones.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers import ROOT

TOOLS = ("cat", "cksum", "cp", "dirname", "grep", "head", "mkdir", "rm", "sed", "sh")

SHIM = "echo 'pyenv: python3.12: command not found' >&2; exit 127"

STAND_IN = """
case $1 in
-c) echo "ok {pip} {version} $0" ;;
-m) [ "$2" = venv ] && mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
setup/install.py) echo "$2" >> installed; exit $(cat fails 2> /dev/null || echo 0) ;;
esac
"""


@dataclass(frozen=True)
class Checkout:
    """A checkout and the only folder that commands are found in."""

    root: Path
    path: Path

    def command(self, name: str, script: str) -> None:
        """Put a script on the path."""
        (self.path / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.path / name).chmod(0o755)

    def python(self, name: str, version: str = "3.12.9", pip: str = "pip") -> None:
        """Put a Python on the path that says what it is, makes an environment of itself, and notes what it installs."""
        self.command(name, STAND_IN.format(version=version, pip=pip))

    def set_up(self, kind: str = "serving", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run setup/environment."""
        return subprocess.run(
            [self.root / "setup" / "environment", kind],
            env={"PATH": str(self.path)} | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def installed(self) -> list[str]:
        """The locks that were installed."""
        return (self.root / "installed").read_text().split()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    root = tmp_path / "a checkout"
    root.mkdir()
    for name in ("setup", "pyproject.toml", "requirements-import.txt", "requirements-dev.txt"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, root / name)
    made = Checkout(root, tmp_path / "bin")
    made.path.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (made.path / tool).symlink_to(found)
    return made


class TestLooking:
    def test_without_any_it_says_what_it_looked_for_and_how_to_get_one(self, checkout: Checkout) -> None:
        checkout.command("python3.12", SHIM)
        checkout.command("python3", 'echo "is Python 3.10.13"')
        result = checkout.set_up()
        assert result.returncode == 1
        assert not (checkout.root / ".venv").exists()
        for line in (
            "no Python of 3.11 to 3.14",
            "  python3.11 is not found\n",
            "  python3.12 does not run: pyenv: python3.12: command not found\n",
            "  python3.14 is not found\n",
            "  python3 is Python 3.10.13\n",
            "apt install python3 python3-venv",
            "uv python install",
            "make serve PYTHON=",
        ):
            assert line in result.stderr

    def test_one_that_does_not_run_is_passed_over(self, checkout: Checkout) -> None:
        checkout.command("python3.11", SHIM)
        checkout.command("python3.12", SHIM)
        checkout.python("python3.13", "3.13.5")
        result = checkout.set_up()
        assert (0, "") == (result.returncode, result.stderr)
        assert "making .venv of Python 3.13.5" in result.stdout
        assert ["requirements-import.txt"] == checkout.installed()

    def test_a_shim_that_warns_will_do(self, checkout: Checkout) -> None:
        """Bash does, where the locale is not installed, and pyenv's shims are of bash."""
        checkout.command(
            "python3.12",
            "echo 'warning: setlocale: LC_ALL: cannot change locale (de_DE.UTF-8)' >&2"
            + STAND_IN.format(version="3.12.9", pip="pip"),
        )
        result = checkout.set_up()
        assert 0 == result.returncode, result.stderr
        assert "making .venv of Python 3.12.9" in result.stdout

    def test_one_that_uv_keeps_will_do(self, checkout: Checkout, tmp_path: Path) -> None:
        checkout.python("elsewhere", "3.14.0")
        checkout.command("uv", f'[ "$1 $2" = "python find" ] && echo "{tmp_path}/bin/elsewhere"')
        assert "Python 3.14.0" in checkout.set_up().stdout

    def test_a_named_one_is_the_only_one_looked_at(self, checkout: Checkout) -> None:
        checkout.python("python3.12")
        result = checkout.set_up(PYTHON="python3.9")
        assert (1, True) == (result.returncode, "Looked for:\n  python3.9 is not found\n\n" in result.stderr)


class TestWithoutEnsurepip:
    """Debian's python3 without python3-venv."""

    def test_another_one_is_taken(self, checkout: Checkout) -> None:
        checkout.python("python3.11", "3.11.2", pip="bare")
        checkout.python("python3.13", "3.13.5")
        assert "Python 3.13.5" in checkout.set_up().stdout

    def test_uv_does_without(self, checkout: Checkout) -> None:
        checkout.python("python3", pip="bare")
        checkout.command("uv", '[ "$1" = pip ] && echo uv >> installed')
        assert checkout.set_up().returncode == 0
        assert ["uv", "requirements-import.txt"] == checkout.installed()

    def test_with_nothing_the_remedy_is_said(self, checkout: Checkout) -> None:
        checkout.command("python3", '[ "$1" = -c ] && echo "ok bare 3.11.2 $0"')
        result = checkout.set_up()
        assert (1, True) == (result.returncode, "apt install python3-venv" in result.stderr)
        assert not (checkout.root / ".venv").exists()


class TestAgain:
    @pytest.fixture(autouse=True)
    def _made(self, checkout: Checkout) -> None:
        checkout.python("python3.12")
        assert checkout.set_up().returncode == 0

    def test_nothing_is_done_and_nothing_said(self, checkout: Checkout) -> None:
        result = checkout.set_up()
        assert (0, "", "") == (result.returncode, result.stdout, result.stderr)
        assert ["requirements-import.txt"] == checkout.installed()

    def test_another_lock_is_installed(self, checkout: Checkout) -> None:
        with (checkout.root / "requirements-import.txt").open("a") as lock:
            lock.write("another==1.0\n")
        assert "anew" not in checkout.set_up().stdout
        assert ["requirements-import.txt"] * 2 == checkout.installed()

    def test_development_has_what_serving_needs(self, checkout: Checkout) -> None:
        assert "anew" not in checkout.set_up("dev").stdout
        assert checkout.set_up().stdout == ""
        assert ["requirements-import.txt", "requirements-dev.txt"] == checkout.installed()

    def test_a_python_that_is_gone(self, checkout: Checkout) -> None:
        (checkout.root / ".venv" / "bin" / "python").unlink()
        assert "making .venv anew: its Python is not found" in checkout.set_up().stdout

    @pytest.mark.parametrize("suitable", [True, False])
    def test_what_a_real_one_says_of_itself(self, checkout: Checkout, suitable: bool) -> None:
        if not suitable:
            pyproject = checkout.root / "pyproject.toml"
            pyproject.write_text(pyproject.read_text().replace(">=3.11,<3.15", ">=3.98,<3.99"))
        python = checkout.root / ".venv" / "bin" / "python"
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        said = "" if suitable else f"setup: making .venv anew: its Python is Python {platform.python_version()}\n"
        assert said == checkout.set_up().stdout

    def test_a_python_that_will_not_do(self, checkout: Checkout) -> None:
        (checkout.root / ".venv" / "bin" / "python").write_text("#!/bin/sh\necho is Python 3.10.13\n")
        assert "making .venv anew: its Python is Python 3.10.13" in checkout.set_up().stdout

    def test_one_that_will_not_do_stays_where_there_is_none_to_replace_it(self, checkout: Checkout) -> None:
        (checkout.path / "python3.12").unlink()
        (checkout.root / ".venv" / "bin" / "python").write_text("#!/bin/sh\necho is Python 3.10.13\n")
        assert checkout.set_up().returncode == 1
        assert (checkout.root / ".venv").exists()

    def test_another_python_is_named(self, checkout: Checkout) -> None:
        checkout.python("python3.13", "3.13.5")
        assert checkout.set_up().stdout == ""
        assert "3.13.5" in checkout.set_up(PYTHON="python3.13").stdout

    def test_an_installation_that_broke_off(self, checkout: Checkout) -> None:
        (checkout.root / "fails").write_text("3")
        assert checkout.set_up("dev").returncode == 3
        (checkout.root / "fails").unlink()
        assert "making .venv anew: it is half-made" in checkout.set_up().stdout

    def test_a_checkout_that_was_moved(self, checkout: Checkout) -> None:
        """The commands in .venv/bin name the folder that they were made in."""
        moved = Checkout(checkout.root.rename(checkout.root.with_name("moved")), checkout.path)
        assert "moved" in moved.set_up().stdout
        assert moved.set_up().stdout == ""


def test_of_two_at_once_one_waits(checkout: Checkout) -> None:
    """And finds all done; else each would delete what the other makes."""
    flock = shutil.which("flock")
    if flock is None:
        pytest.skip("there is no flock here; setup/environment does without it")
    for tool in (flock, shutil.which("sleep")):
        assert tool is not None
        (checkout.path / Path(tool).name).symlink_to(tool)
    # Whoever makes an environment while another does so finds it out.
    checkout.command(
        "python3.12",
        '[ "$2" != venv ] || { mkdir making || exit 9; sleep 1; rm -r making; }\n'
        + STAND_IN.format(version="3.12.9", pip="pip"),
    )
    with ThreadPoolExecutor() as both:
        results = list(both.map(lambda _: checkout.set_up(), range(2)))
    assert [0, 0] == [result.returncode for result in results], results
    assert ["requirements-import.txt"] == checkout.installed()
