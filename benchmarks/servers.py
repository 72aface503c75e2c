"""Every server that is measured: how it starts, what it is asked, and what it must answer."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.applications import Case, mix
from benchmarks.environments import ROOT, python_of
from benchmarks.peers.assessing import MODEL
from benchmarks.processes import Usage, cpu_seconds, tree, usage
from tests.servers import environment

START_SECONDS = 120
STOP_SECONDS = 30
SETTLE_SECONDS = 20
PEERS = Path(__file__).resolve().parent / "peers"
RECORDS_KEYS, KEYS, KEY = "records-keys.json", "keys.json", "key"
"""Files of a folder: what seals records, whose keys are known, and the one key of them that there is."""

BUNDLED = ("service.py", "preprocessing", "scoring", "decision", "engine", "reporting", "records", "desk", "serving")
"""What a service imports of the project."""

MODEL_FILE = MODEL / "gradient_boosting_model.joblib"


class WrongAnswerError(Exception):
    """A server that answers something else must not be timed."""


def _document(case: Case) -> Any:
    return case.document


def _text(case: Case) -> Any:
    """The application in the Open Inference Protocol: no tensor but one of texts can hold it."""
    tensor = {"name": "application", "shape": [1, 1], "datatype": "BYTES", "data": [json.dumps(case.document)]}
    return {"inputs": [tensor | {"parameters": {"content_type": "str"}}]}


def _same_decision(case: Case, answer: Any) -> bool:
    return bool({name: answer[name] for name in case.answer} == case.answer)


@dataclass(frozen=True)
class Kind:
    """A kind of server.

    Attributes:
        name: what it is called in the results.
        requirements: of its environment.
        command: from interpreter, folder of its own, and three free ports, the first for HTTP.
        path: what is posted to.
        ready: what says 200 once it can answer.
        cases: what it is asked.
        ask: one case to the JSON document that is posted.
        right: whether an answer is the one for a case.
        prepare: done once in its folder before it starts.
        settings: environment variables; `{home}` in one is the server's own folder.
        keyed: whether it wants the key that was made in that folder.
        stop: the signal that ends it and all its processes.
        restless: whether it uses CPU time while nobody asks; then it is stopped between its rounds.
    """

    name: str
    requirements: Path
    command: Callable[[Path, Path, list[int]], list[str]]
    path: str = "/predict"
    ready: str = "/ready"
    cases: Callable[[], tuple[Case, ...]] = mix
    ask: Callable[[Case], Any] = _document
    right: Callable[[Case, Any], bool] = _same_decision
    prepare: Callable[[Path, Path], None] | None = None
    settings: dict[str, str] = field(default_factory=dict)
    stop: signal.Signals = signal.SIGTERM
    restless: bool = False
    keyed: bool = False

    @property
    def family(self) -> str:
        """Kinds that share an environment and what is prepared."""
        return "bundle" if self.requirements.parent == ROOT else self.requirements.parent.name

    def body(self, case: Case) -> bytes:
        """What is posted."""
        return json.dumps(self.ask(case)).encode()

    def bodies(self) -> list[bytes]:
        """All that is posted."""
        return [self.body(case) for case in self.cases()]


def _run(python: Path, home: Path, *arguments: str | Path) -> str:
    """What the command prints."""
    command, variables = [python, *arguments], environment(home)
    done = subprocess.run(command, cwd=ROOT, env=variables, check=True, capture_output=True, text=True)  # noqa: S603  # ours
    return done.stdout


def _import(python: Path, home: Path) -> None:
    # As in the image, and as the packages of every environment are; in some places Python keeps no bytecode by itself.
    _run(python, home, "-m", "compileall", "-q", *BUNDLED)
    # The environment that serves can't: it has nothing to open the pickle with.
    _run(python_of("import", ROOT / "requirements-import.txt"), home, "import_model.py")
    _run(python, home, "-m", "records", "key", home / RECORDS_KEYS)
    options = ("--name", "benchmarks", "--scopes", "decide,batch,explain", "--expires", "2099-12-31")
    made = _run(python, home, "-m", "serving", "keys", "new", *options, "--file", home / KEYS)
    (home / KEY).write_text(made, encoding="ascii")


def bentoml_serve(target: str) -> Callable[[Path, Path, list[int]], list[str]]:
    """The command that serves `module:Service`."""

    def command(python: Path, home: Path, ports: list[int]) -> list[str]:  # noqa: ARG001  # as every command
        return [str(python), "-m", "bentoml", "serve", target, "--host", "127.0.0.1", "--port", str(ports[0])]

    return command


def _uvicorn(target: str) -> Callable[[Path, Path, list[int]], list[str]]:
    def command(python: Path, home: Path, ports: list[int]) -> list[str]:  # noqa: ARG001  # as every command
        server = [str(python), "-m", "uvicorn", target, "--host", "127.0.0.1", "--port", str(ports[0])]
        return [*server, "--loop", "uvloop", "--http", "httptools", "--no-access-log"]

    return command


def bundle(name: str = "bundle", **settings: str) -> Kind:
    """This project's service, with these settings besides."""
    return Kind(
        name,
        ROOT / "requirements.txt",
        bentoml_serve("service:CreditRisk"),
        ready="/readyz",
        prepare=_import,
        settings=settings,
    )


