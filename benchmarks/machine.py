"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.environments import ROOT
from benchmarks.load import wrk

NAMED = ("bentoml", "scikit-learn", "uvicorn", "uvloop", "httptools", "starlette", "fastapi")
NAMED_PEERS = {"mlserver": "mlserver", "litserve": "litserve", "fastapi_shap": "shap", "bentoml_quickstart": "pandas"}


def describe() -> dict[str, str]:
    """Processor, memory, kernel, Python, versions, date and load."""
    processor = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "processor": processor.group(1) if processor else platform.processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "wrk": _wrk_version(),
        "load before": f"{os.getloadavg()[0]:.2f}",
        "versions": ", ".join(_versions()),
    }


def _wrk_version() -> str:
    # It has no option that prints its version alone, and exits with 1.
    text = subprocess.run([wrk(), "-v"], capture_output=True, text=True, check=False).stdout  # noqa: S603  # ours
    return text.split("[")[0].removeprefix("wrk").strip()


def _versions() -> list[str]:
    peers = ROOT / "benchmarks" / "peers"
    pins = _pins(peers / "fastapi_same" / "requirements.txt") | _pins(ROOT / "requirements.txt")
    named = {name: pins.get(name) for name in NAMED}
    named |= {name: _pins(peers / peer / "requirements.txt").get(name) for peer, name in NAMED_PEERS.items()}
    return [f"{name} {version}" for name, version in named.items() if version]


def _pins(file: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", file.read_text(encoding="utf-8"), re.MULTILINE))
