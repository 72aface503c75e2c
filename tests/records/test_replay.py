"""Decisions made again from what was received: the same, or said what isn't."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import to_json

from decision import read_policy
from decision.files import CATALOGUE_FILE, DEFAULT_BOOK, POLICY_FILE
from engine import Engine, open_model
from records.basis import Basis, libraries, processor
from records.chain import Writer
from records.identifiers import new_id
from records.keyring import KeyRing
from records.reading import Archive
from records.record import DecisionRecord
from records.replaying.answers import ANSWERED, answered
from records.replaying.replay import Replayed, Replayer, Verdict
from records.stores.base import Store
from records.stores.sqlite.store import ARCHIVE, SQLiteFolder
from scoring.artifact import read_artifact
from tests.applications import portfolio
from tests.artifacts import ROOT
from tests.records.samples import chained

Change = Callable[[DecisionRecord], DecisionRecord]


class Made:
    """Decisions of the project's own model and policy, on record.

    Attributes:
        store: that they are in.
        ring: their keys.
        folder: of the store.
    """

    def __init__(self, folder: Path, ring: KeyRing, policy: Path = DEFAULT_BOOK / POLICY_FILE) -> None:
        artifact = read_artifact(ROOT / "artifacts" / "model")
        files = read_policy(policy, artifact.contract, DEFAULT_BOOK / CATALOGUE_FILE)
        contents = {**artifact.contents, **files.contents}
        self.digests = {name: sha256(content).hexdigest() for name, content in contents.items()}
        self.engine = Engine(*open_model(artifact), files)
        self.folder = folder
        self.ring = ring
        self.store: Store = SQLiteFolder(folder)
        self.store.archive({self.digests[name]: content for name, content in contents.items()})

    def basis(self, **changes: Any) -> Basis:
        """What they are decided by."""
        engine = self.engine
        stated: dict[str, Any] = {
            "service_version": "1.0.0",
            "model_name": engine.identity.model_name,
            "model_version": engine.identity.model_version,
            "policy_version": engine.identity.policy_version,
            "digests": self.digests,
            "code": "0" * 64,
            "libraries": libraries(),
            "processor": processor(),
            "fields": tuple(engine.contract.by_name),
            "scored": tuple(engine.attributor.fields),
            "sample": to_json(dict(engine.contract.example)).decode(),
        }
        return Basis.model_validate(stated | changes)

    def decide(
        self,
        documents: Sequence[dict[str, Any]],
        *,
        explain: bool = False,
        change: Change | None = None,
        **of_basis: Any,
    ) -> None:
        """Put decisions on record, by a writer of their own."""
        basis = self.basis(**of_basis)
        applications = [self.engine.contract.parse(document) for document in documents]
        assessed = (self.engine.explain if explain else self.engine.assess)(applications)
        records = [
            DecisionRecord(
                id=new_id(),
                time=1_790_000_000_000_000 + row,
                route="explain" if explain else "predict",
                row=None,
                caller=None,
                request_id="r",
                trace_id=None,
                received=to_json(document).decode(),
                **dict(zip(ANSWERED, answered(assessment, basis), strict=True)),
            )
            for row, (document, assessment) in enumerate(zip(documents, assessed, strict=True))
        ]
        writer = Writer(new_id(), 1_790_000_000_000_000, basis.digest)
        self.store.begin(writer, basis)
        changed = [change(record) if change else record for record in records]
        self.store.append(chained(changed, writer, writer.origin, basis, self.ring))
        self.store.close()

    def again(self) -> list[Replayed]:
        """All of them, made again."""
        return list(Replayer(self.store).replay(Archive(self.store, self.ring).all()))


@pytest.fixture
def made(tmp_path: Path, ring: KeyRing) -> Iterator[Made]:
    making = Made(tmp_path / "records", ring)
    yield making
    making.store.close()


DOCUMENTS = portfolio(60, seed=4)


class TestIdentical:
    def test_every_decision_of_every_kind(self, made: Made) -> None:
        """To the last bit, alone or explained, whatever they were decided together with."""
        made.decide(DOCUMENTS)
        made.decide(DOCUMENTS[:20], explain=True)
        made.decide(DOCUMENTS[5:9])
        again = made.again()
        assert 84 == len(again)
        assert {(Verdict.IDENTICAL, ())} == {(each.verdict, each.what) for each in again}
        assert {"APPROVE", "REJECT"} <= {each.kept.entry.outcome for each in again}


class TestDiffers:
    @pytest.mark.parametrize(
        ("field", "value", "name"),
        [
            ("pd", 0.123, "probability_of_default"),
            ("outcome", "APPROVED", "decision"),
            ("band", "OTHER", "band"),
            ("credit_score", 1, "credit_score"),
            ("rules", ("other",), "rules"),
            ("reasons", (("A", "b"),), "reasons"),
            ("outside", ("income",), "outside_training_range"),
            ("values", (1,) * 12, "fields"),
            ("reference", "other", "reference"),
        ],
    )
    def test_what_was_answered_otherwise_is_named(self, made: Made, field: str, value: Any, name: str) -> None:
        """One part of one answer; the others are identical."""
        made.decide(DOCUMENTS[:1], change=lambda record: record._replace(**{field: value}))
        made.decide(DOCUMENTS[:3])
        assert [(Verdict.DIFFERS, (name,)), *[(Verdict.IDENTICAL, ())] * 3] == sorted(
            ((each.verdict, each.what) for each in made.again()), key=lambda each: each[0]
        )

    @pytest.mark.parametrize(
        ("field", "value"), [("attributions", (0.5,)), ("counterfactuals", (({"income": 1.0}, "APPROVE", 0.01),))]
    )
    def test_an_explanation(self, made: Made, field: str, value: Any) -> None:
        made.decide(DOCUMENTS[:2], explain=True, change=lambda record: record._replace(**{field: value}))
        assert all(field in each.what for each in made.again())


class TestOtherProcessor:
    def test_last_bits(self, made: Made) -> None:
        """On another kind of processor they are a verdict of their own; on this one, and beyond them, a difference."""

        def nearly(record: DecisionRecord) -> DecisionRecord:
            return record._replace(pd=record.pd * (1 + 1e-15))

        made.decide(DOCUMENTS[:1], change=nearly, processor="Linux other")
        made.decide(DOCUMENTS[:1], change=lambda record: record._replace(pd=record.pd + 1e-6), processor="Linux other")
        made.decide(DOCUMENTS[:1], change=nearly)
        made.decide(DOCUMENTS[:1], processor="Linux other")
        assert [Verdict.DIFFERS, Verdict.DIFFERS, Verdict.IDENTICAL, Verdict.OTHER_PROCESSOR] == sorted(
            each.verdict for each in made.again()
        )


class TestUnverifiable:
    def test_an_artifact_that_is_gone(self, made: Made) -> None:
        """The verdict is never that it differs."""
        made.decide(DOCUMENTS[:2])
        (made.folder / ARCHIVE / made.digests["ensemble.npz"]).unlink()
        assert [(Verdict.UNVERIFIABLE, ("ensemble.npz is missing from the archive, or changed there",))] * 2 == [
            (each.verdict, each.what) for each in made.again()
        ]

    def test_an_artifact_that_was_changed(self, made: Made) -> None:
        made.decide(DOCUMENTS[:1])
        (made.folder / ARCHIVE / made.digests[POLICY_FILE]).write_bytes(b"{}")
        (again,) = made.again()
        assert (Verdict.UNVERIFIABLE, (f"{POLICY_FILE} is missing from the archive, or changed there",)) == (
            again.verdict,
            again.what,
        )

    def test_an_erased_one(self, made: Made) -> None:
        """Its neighbours are identical as ever."""
        made.decide(DOCUMENTS[:3], change=lambda record: record._replace(reference="r"))
        made.store.destroy_keys(made.ring.tag("r"))
        assert {(Verdict.UNVERIFIABLE, ("erased",))} == {(each.verdict, each.what) for each in made.again()}

    def test_what_is_no_application(self, made: Made) -> None:
        made.decide(DOCUMENTS[:1], change=lambda record: record._replace(received="{}"))
        (again,) = made.again()
        assert (Verdict.UNVERIFIABLE, ("what was received is no application of its contract",)) == (
            again.verdict,
            again.what,
        )


@pytest.fixture
def stricter(made: Made, tmp_path: Path) -> Made:
    """The same store, where it is decided by a policy that rejects earlier."""
    policy = json.loads((DEFAULT_BOOK / POLICY_FILE).read_bytes())
    policy["thresholds"]["reject_from"] = 0.15
    policy["examples"] = [each for each in policy["examples"] if not 0.15 <= each["probability_of_default"] < 0.2]
    path = tmp_path / POLICY_FILE
    path.write_text(json.dumps(policy), encoding="utf-8")
    return Made(made.folder, made.ring, path)


@pytest.mark.slow
class TestTenThousand:
    """What is told of all of them when something is wrong with one."""

    @pytest.fixture
    def documents(self) -> list[dict[str, Any]]:
        return portfolio(10_000, seed=10)

    def test_one_by_another_policy(self, made: Made, stricter: Made, documents: list[dict[str, Any]]) -> None:
        """Each is made again by the policy of its day, so that all are identical; a changed policy is named."""
        made.decide(documents[1:])
        stricter.decide(documents[:1])
        assert {Verdict.IDENTICAL: 10_000} == Counter(each.verdict for each in made.again())
        policy = made.folder / ARCHIVE / stricter.digests[POLICY_FILE]
        policy.write_bytes((made.folder / ARCHIVE / made.digests[POLICY_FILE]).read_bytes())
        told = Counter((each.verdict, each.what) for each in made.again())
        changed = (Verdict.UNVERIFIABLE, (f"{POLICY_FILE} is missing from the archive, or changed there",))
        assert {(Verdict.IDENTICAL, ()): 9_999, changed: 1} == told

    def test_one_that_says_it_was_by_this_one(
        self, made: Made, stricter: Made, documents: list[dict[str, Any]]
    ) -> None:
        """And was by the other."""
        between = next(document for document in documents if 0.15 <= self._pd(made, document) < 0.2)
        made.decide([document for document in documents if document is not between])
        stricter.decide([between], digests=made.digests)
        told = Counter((each.verdict, each.what) for each in made.again())
        differs = next(what for verdict, what in told if verdict is Verdict.DIFFERS)
        assert {"decision", "band"} <= set(differs)
        assert {(Verdict.IDENTICAL, ()): 9_999, (Verdict.DIFFERS, differs): 1} == told

    def _pd(self, made: Made, document: dict[str, Any]) -> float:
        return made.engine.assess([made.engine.contract.parse(document)])[0].pd
