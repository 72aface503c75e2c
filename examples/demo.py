"""The service under traffic, watched by Prometheus where that is installed. Stays up until Ctrl-C.

Prometheus has the shipped rules with an hour in a minute (`examples/hurry.py`), so that alerts fire while one watches:
half-way the applicants change, and a minute or so later CreditRiskDrift tells.

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
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode

import httpx

from examples import hurry
from tests.lifeline import hold

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 300
ABOUT = ("field", "outcome", "window", "instance")
"""Labels that tell two alerts of one name apart."""

SHOWN = {
    "alerts over time": 'count by (alertname, alertstate) (ALERTS{job="credit-risk-api"})',
    "requests by status": (
        'sum by (status) (rate(credit_risk_http_request_duration_seconds_count{route=~"/predict.*"}[1m]))'
    ),
    "decisions": "sum by (outcome) (rate(credit_risk_decisions_total[1m]))",
    "p99 latency": (
        "histogram_quantile(0.99, sum by (route, le) "
        '(rate(credit_risk_http_request_duration_seconds_bucket{route=~"/predict.*"}[1m])))'
    ),
    "drift (PSI), from 1,000 values a minute on": "job_field:credit_risk_drift:psi1h",
}


class DemoError(Exception):
    """The demo can't go on."""


@contextmanager
def running(name: str, command: list[str], ready: str, log: Path, environment: dict[str, str]) -> Iterator[None]:
    """A program, from when `ready` answers 200 on; ended by SIGTERM."""
    if _answers(ready):
        raise DemoError(f"{ready} answers already: {name} needs another port")
    with started(command, log, environment) as process:
        end = time.monotonic() + START_SECONDS
        while not _answers(ready):
            if process.poll() is not None or time.monotonic() > end:
                raise DemoError(f"{name} did not start:\n{log.read_text(encoding='utf-8')[-2000:]}")
            time.sleep(0.2)
        yield


@contextmanager
def started(command: list[str], log: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A program that writes to `log`; ended by SIGTERM."""
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
        yield process
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
    """The hurried rules with this service as their target, without Alertmanager."""
    file = hurry.copy(home / "prometheus")
    targets = file.parent / "targets"
    (targets / "credit-risk-api.yml").write_text(f'- targets: ["127.0.0.1:{port}"]\n', encoding="utf-8")
    (targets / "alertmanager.yml").write_text("[]\n", encoding="utf-8")
    return file


def firing(prometheus: str) -> set[str]:
    """The alerts that fire now, with what they are about."""
    try:
        alerts = httpx.get(f"{prometheus}/api/v1/alerts", timeout=10).json()["data"]["alerts"]
    except httpx.TransportError:
        return set()
    return {
        " ".join([alert["labels"]["alertname"], *(alert["labels"][name] for name in ABOUT if name in alert["labels"])])
        for alert in alerts
        if alert["state"] == "firing"
    }


def wait_until_scraped(prometheus: str) -> None:
    """Until then, no instance is known: CreditRiskDown fires rightly, and is nothing to tell."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        up = httpx.get(f"{prometheus}/api/v1/query", params={"query": 'up{job="credit-risk-api"} == 1'}, timeout=10)
        if up.json()["data"]["result"] and not firing(prometheus):
            return
        time.sleep(0.5)
    raise DemoError("Prometheus does not reach the service")


def watch(sending: subprocess.Popen[bytes], log: Path, prometheus: str | None) -> None:
    """Tell what fires and what the traffic came to, until somebody ends it."""
    told: set[str] = set()
    over = False
    while True:
        now = firing(prometheus) if prometheus else set()
        for change, alerts in (("fires", now - told), ("is over", told - now)):
            for alert in sorted(alerts):
                print(f"{datetime.now().astimezone():%H:%M:%S}     {alert} {change}", flush=True)
        told = now
        if not over and sending.poll() is not None:
            over = True
            print(f"answers by status: {log.read_text(encoding='utf-8').strip()}")
            print("the traffic is over; everything else stays up until Ctrl-C", flush=True)
        time.sleep(1)


def demonstrate(port: int, prometheus_port: int, seconds: float, rate: float) -> None:
    """Start everything, say what to open, send traffic, tell what fires; never returns."""
    service, prometheus = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{prometheus_port}"
    with tempfile.TemporaryDirectory(prefix="credit-risk-demo-") as name, ExitStack() as stack:
        home = Path(name)
        environment = os.environ | {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
        python = sys.executable
        store = [python, "import_model.py"]
        subprocess.run(store, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # the same
        serve = [python, "-m", "bentoml", "serve", "service:CreditRisk", "--host", "127.0.0.1", "--port", str(port)]
        stack.enter_context(running("the service", serve, f"{service}/readyz", home / "service.log", environment))
        print(f"service      {service}/docs")
        print(f"metrics      {service}/metrics")
        print(f"log          tail -f {home / 'service.log'}")
        program = shutil.which("prometheus")
        if program is None:
            print("prometheus   is not installed (.ci/observability-tools installs it): only traffic then")
        else:
            command = [
                program,
                f"--config.file={configure(home, port)}",
                f"--storage.tsdb.path={home / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{prometheus_port}",
            ]
            log = home / "prometheus.log"
            stack.enter_context(running("Prometheus", command, f"{prometheus}/-/ready", log, environment))
            wait_until_scraped(prometheus)
            # Debian's Prometheus has its pages under /classic/; the first one says so.
            graph = f"{prometheus}{httpx.get(prometheus).headers['Location']}"
            print(f"alerts       {graph.rpartition('/')[0]}/alerts")
            for title, query in SHOWN.items():
                shown = urlencode({"g0.expr": query, "g0.tab": "0", "g0.range_input": "10m"})
                print(f"{title}:\n             {graph}?{shown}")
            print("grafana      import deploy/grafana/dashboard.json; its data source is this Prometheus")
        print(f"traffic for {seconds:g} s; applicants change half-way; Ctrl-C ends everything", flush=True)
        log = home / "traffic.log"
        send = [python, "-m", "examples.traffic", f"--url={service}", f"--seconds={seconds:g}", f"--rate={rate:g}"]
        watch(stack.enter_context(started(send, log, environment)), log, prometheus if program else None)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65_536):
        raise argparse.ArgumentTypeError("not a port; give one from 1 to 65535")
    return int(text)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.demo",
        description="Run the service under traffic, watched by Prometheus, until Ctrl-C.",
        epilog="exit code: 0 ended by Ctrl-C or SIGTERM, 1 something did not start, 2 wrong arguments",
    )
    parser.add_argument("--port", type=_port, default=3000)
    parser.add_argument("--prometheus-port", type=_port, default=9090)
    parser.add_argument("--seconds", type=float, default=300, help="of traffic; everything else stays up")
    parser.add_argument("--rate", type=float, default=20, help="most requests a second")
    arguments = parser.parse_args()
    hold()
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