def everything(name: str = "everything", cases: Callable[[], tuple[Case, ...]] = mix, **settings: str) -> Kind:
    """The service with records and keys on, and these settings besides."""
    on = {
        "CREDIT_RISK_RECORDS": "sqlite:{home}/records",
        "CREDIT_RISK_RECORDS_KEY_FILE": f"{{home}}/{RECORDS_KEYS}",
        "CREDIT_RISK_ACCESS": "keys",
        "CREDIT_RISK_KEYS_FILE": f"{{home}}/{KEYS}",
    }
    return replace(bundle(name, **on, **settings), cases=cases, keyed=True)


BUNDLE = bundle()
EVERYTHING = everything()
FLOOR = Kind("floor", PEERS / "floor" / "requirements.txt", _uvicorn("benchmarks.peers.floor.app:app"))
ECHO = Kind(
    "echo",
    PEERS / "floor" / "requirements.txt",
    _uvicorn("benchmarks.peers.echo.app:app"),
    right=lambda case, answer: answer == {"ok": 1},  # noqa: ARG005  # the same for every case
)
GRANIAN = Kind(
    "granian",
    PEERS / "granian" / "requirements.txt",
    lambda python, home, ports: [  # noqa: ARG005  # as every command
        *(str(python.with_name("granian")), "--interface", "asgi", "--loop", "uvloop", "--workers", "1"),
        *("--host", "127.0.0.1", "--port", str(ports[0]), "--no-access-log", "benchmarks.peers.floor.app:app"),
    ],
)
FASTAPI_SAME = Kind(
    "fastapi_same", PEERS / "fastapi_same" / "requirements.txt", _uvicorn("benchmarks.peers.fastapi_same.app:app")
)
FASTAPI_SHAP = Kind(
    "fastapi_shap",
    PEERS / "fastapi_shap" / "requirements.txt",
    _uvicorn("benchmarks.peers.fastapi_shap.app:app"),
    path="/predict/explain",
)
BENTOML_QUICKSTART = Kind(
    "bentoml_quickstart",
    PEERS / "bentoml_quickstart" / "requirements.txt",
    bentoml_serve("benchmarks.peers.bentoml_quickstart.service:CreditRiskQuickstart"),
    ready="/readyz",
    ask=lambda case: {"applications": [case.document]},
    right=lambda case, answer: answer == [case.model_pd],
    prepare=lambda python, home: _run(python, home, "-m", "benchmarks.peers.bentoml_quickstart.save", MODEL_FILE),
)
HELLO_WORLD = Kind(
    "hello_world",
    PEERS / "hello_world" / "requirements.txt",
    bentoml_serve("benchmarks.peers.hello_world.service:HelloWorld"),
    ready="/readyz",
    ask=lambda case: {},  # noqa: ARG005  # the same for every case
    right=lambda case, answer: answer == {"greeting": "Hello, world!"},  # noqa: ARG005  # the same
)
MLSERVER = Kind(
    "mlserver",
    PEERS / "mlserver" / "requirements.txt",
    lambda python, *_: [str(python.with_name("mlserver")), "start", str(PEERS / "mlserver")],
    path="/v2/models/credit-risk/infer",
    ready="/v2/models/credit-risk/ready",
    ask=_text,
    right=lambda case, answer: json.loads(answer["outputs"][0]["data"][0]) == case.answer,
    # Inference in the server's own process: faster here than the one inference process that is the default.
    settings={"MLSERVER_HOST": "127.0.0.1", "MLSERVER_PARALLEL_WORKERS": "0"},
)
LITSERVE = Kind(
    "litserve",
    PEERS / "litserve" / "requirements.txt",
    lambda python, _, ports: [str(python), str(PEERS / "litserve" / "server.py"), str(ports[0])],
    ready="/health",
    stop=signal.SIGINT,  # on SIGTERM it leaves its other processes behind
    restless=True,  # its processes poll their queues: an eighth of a core
)


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        kind: what it is.
        base: where it answers.
        pid: of the process that was started; the others are its descendants.
        start_seconds: from its start until it was ready.
        headers: that it asks for.
        log: what its processes wrote.
    """

    kind: Kind
    base: str
    pid: int
    start_seconds: float
    headers: Mapping[str, str]
    log: Path

    @property
    def url(self) -> str:
        """What is posted to."""
        return f"{self.base}{self.kind.path}"

    def usage(self) -> Usage:
        """What it has used so far."""
        return usage(self.pid)

    def cpu(self) -> float:
        """CPU time that it has used so far, seconds."""
        return cpu_seconds(self.pid)

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Let a restless server run for a while; any other one always does."""
        if not self.kind.restless:
            yield
            return
        self._signal(signal.SIGCONT)
        try:
            yield
        finally:
            self._signal(signal.SIGSTOP)

    def _signal(self, number: signal.Signals) -> None:
        for process in tree(self.pid):
            process.send_signal(number)

    def settle(self) -> None:
        """Wait until it has done with what clients that are gone had asked of it."""
        end = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < end:
            before = self.cpu()
            time.sleep(0.1)
            if self.cpu() - before < 0.02:
                return

    def check(self, cases: Sequence[Case]) -> None:
        """Ask for these cases.

        Raises:
            WrongAnswerError: an answer is not the right one.
        """
        with httpx.Client(timeout=30, headers={"Content-Type": "application/json", **self.headers}) as client:
            for case in cases:
                response = client.post(self.url, content=self.kind.body(case))
                if response.status_code != httpx.codes.OK or not self.kind.right(case, response.json()):
                    said = f"{self.kind.name}: {response.status_code} {response.text[:500]}"
                    raise WrongAnswerError(f"{said}; its log ends:\n{_end(self.log)}")


