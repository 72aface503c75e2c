"""BentoML's inside is as serving/bento expects it; these tests fail first when it has changed."""

from __future__ import annotations

import ast
import asyncio
import inspect
import logging
import textwrap
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bentoml
import pytest
import uvicorn.config
from _bentoml_impl.server.app import ServiceAppFactory
from _bentoml_impl.worker.service import main as worker
from _bentoml_sdk.io_models import IODescriptor, IORootModel
from _bentoml_sdk.service.factory import Service
from bentoml._internal.marshal.dispatcher import CorkDispatcher, Optimizer
from bentoml._internal.server.http.instruments import RunnerTrafficMetricsMiddleware
from bentoml.exceptions import NotFound, ServiceUnavailable
from packaging.version import Version
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.access.access import Access
from serving.bento import dispatching, framework
from serving.bento.hosting import HostedService
from serving.bento.store_entry import StoreEntry
from serving.bento.versions import TESTED
from serving.http.bodies import Bodies
from serving.http.edge import Edge
from serving.http.information import Information
from serving.settings import Settings
from serving.telemetry.telemetry import Telemetry
from tests.servers import run_python

CHANGED = "BentoML has changed inside: see serving/bento"


class TestInternals:
    def test_version(self) -> None:
        """The installed BentoML is one that the tests have passed with."""
        assert list(TESTED) == sorted(TESTED, key=Version)
        assert bentoml.__version__ in TESTED, "add it to serving/bento/versions.py, and run .ci/bentoml-versions"

    def test_application_factory(self) -> None:
        """The factory makes the instance in an overridable coroutine, and is made from the service."""
        assert inspect.iscoroutinefunction(ServiceAppFactory.create_instance), CHANGED
        assert ["self", "app"] == list(inspect.signature(ServiceAppFactory.create_instance).parameters), CHANGED
        assert {"service", "is_main"} <= inspect.signature(ServiceAppFactory.__init__).parameters.keys(), CHANGED

    def test_service(self) -> None:
        """The service class makes the server's application from `is_main`, after its configuration is injected."""
        assert ["self", "is_main"] == list(inspect.signature(Service.to_asgi).parameters), CHANGED
        assert callable(Service.inject_config), CHANGED
        assert "service_class" in inspect.signature(bentoml.service).parameters, CHANGED

    def test_descriptors(self) -> None:
        """The descriptor classes read requests and write responses in the coroutines that are overridden."""
        assert issubclass(IORootModel, IODescriptor), CHANGED
        assert ["request", "serde"] == list(inspect.signature(IODescriptor.from_http_request).parameters), CHANGED
        assert ["obj", "serde"] == list(inspect.signature(IODescriptor.to_http_response).parameters), CHANGED
        assert {"input_spec", "output_spec", "batchable"} <= inspect.signature(bentoml.api).parameters.keys(), CHANGED

    def test_model_reference(self) -> None:
        """A model reference finds its entry by `stored`, and `resolve` is what ends the server where there is none."""
        assert isinstance(inspect.getattr_static(bentoml.models.BentoModel, "stored"), property), CHANGED
        assert callable(bentoml.models.BentoModel.resolve), CHANGED

    def test_dispatcher(self) -> None:
        """A dispatcher turns a function of batches into a coroutine of one batch, and counts what it has learnt."""
        assert ["self", "callback"] == list(inspect.signature(CorkDispatcher.__call__).parameters), CHANGED
        dispatcher = CorkDispatcher(1000, 8, fallback=lambda: None)
        assert isinstance(dispatcher.optimizer, Optimizer), CHANGED
        assert 1 == dispatcher.max_latency, CHANGED
        assert {"o_stat", "wait", "outbound_counter"} <= vars(dispatcher.optimizer).keys(), CHANGED
        assert callable(dispatcher.get_batch_size), CHANGED
        assert 0.001 == CorkDispatcher.TICKET_INTERVAL, CHANGED

    def test_dispatchers_on_the_event_loop_do_not_sleep(self, tmp_path: Path) -> None:
        """Only explanations, which leave it, are looked after every millisecond."""
        script = """
            from service import CreditRisk
            from serving.bento.framework import AppFactory
            CreditRisk.inject_config()
            print({name: dispatcher.TICKET_INTERVAL for name, dispatcher in AppFactory(CreditRisk).dispatchers.items()})
        """
        printed = run_python("-c", textwrap.dedent(script), home=tmp_path).splitlines()[-1]
        assert {"predict": 0, "predict_batch": 0, "predict_explain": 0.001} == ast.literal_eval(printed), CHANGED

    def test_metrics(self) -> None:
        """BentoML's middleware makes its series when it is first used."""
        middleware = RunnerTrafficMetricsMiddleware(lambda: None)
        assert not middleware._is_setup, CHANGED
        assert callable(middleware._setup), CHANGED

    def test_server(self) -> None:
        """uvicorn finds its parser in a table, and its httptools protocol has the methods that are overridden."""
        assert {"auto", "httptools"} <= uvicorn.config.HTTP_PROTOCOLS.keys(), CHANGED
        overridden = {"on_message_begin", "on_header", "on_headers_complete", "on_body", "_unsupported_upgrade_warning"}
        assert overridden <= vars(HttpToolsProtocol).keys(), CHANGED

    def test_nothing_is_changed_before_it_is_installed(self, tmp_path: Path) -> None:
        """Importing changes neither BentoML nor uvicorn; installing changes both."""
        script = """
            import uvicorn, uvicorn.config
            parser, startup = dict(uvicorn.config.HTTP_PROTOCOLS), uvicorn.Server.startup
            import serving.bento.framework, serving.bento.protocol
            from serving.bento.install import install
            from serving.settings import Settings
            import service
            assert (parser, startup) == (uvicorn.config.HTTP_PROTOCOLS, uvicorn.Server.startup)
            install(Settings())
            assert startup is not uvicorn.Server.startup
            print(uvicorn.config.HTTP_PROTOCOLS["auto"])
        """
        assert "serving.bento.protocol:HTTPProtocol\n" == run_python("-c", textwrap.dedent(script), home=tmp_path)

    def test_worker(self) -> None:
        """The worker that a container runs takes a listening socket, and how long it keeps connections."""
        options = {"bento_identifier", "fd", "service_name", "worker_id", "timeout_keep_alive"}
        assert options <= {each.name for each in worker.params}, (
            "BentoML has changed inside: see serving/bento/container.py"
        )


