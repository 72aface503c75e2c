"""The service under traffic, watched by Prometheus where that is installed. Ends by itself, or on Ctrl-C.

make demo                              # or with PORT=3001 PROMETHEUS_PORT=9091 DEMO_SECONDS=60
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import httpx

from examples import traffic

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 90

SHOWN = {
    "requests by status": (
        'sum by (status) (rate(credit_risk_http_request_duration_seconds_count{route=~"/predict.*"}[1m]))'
    ),
    "decisions": "sum by (outcome) (rate(credit_risk_decisions_total[1m]))",
    "p99 latency": (
        "histogram_quantile(0.99, sum by (route, le) "
        '(rate(credit_risk_http_request_duration_seconds_bucket{route=~"/predict.*"}[1m])))'
    ),
    "drift (PSI), from 1,000 values on": "job_field:credit_risk_drift:psi1h",
}


class DemoError(Exception):
    """The demo can't go on."""


@contextmanager
def running(name: str, command: list[str], ready: str, log: Path, environment: dict[str, str]) -> Iterator[None]:
    """A program, from when `ready` answers 200 on; ended by SIGTERM."""
    if _answers(ready):
        raise DemoError(f"{ready} answers already: {name} needs another port")
    with log.open("wb") as out:
        # In a session of its own: Ctrl-C is this script's, which then ends what it started.
        process = subprocess.Popen(  # noqa: S603  # its own commands
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        end = time.monotonic() + START_SECONDS
        while not _answers(ready):
            if process.poll() is not None or time.monotonic() > end:
                raise DemoError(f"{name} did not start:\n{log.read_text(encoding='utf-8')[-2000:]}")
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=10)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def configure(home: Path, port: int) -> Path:
    """deploy/prometheus with this service as its target, without Alertmanager, and in more of a hurry."""
    folder = home / "prometheus"
    shutil.copytree(ROOT / "deploy" / "prometheus", folder)
    (folder / "targets" / "credit-risk-api.yml").write_text(f'- targets: ["127.0.0.1:{port}"]\n', encoding="utf-8")
    (folder / "targets" / "alertmanager.yml").write_text("[]\n", encoding="utf-8")
    for file in (folder / "prometheus.yml", *(folder / "rules").glob("*.yml")):
        text = file.read_text(encoding="utf-8")
        for line in ("scrape_interval: 15s", "evaluation_interval: 30s", "    interval: 1m"):
            text = text.replace(line, f"{line.rpartition(' ')[0]} 5s")
        text = text.replace("scrape_timeout: 10s", "scrape_timeout: 5s")
        file.write_text(text, encoding="utf-8")
    return folder / "prometheus.yml"


def demonstrate(port: int, prometheus_port: int, seconds: float, rate: float) -> None:
    """Start everything, say what to open, send traffic, end everything."""
    service, prometheus = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{prometheus_port}"
    with tempfile.TemporaryDirectory(prefix="credit-risk-demo-") as name, ExitStack() as started:
        home = Path(name)
        environment = os.environ | {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
        python = sys.executable
        store = [python, "import_model.py"]
        subprocess.run(store, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # the same
        serve = [python, "-m", "bentoml", "serve", "service:CreditRisk", "--host", "127.0.0.1", "--port", str(port)]
        started.enter_context(running("the service", serve, f"{service}/readyz", home / "service.log", environment))
        print(f"service      {service}/docs")
        print(f"metrics      {service}/metrics")
        print(f"log          tail -f {home / 'service.log'}")
        if (program := shutil.which("prometheus")) is None:
            print("prometheus   is not installed (.ci/observability-tools installs it): only traffic then")
        else:
            watch = [
                program,
                f"--config.file={configure(home, port)}",
                f"--storage.tsdb.path={home / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{prometheus_port}",
            ]
            log = home / "prometheus.log"
            started.enter_context(running("Prometheus", watch, f"{prometheus}/-/ready", log, environment))
            # Debian's Prometheus has its pages under /classic/; the first one says so.
            graph = f"{prometheus}{httpx.get(prometheus).headers['Location']}"
            print(f"alerts       {graph.rpartition('/')[0]}/alerts")
            for title, query in SHOWN.items():
                shown = urlencode({"g0.expr": query, "g0.tab": "0", "g0.range_input": "10m"})
                print(f"{title}:\n             {graph}?{shown}")
            print("grafana      import deploy/grafana/dashboard.json; its data source is this Prometheus")
        print(f"traffic for {seconds:g} s; applicants change half-way; Ctrl-C ends everything", flush=True)
        statuses = traffic.run(service, seconds, rate)
        print(
            "answers by status: " + ", ".join(f"{count} times {status}" for status, count in sorted(statuses.items()))
        )


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Run the service under traffic, watched by Prometheus.")
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--prometheus-port", type=int, default=9090)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--rate", type=float, default=20, help="most requests a second")
    arguments = parser.parse_args()
    # Also where a shell started this in the background, and had it ignore SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        demonstrate(arguments.port, arguments.prometheus_port, arguments.seconds, arguments.rate)
    except DemoError as exc:
        print(exc, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("ended")
    return 0


if __name__ == "__main__":
    sys.exit(main())
