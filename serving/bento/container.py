"""What a container runs: the one worker that `bentoml serve` would start, without the supervisor in front of it.

`bentoml serve` loads everything twice, one after the other: in the supervisor, which only asks how many workers there
are, then in the worker; and it doesn't replace a worker that dies in a container. Here the worker is the container's
first process: it is ready sooner, needs less memory, gets SIGTERM itself, and when it dies the container ends, which is
what an orchestrator sees, counts and mends.
"""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from pathlib import Path

from serving import SERVICE_NAME
from serving.bento.tls import container_options
from serving.settings import SettingsError, load_settings
from serving.telemetry.logs import refusals_as_lines

PORT = 3000


def main() -> None:
    """Serve the Bento in BENTO_PATH on BENTOML_PORT until SIGTERM."""
    # The kernel ignores SIGTERM for a first process that has no handler, as this one until the server has its own.
    # It ends at once: a SystemExit would be raised wherever the imports are, and some of them catch it.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    # prometheus_client reads it when it is imported.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = _metrics_folder()
    with refusals_as_lines():
        _check_home()
        if load_settings().workers != 1:
            raise SettingsError(
                "settings refused: CREDIT_RISK_WORKERS: a container runs one worker; run more containers"
            )
        tls = container_options(os.environ)
    host, port = os.environ.get("BENTOML_HOST") or "0.0.0.0", int(os.environ.get("BENTOML_PORT") or PORT)  # noqa: S104  # a container's
    listener = socket.create_server((host, port), backlog=2048)

    # Imports prometheus_client, and all the rest.
    from _bentoml_impl.worker.service import main as worker  # noqa: PLC0415

    options = {
        "--fd": listener.detach(),
        "--service-name": SERVICE_NAME,
        "--worker-id": 1,
    }
    worker([os.environ["BENTO_PATH"], *(f"{name}={value}" for name, value in options.items()), *tls])


def _metrics_folder() -> str:
    """A new folder, since /tmp may outlive a restart; where none can be made, a name: metrics do without a folder."""
    base = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108  # a container's
    try:
        folder = tempfile.mkdtemp(prefix="metrics-", dir=base)
    except OSError:
        return f"{base}/metrics-{os.getpid()}"
    # Python's own choice is where a file can be written, and a full disk has room for BentoML's folders all the same.
    tempfile.tempdir = base
    return folder


def _check_home() -> None:
    """BentoML makes its folders when it is imported, and ends with a traceback where it can't."""
    home = Path(os.environ.get("BENTOML_HOME") or Path.home() / "bentoml")
    try:
        (home / "tmp").mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise SettingsError(
            f"settings refused: BENTOML_HOME: {home} can't be made: {exc.strerror}; give the container "
            "a writable /tmp (--tmpfs /tmp), or name a folder that is one"
        ) from exc


if __name__ == "__main__":
    main()
