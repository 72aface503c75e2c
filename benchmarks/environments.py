"""A virtual environment for each server, made once from its pinned requirements."""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(__file__).resolve().parent / ".venvs"
UV = Path(sys.executable).parent / "uv"


class NoEnvironmentError(Exception):
    """An environment can't be made here, as where no package index is in reach."""


def python_of(name: str, requirements: Path) -> Path:
    """The interpreter of an environment with exactly these requirements, made or remade where they have changed.

    Raises:
        NoEnvironmentError: that failed.
    """
    environment = FOLDER / name
    python = environment / "bin" / "python"
    stamp = environment / "requirements.sha256"
    digest = sha256(requirements.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text(encoding="ascii") != digest:
        print(f"making the environment of {name} …", file=sys.stderr)
        try:
            _uv("venv", "--clear", "--python", sys.executable, environment)
            # Copies, for servers that share files share memory, and PSS would count each for a part only.
            _uv("pip", "install", "--link-mode=copy", "--compile-bytecode", "--python", python, "-r", requirements)
        except subprocess.CalledProcessError as exc:
            raise NoEnvironmentError(f"the environment of {name} can't be made: {exc.stderr.strip()}") from exc
        stamp.write_text(digest, encoding="ascii")
    return python


def _uv(*arguments: str | Path) -> None:
    command = [UV, "--quiet", *arguments]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S603  # its own commands