class Input(IORootModel[list[int]]):
    """A list of numbers."""


@dataclass(frozen=True)
class Ask:
    """Puts one item into a batch.

    Attributes:
        dispatcher: whose batches they are.
        call: its way in.
    """

    dispatcher: Any
    call: Callable[[list[int]], Coroutine[Any, Any, list[int]]]

    def __call__(self, item: list[int]) -> Coroutine[Any, Any, list[int]]:
        return self.call(item)


async def at_once(batches: list[list[int]]) -> list[list[int]]:
    return list(batches)


class TestWarmUp:
    @pytest.fixture
    def calls(self) -> list[list[int]]:
        """The batches that the service below was called with."""
        return []

    @pytest.fixture
    def service(self, calls: list[list[int]]) -> HostedService[Any]:
        """A service with one batchable method."""

        settings, telemetry = Settings(), Telemetry(CollectorRegistry())
        parts = SimpleNamespace(
            settings=settings,
            telemetry=telemetry,
            access=Access(settings, telemetry),
            bodies=Bodies(settings, Information(settings).contract, telemetry),
            desk=None,
            routes=None,
        )

        class Echo:
            in_threads = frozenset[str]()

            @classmethod
            def assemble(cls) -> SimpleNamespace:
                return parts

            def warm_up_items(self) -> list[int]:
                return [1, 2, 3]

            async def warm_up(self, items: list[int]) -> list[int]:
                calls.append(list(items))
                return items

            @bentoml.api(batchable=True, input_spec=Input, max_latency_ms=1000)
            async def echo(self, items: list[int]) -> list[int]:
                calls.append(list(items))
                return items

        return bentoml.service(name="warm-up", service_class=HostedService)(Echo)

    def test_dispatchers_are_trained_before_the_first_request(
        self, service: HostedService[Any], calls: list[list[int]], caplog: pytest.LogCaptureFixture
    ) -> None:
        """When the application has started, no dispatcher delays a request in order to learn from it."""
        service.inject_config()
        factory = framework.AppFactory(service, is_main=True)

        with caplog.at_level(logging.DEBUG, "bentoml._internal.marshal.dispatcher"):
            asyncio.run(self._start(factory()))

        assert ["echo"] == list(factory.dispatchers), CHANGED
        assert "Dispatcher optimizer training complete." in caplog.messages, CHANGED
        assert framework.WARM_UP_CALLS == sum(map(len, calls))
        assert {1, 2, 3} == {item for call in calls for item in call}

    def test_no_request_waits_for_company(self, service: HostedService[Any]) -> None:
        """However long requests had to wait in a burst, the next one alone is not held back."""
        service.inject_config()
        (dispatcher,) = framework.AppFactory(service).dispatchers.values()

        for _ in range(dispatcher.optimizer.N_SKIPPED_SAMPLE + 50):
            dispatcher.optimizer.log_outbound(n=32, wait=0.5, duration=0.01)
        dispatcher.optimizer.trigger_refresh()

        assert 0 == dispatcher.optimizer.wait, CHANGED
        assert 0 < dispatcher.optimizer.o_a + dispatcher.optimizer.o_b, CHANGED

    @pytest.mark.parametrize("turns", range(6))
    def test_who_is_given_up_leaves_nobody_waiting(self, service: HostedService[Any], turns: int) -> None:
        """The first of those that wait is given up before it has begun the batch or meanwhile, others are behind it."""

        async def slowly(batches: list[list[int]]) -> list[list[int]]:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return list(batches)

        async def asked(ask_for: Ask) -> tuple[list[list[int]], list[int]]:
            first = asyncio.create_task(ask_for([1]))
            behind = [asyncio.create_task(ask_for([n])) for n in (2, 3)]
            for _ in range(turns):
                await asyncio.sleep(0)
            first.cancel()
            answers = await asyncio.gather(*behind), await ask_for([4])
            await asyncio.wait([first])
            return answers

        assert ([[2], [3]], [4]) == self._with_dispatcher(service, slowly, asked), CHANGED

    def test_what_a_batch_waits_for_may_fail(self, service: HostedService[Any]) -> None:
        """Those whose batch it is are told, who began it and who was behind; the next are answered."""
        outcomes = [ValueError("no"), None]

        async def failing(batches: list[list[int]]) -> list[list[int]]:
            waited_for = asyncio.get_running_loop().create_future()
            failure = outcomes.pop(0)
            asyncio.get_running_loop().call_soon(
                lambda: waited_for.set_exception(failure) if failure else waited_for.set_result(None)
            )
            await waited_for
            return list(batches)

        async def asked(ask_for: Ask) -> list[Any]:
            together = await asyncio.gather(ask_for([1]), ask_for([2]), return_exceptions=True)
            return [*map(str, together), await ask_for([3])]

        assert ["no", "no", [3]] == self._with_dispatcher(service, failing, asked), CHANGED

    def test_who_begins_a_batch_keeps_its_own_context(self, service: HostedService[Any]) -> None:
        """What the batch sets is the batch's, also where it goes on later."""
        owner = ContextVar("owner", default="nobody")
        seen = []

        async def owned(batches: list[list[int]]) -> list[list[int]]:
            owner.set("batch")
            await asyncio.sleep(0)
            seen.append(owner.get())
            return list(batches)

        async def asked(ask_for: Ask) -> str:
            await ask_for([1])
            return owner.get()

        assert "nobody" == self._with_dispatcher(service, owned, asked), CHANGED
        assert ["batch"] == seen

    def test_what_a_batch_goes_on_in_is_a_coroutine(self, service: HostedService[Any]) -> None:
        """Python 3.12 and later make no task of a generator, and the batch would hold its route for ever."""
        goes_on_in = []

        async def slowly(batches: list[list[int]]) -> list[list[int]]:
            await asyncio.sleep(0)
            task = asyncio.current_task()
            goes_on_in.append(task and task.get_coro())
            return list(batches)

        async def asked(ask_for: Ask) -> list[int]:
            return await ask_for([1])

        assert [1] == self._with_dispatcher(service, slowly, asked), CHANGED
        assert [True] == [inspect.iscoroutine(each) for each in goes_on_in]

    def test_one_batch_at_a_time(self, service: HostedService[Any]) -> None:
        """What comes while one is worked off waits for its end, however many come one by one."""
        sizes, at_work = [], []

        async def slowly(batches: list[list[int]]) -> list[list[int]]:
            at_work.append(len(at_work))
            assert len(at_work) == 1
            sizes.append(len(batches))
            for _ in range(5):
                await asyncio.sleep(0)
            at_work.clear()
            return list(batches)

        async def asked(ask_for: Ask) -> list[list[int]]:
            tasks = []
            for n in range(6):
                tasks.append(asyncio.create_task(ask_for([n])))
                await asyncio.sleep(0)
            return await asyncio.gather(*tasks)

        assert [[n] for n in range(6)] == self._with_dispatcher(service, slowly, asked), CHANGED
        assert sum(sizes) == 6
        assert len(sizes) < 6

    def test_what_is_worked_off_is_let_go_of(self, service: HostedService[Any]) -> None:
        """Also by the dispatcher, which remembers its last batch until the next one."""

        class Row:
            """What a list can't be: the target of a weak reference."""

        rows: list[weakref.ref[Row]] = []

        async def slowly(batches: list[Any]) -> list[Any]:
            await asyncio.sleep(0.01)
            return [None] * len(batches)

        async def asked(ask_for: Ask) -> None:
            first = asyncio.create_task(ask_for.call([Row()]))
            await asyncio.sleep(0.005)  # it is at work, so that the dispatcher takes what comes now
            row = Row()
            rows.append(weakref.ref(row))
            behind = asyncio.create_task(ask_for.call([row]))
            del row
            await asyncio.gather(first, behind)
            del first, behind
            await asyncio.sleep(0.01)
            assert rows[0]() is None

        self._with_dispatcher(service, slowly, asked)

    def test_who_had_company_waits_for_it(self, service: HostedService[Any]) -> None:
        """After a batch of many its first leaves others some turns to come along; after one alone, a single one."""
        sizes = []

        async def counted(batches: list[list[int]]) -> list[list[int]]:
            sizes.append(len(batches))
            return list(batches)

        async def one_after_the_other(ask_for: Ask) -> None:
            first = asyncio.create_task(ask_for([1]))
            for _ in range(dispatching.TURNS_WITH_COMPANY - 1):
                await asyncio.sleep(0)
            await asyncio.gather(first, ask_for([2]))

        async def asked(ask_for: Ask) -> None:
            await one_after_the_other(ask_for)
            await asyncio.gather(ask_for([1]), ask_for([2]))
            await one_after_the_other(ask_for)

        self._with_dispatcher(service, counted, asked)
        assert [1, 1, 2, 2] == sizes

    def test_what_would_take_too_long_is_shed(self, service: HostedService[Any]) -> None:
        """Where batches are known to take longer than the objective, nobody begins one of two: the first is shed."""

        async def asked(ask_for: Ask) -> list[Any]:
            ask_for.dispatcher.optimizer.o_b = 2 * ask_for.dispatcher.max_latency
            return await asyncio.gather(ask_for([1]), ask_for([2]), return_exceptions=True)

        shed, answered = self._with_dispatcher(service, at_once, asked)
        assert isinstance(shed, ServiceUnavailable), CHANGED
        assert [2] == answered

    def test_the_dispatcher_may_have_been_sooner(self, service: HostedService[Any]) -> None:
        """Where it has taken what waited in the very turn that its first lets pass, there is nothing to begin."""

        async def asked(ask_for: Ask) -> list[int]:
            first = asyncio.create_task(ask_for([1]))
            await asyncio.sleep(0)
            ask_for.dispatcher._queue.popleft().future.set_result([2])
            return await first

        assert [2] == self._with_dispatcher(service, at_once, asked), CHANGED

    def _with_dispatcher(self, service: HostedService[Any], infer: Any, asked: Callable[[Ask], Awaitable[Any]]) -> Any:
        service.inject_config()
        factory = framework.AppFactory(service, is_main=True)
        app = factory()
        (dispatcher,) = factory.dispatchers.values()

        async def run() -> Any:
            async with app.router.lifespan_context(app):
                ask_for = Ask(dispatcher, dispatcher(infer))
                await asyncio.sleep(0.01)  # until it sleeps
                async with asyncio.timeout(10):
                    return await asked(ask_for)

        return asyncio.run(run())

    async def _start(self, app: Starlette) -> None:
        async with app.router.lifespan_context(app):
            pass

    def test_where_the_routes_can_not_be_made_it_does_not_start(
        self,
        service: HostedService[Any],
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """One line says so, with BentoML's version, and those that it was tested with."""
        monkeypatch.delattr(RunnerTrafficMetricsMiddleware, "_setup")

        with pytest.raises(SystemExit) as ended:
            service.to_asgi()

        (record,) = (record for record in caplog.records if record.levelno == logging.CRITICAL)
        assert 1 == ended.value.code
        assert f"BentoML {bentoml.__version__} has changed inside" in record.getMessage()
        assert ", ".join(TESTED) in record.getMessage()

    def test_edge_is_outermost(self, service: HostedService[Any]) -> None:
        """What the server runs is this project's edge around BentoML's application."""
        app = service.to_asgi()

        assert isinstance(app, Edge)
        assert isinstance(app.app, Starlette), CHANGED
        assert ["/echo"] == list(app.direct), CHANGED


class TestStoreEntry:
    def test_may_be_missing(self) -> None:
        """An entry that the store doesn't have is None, and no network is asked for it."""
        reference = StoreEntry("no_such_entry:latest")

        assert reference.resolve() is None

    def test_a_build_says_how_to_get_it(self) -> None:
        """A Bento can't be built without it; the error names the store that was asked, and the remedy."""
        with pytest.raises(NotFound, match=r"no_such_entry:latest .* BENTOML_HOME=/.*: run import_model\.py"):
            StoreEntry("no_such_entry:latest").to_info()