class Yard:
    """Prepares servers' folders once, and starts servers in copies of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._prepared: dict[str, Path] = {}

    @contextmanager
    def serving(self, kind: Kind) -> Iterator[Server]:
        """A server from when it is ready on."""
        python = python_of(kind.family, kind.requirements)
        home = Path(tempfile.mkdtemp(dir=self._folder, prefix=f"{kind.name}-"))
        shutil.copytree(self._prepare(kind, python), home, dirs_exist_ok=True)
        ports = _free_ports()
        names = ("MLSERVER_HTTP_PORT", "MLSERVER_GRPC_PORT", "MLSERVER_METRICS_PORT")
        settings = {key: value.replace("{home}", str(home)) for key, value in kind.settings.items()}
        variables = environment(home) | settings | {"PYTHONPATH": str(ROOT), "MLSERVER_METRICS_DIR": str(home)}
        variables |= {name: str(port) for name, port in zip(names, ports, strict=True)}
        log = home / "server.log"
        with log.open("wb") as out:
            started = time.perf_counter()
            process = subprocess.Popen(  # noqa: S603  # its own commands
                kind.command(python, home, ports),
                cwd=ROOT,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        base = f"http://127.0.0.1:{ports[0]}"
        try:
            _wait_until_ready(f"{base}{kind.ready}", process, log)
            ready = time.perf_counter() - started
            key = {"Authorization": f"Bearer {(home / KEY).read_text(encoding='ascii').strip()}"} if kind.keyed else {}
            yield Server(kind, base, process.pid, ready, key, log)
        finally:
            _stop(process, kind.stop)
            shutil.rmtree(home)

    def _prepare(self, kind: Kind, python: Path) -> Path:
        key = kind.family
        if key not in self._prepared:
            self._prepared[key] = Path(tempfile.mkdtemp(dir=self._folder, prefix=f"prepared-{kind.name}-"))
            if kind.prepare is not None:
                kind.prepare(python, self._prepared[key])
        return self._prepared[key]


def _free_ports() -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = [server.getsockname()[1] for server in held]
    for server in held:
        server.close()
    return ports


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while not _answers(url):
        if process.poll() is not None or time.monotonic() > end:
            raise WrongAnswerError(f"{url} never was ready:\n{_end(log)}")
        time.sleep(0.02)


def _end(log: Path) -> str:
    return log.read_text(encoding="utf-8")[-3000:]


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _stop(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """End the server, and whatever of it outlives its first process."""
    processes = tree(process.pid) if process.poll() is None else []
    if processes:
        for each in processes:
            each.send_signal(signal.SIGCONT)  # it may have been stopped between its rounds
        os.kill(process.pid, number)
    _, alive = psutil.wait_procs(processes, timeout=STOP_SECONDS)
    for survivor in alive:
        survivor.kill()
    process.wait(timeout=STOP_SECONDS)
