"""A desk in this process, over records of real decisions: the service's own parts, without its server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx
from prometheus_client import CollectorRegistry
from pydantic_core import to_json
from starlette.types import Receive, Scope, Send

from decision import read_policy
from desk import Desk
from desk.letters import Letter
from engine import Engine, open_model
from records.basis import Basis, libraries, processor
from records.chain import Entry, Writer
from records.identifiers import as_text, new_id
from records.keyring import add_key, read_keyring
from records.moments import now
from records.record import DecisionRecord
from records.replaying.answers import ANSWERED, answered
from records.stores.ledger import Ledger
from records.stores.opening import open_ledger
from scoring.artifact import read_artifact
from serving.access.people import PERSON, Person
from serving.http.information import Information
from serving.http.inside import Inside
from serving.lookup import Lookup
from serving.settings import load_settings
from serving.telemetry.telemetry import Telemetry
from tests.applications import CONTRACT, POLICY_FILE
from tests.desk.desks import SAME_ORIGIN, Browser
from tests.records.samples import chained

GOLDEN = [
    each["application"]
    for each in json.loads(Path("artifacts/model/golden_applications.json").read_text(encoding="utf-8"))["applications"]
]
ALL = "viewer,officer,reviewer,policy"


class Office:
    """Records, and a desk for whoever a request says it is."""

    def __init__(self, folder: Path, letter: Letter | None = None) -> None:
        artifact, policy = read_artifact(Path("artifacts/model")), read_policy(POLICY_FILE, CONTRACT)
        self.engine = Engine(*open_model(artifact), policy)
        key_file = folder / "keys.json"
        add_key(key_file)
        self.ring = read_keyring(key_file)
        self.where = f"sqlite:{folder}/records"
        self.settings = {"CREDIT_RISK_RECORDS": self.where, "CREDIT_RISK_RECORDS_KEY_FILE": str(key_file)}
        self.basis = Basis(
            service_version="1.0.0",
            model_name=self.engine.identity.model_name,
            model_version=self.engine.identity.model_version,
            policy_version=self.engine.identity.policy_version,
            digests={"decision_policy.json": "0" * 64},
            code="1" * 64,
            libraries=libraries(),
            processor=processor(),
            fields=tuple(CONTRACT.by_name),
            scored=tuple(self.engine.attributor.fields),
            sample=to_json(dict(CONTRACT.example)).decode(),
        )
        settings = load_settings(self.settings)
        information, self.lookup = Information(settings), Lookup(settings)
        information.engine = self.engine
        self.lookup.serve(self.basis.digest, self.engine)
        self.desk = Desk(Inside(information, self.lookup, Telemetry(CollectorRegistry())), letter=letter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        roles = frozenset(filter(None, headers.get("x-roles", "").split(",")))
        scope[PERSON] = Person(headers.get("x-name", ""), roles)
        await self.desk(scope, receive, send)

    def ledger(self) -> Ledger:
        """The records, opened anew."""
        return open_ledger(self.where)

    def file(
        self,
        documents: Sequence[Mapping[str, Any]],
        *,
        basis: Basis | None = None,
        time: int = 0,
        explained: bool = True,
    ) -> list[str]:
        """Have applications decided, and put on record by a writer of their own; ids."""
        basis = basis or self.basis
        applications = [CONTRACT.parse(document) for document in documents]
        assessed = self.engine.explain(applications) if explained else self.engine.assess(applications)
        moment = time or now()
        records = [
            DecisionRecord(
                id=new_id(), time=moment, route="explain", row=None, caller="ann", request_id="r-1", trace_id=None,
                received=json.dumps(document), **dict(zip(ANSWERED, answered(each, basis), strict=True)),
            )
            for document, each in zip(documents, assessed, strict=True)
        ]  # fmt: skip
        ledger, writer = self.ledger(), Writer(new_id(), moment, basis.digest)
        entries: list[Entry] = chained(records, writer, writer.origin, basis, self.ring)
        ledger.begin(writer, basis)
        ledger.append(entries)
        ledger.close()
        return [as_text(record.id) for record in records]


class _InProcess(httpx.BaseTransport):
    """Has the office answer in this process."""

    def __init__(self, office: Office) -> None:
        self._office = httpx.ASGITransport(office)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return asyncio.run(self._answered(request))

    async def _answered(self, request: httpx.Request) -> httpx.Response:
        asked = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
        response = await self._office.handle_async_request(asked)
        return httpx.Response(response.status_code, headers=response.headers, content=await response.aread())


class Clerk(Browser):
    """Somebody of the office, in a browser of their own."""

    def __init__(self, office: Office, name: str, roles: str = ALL) -> None:
        super().__init__(
            httpx.Client(transport=_InProcess(office), base_url="http://desk.example"),
            **{"X-Name": name, "X-Roles": roles},
        )
        self.name = name

    def ready_at(self, path: str) -> Self:
        """With a page's forms."""
        self.open(path)
        return self

    def sign_in_as(self, name: str) -> None:
        """Under another name, in the same browser."""
        self.name = self._headers["X-Name"] = name

    def post(self, path: str, **form: str) -> Any:
        """A form of this browser; what it answers, not where that leads."""
        headers = SAME_ORIGIN | self._headers
        data = {"token": self.token, **form}
        return self._client.post(f"/desk/{path}", data=data, headers=headers, follow_redirects=False)

    def get(self, path: str, **headers: str) -> Any:
        """An answer, whatever it is."""
        return self._client.get(f"/desk/{path}", headers=self._headers | headers, follow_redirects=False)
