from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
import pytest
from sklearn.dummy import DummyClassifier

import import_model
from decision.files import CATALOGUE_FILE, POLICY_FILE
from import_model import STAGING, Entry, model_entry, policy_entry, save
from preprocessing.contract import CONTRACT_FILE
from scoring.artifact import (
    DISTRIBUTION,
    ENSEMBLE,
    GOLDEN,
    MANIFEST,
    MODEL,
    SCHEMA,
    TABLES,
    read_artifact,
    sha256,
)
from scoring.estimator import load_estimator
from serving.settings import Settings
from serving.store import MODEL_ENTRY, POLICY_ENTRY, load_served
from tests.applications import CONTRACT
from tests.artifacts import MODEL_FOLDER, POLICY_FOLDER, ROOT, edit, edit_signed, replace_model, sign, small_model
from tests.stores import model_store

Document = dict[str, Any]


MODEL_TAG = f"{MODEL_ENTRY}:{json.loads((MODEL_FOLDER / MANIFEST).read_bytes())['version']}"
POLICY_TAG = f"{POLICY_ENTRY}:{json.loads((POLICY_FOLDER / POLICY_FILE).read_bytes())['version']}"


@pytest.fixture(scope="session")
def entries(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    """What the command saves, verified once."""
    folder = small_model(tmp_path_factory.mktemp("entries") / "model")
    policy = import_model.read_policy(POLICY_FOLDER / POLICY_FILE, CONTRACT)
    return [model_entry(import_model.verify_model(folder)), policy_entry(policy)]


@pytest.fixture(autouse=True)
def store(tmp_path: Path) -> Iterator[Path]:
    """The folder of models of an empty store, which this process uses meanwhile."""
    with model_store(tmp_path / "home") as models:
        yield models


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return small_model(tmp_path / "model")


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the default policy, which takes its place meanwhile."""
    shutil.copytree(POLICY_FOLDER, tmp_path / "policy")
    monkeypatch.setattr(import_model, "DEFAULT_POLICY", tmp_path / "policy" / POLICY_FILE)
    return tmp_path / "policy" / POLICY_FILE


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, list[str], list[str]]]:
    """Call the command within this process: its exit status, and the lines of its standard output and error.

    Without the last line where all was imported: that nobody vouches for it.
    """

    def call(*arguments: object) -> tuple[int, list[str], list[str]]:
        status = import_model.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        lines = err.splitlines()
        if status == 0:
            assert nobody_vouches(out.splitlines()) == lines.pop()
        return status, out.splitlines(), lines

    return call


Run = Callable[..., tuple[int, list[str], list[str]]]


def nobody_vouches(tags: Sequence[str]) -> str:
    return f"no key is trusted: nobody vouches for {' and '.join(tags)}"


def contents(models: Path) -> dict[str, bytes]:
    """Every file in a store, by its path within."""
    return {str(path.relative_to(models)): path.read_bytes() for path in sorted(models.rglob("*")) if path.is_file()}


def versions(models: Path) -> dict[str, list[str]]:
    return {
        entry.name: sorted(path.name for path in entry.iterdir() if path.is_dir()) for entry in sorted(models.iterdir())
    }


ONE_OF_EACH = {tag.partition(":")[0]: [tag.partition(":")[2]] for tag in (MODEL_TAG, POLICY_TAG)}


class TestImport:
    def test_both(self, store: Path, model: Path, run: Run) -> None:
        """Model and policy are saved byte for byte under their own versions, and their tags are printed."""
        assert run("--model", model) == (0, [MODEL_TAG, POLICY_TAG], [])
        assert ONE_OF_EACH == versions(store)
        stored = bentoml.models.get(MODEL_TAG)
        assert read_artifact(model).contents == read_artifact(Path(stored.path)).contents
        entry = store / POLICY_TAG.replace(":", "/")
        for name in (POLICY_FILE, CATALOGUE_FILE):
            assert (POLICY_FOLDER / name).read_bytes() == (entry / name).read_bytes()
        assert {POLICY_FILE, CATALOGUE_FILE, "model.yaml"} == {path.name for path in entry.iterdir()}

    def test_labels_and_metadata(self, model: Path, run: Run) -> None:
        """`bentoml models get` says what an entry is, down to every file's digest."""
        run("--model", model)
        stored, rules = bentoml.models.get(MODEL_TAG).info, bentoml.models.get(POLICY_TAG).info
        manifest = read_artifact(model).manifest
        assert ({"kind": "model", "framework": "scikit-learn"}, {"kind": "policy"}) == (stored.labels, rules.labels)
        assert {path.name: sha256(path.read_bytes()) for path in model.iterdir()} == stored.metadata["sha256"]
        assert {
            name: sha256((POLICY_FOLDER / name).read_bytes()) for name in (POLICY_FILE, CATALOGUE_FILE)
        } == rules.metadata["sha256"]
        assert (CONTRACT.name, CONTRACT.version) == (stored.metadata["loan_book"], stored.metadata["contract"])
        assert (manifest.features, manifest.libraries) == (stored.metadata["features"], stored.metadata["libraries"])

    def test_a_model_with_a_policy(self, store: Path, model: Path, policy: Path, tmp_path: Path, run: Run) -> None:
        """Both are imported where both are named, and the policy is the one that was named."""
        named = tmp_path / "named.json"
        named.write_text(json.dumps(json.loads(policy.read_bytes()) | {"version": "9.9.9"}))
        catalogue = POLICY_FOLDER / CATALOGUE_FILE
        tags = [MODEL_TAG, f"{POLICY_ENTRY}:9.9.9"]
        assert run("--model", model, "--policy", named, "--catalogue", catalogue) == (0, tags, [])
        assert named.read_bytes() == (store / POLICY_ENTRY / "9.9.9" / POLICY_FILE).read_bytes()
        assert ["9.9.9"] == versions(store)[POLICY_ENTRY]

    def test_is_served(self, model: Path, run: Run) -> None:
        """What was imported is what the service finds."""
        run("--model", model)
        served = load_served(Settings(), None)
        assert served.scorer.golden_deviation() == 0
        assert POLICY_TAG == f"{POLICY_ENTRY}:{served.policy.policy.version}"

    def test_twice(self, store: Path, model: Path, run: Run) -> None:
        """The same artifacts again give the same tags, and nothing is written."""
        run("--model", model)
        before = contents(store)
        assert run("--model", model) == (0, [MODEL_TAG, POLICY_TAG], [])
        assert before == contents(store)

    def test_new_version(self, store: Path, model: Path, run: Run) -> None:
        """Another version stands beside the first, and is the latest."""
        run("--model", model)
        edit(model / MANIFEST, lambda manifest: manifest.update(version="99.0.0"))
        assert run("--model", model) == (0, [f"{MODEL_ENTRY}:99.0.0", POLICY_TAG], [])
        assert str(bentoml.models.get(MODEL_ENTRY).tag) == f"{MODEL_ENTRY}:99.0.0"
        assert len(versions(store)[MODEL_ENTRY]) == 2

    @pytest.mark.parametrize("others", [["9.0.10"], ["9.0.10", "9.0.11"]], ids=len)
    def test_version_that_begins_another(self, store: Path, policy: Path, run: Run, others: list[str]) -> None:
        """Version 9.0.1 can be imported where 9.0.10 is, though BentoML finds versions by their beginning."""
        for version in [*others, "9.0.1"]:
            edit(policy, lambda document, version=version: document.update(version=version))
            assert run("--policy", policy) == (0, [f"{POLICY_ENTRY}:{version}"], [])
        assert sorted([*others, "9.0.1"]) == versions(store)[POLICY_ENTRY]


class TestPolicyAlone:
    def test_without_a_model(self, store: Path, policy: Path, run: Run) -> None:
        """A policy is imported alone, into an empty store too."""
        edit(policy, lambda document: document.update(version="9.9.9"))
        assert run("--policy", policy) == (0, [f"{POLICY_ENTRY}:9.9.9"], [])
        assert versions(store) == {POLICY_ENTRY: ["9.9.9"]}

    def test_beside_a_model(self, store: Path, model: Path, policy: Path, run: Run) -> None:
        """The model stays as it is, and the new policy is the latest."""
        run("--model", model)
        before = contents(store / MODEL_ENTRY)
        edit(policy, lambda document: document.update(version="9.9.9"))
        assert run("--policy", policy) == (0, [f"{POLICY_ENTRY}:9.9.9"], [])
        assert before == contents(store / MODEL_ENTRY)
        assert str(bentoml.models.get(POLICY_ENTRY).tag) == f"{POLICY_ENTRY}:9.9.9"

    def test_an_older_one_again(self, store: Path, model: Path, policy: Path, run: Run) -> None:
        """What is imported is what is served next, also where it had been imported before: so one goes back."""
        run("--model", model)
        newer = json.loads(policy.read_bytes())
        policy.write_text(json.dumps(newer | {"version": "1.5.0"}))
        run("--policy", policy)
        assert "1.5.0" == (store / POLICY_ENTRY / "latest").read_text()
        assert run("--policy", POLICY_FOLDER / POLICY_FILE)[0] == 0
        assert "1.1.0" == (store / POLICY_ENTRY / "latest").read_text()

    def test_other_catalogue(self, store: Path, policy: Path, tmp_path: Path, run: Run) -> None:
        """The catalogue may lie elsewhere, and is imported with the policy."""
        catalogue = (policy.with_name(CATALOGUE_FILE)).rename(tmp_path / "reasons.json")
        assert run("--policy", policy, "--catalogue", catalogue) == (0, [POLICY_TAG], [])
        assert catalogue.read_bytes() == (store / POLICY_TAG.replace(":", "/") / CATALOGUE_FILE).read_bytes()

    def test_that_does_not_fit_the_model(self, store: Path, model: Path, policy: Path, run: Run) -> None:
        """A policy that would leave applicants without reasons is refused, given the model in the store."""
        run("--model", model)
        before = contents(store)
        edit(policy, lower_threshold)
        status, out, err = run("--policy", policy)
        assert (1, [], 1) == (status, out, len(err))
        assert "thresholds.approve_below: 0.01 lies under" in err[0]
        assert before == contents(store)


class TestLoanBooks:
    @pytest.fixture
    def other(self, tmp_path: Path) -> Path:
        """A model of another loan book, with nothing wrong with it, and a version of its own."""
        folder = small_model(tmp_path / "other")
        edit_signed(folder, CONTRACT_FILE, lambda contract: contract.update(name="other_loans"))
        edit(folder / MANIFEST, lambda manifest: manifest.update(version="99.0.0"))
        return folder

    def test_one_to_a_store(self, store: Path, model: Path, other: Path, run: Run) -> None:
        """Another loan book's model is refused, and the remedy is a store of its own; the first is still served."""
        run("--model", model)
        before = contents(store)
        status, out, err = run("--model", other)
        assert (1, [], 1) == (status, out, len(err))
        assert f"the store serves the loan book {CONTRACT.name}, and this model is of other_loans" in err[0]
        assert "set BENTOML_HOME to a store of its own" in err[0]
        assert before == contents(store)

    def test_two_at_once(self, store: Path, model: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """From the look at what is served until all is saved no other import may come between."""
        held: list[bool] = []

        def note(entries: Sequence[Entry], *, latest: bool) -> list[bentoml.Tag]:
            other = os.open(store, os.O_RDONLY)
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held.append(False)
            except BlockingIOError:
                held.append(True)
            finally:
                os.close(other)
            return save(entries, latest=latest)

        monkeypatch.setattr(import_model, "save", note)
        assert [0, 0] == [run("--model", model)[0], run("--model", model)[0]]
        assert [True, True] == held

    def test_any_in_a_store_of_its_own(self, other: Path, run: Run) -> None:
        assert run("--model", other) == (0, [f"{MODEL_ENTRY}:99.0.0", POLICY_TAG], [])

    def test_what_a_killed_import_left_is_no_loan_book(self, store: Path, other: Path, run: Run) -> None:
        (store / MODEL_ENTRY / "0.0.1").mkdir(parents=True)
        (store / MODEL_ENTRY / "latest").write_text("0.0.1")
        assert run("--model", other)[:2] == (0, [f"{MODEL_ENTRY}:99.0.0", POLICY_TAG])

    def test_a_policy_alone_is_held_against_the_store_s(
        self, model: Path, other: Path, policy: Path, run: Run, tmp_path: Path
    ) -> None:
        """The contract that a policy must fit is that of the model in the store, not the project's own."""
        edit_signed(other, CONTRACT_FILE, lambda contract: contract["fields"][0].update(maximum=150))
        older = json.loads(policy.read_bytes()) | {"version": "9.9.9"}
        older["examples"][0]["fields"]["person_age"] = 144
        named = policy.with_name("older.json")
        named.write_text(json.dumps(older))
        run("--model", other)
        assert run("--policy", named) == (0, [f"{POLICY_ENTRY}:9.9.9"], [])
        with model_store(tmp_path / "another"):
            run("--model", model)
            status, out, err = run("--policy", named)
        assert (1, [], 1) == (status, out, len(err))
        assert "examples.0: person_age: Input should be less than or equal to 120" in err[0]


def lower_threshold(policy: Document) -> None:
    """A policy that is sound by itself but approves less than the reference population."""
    policy["version"] = "9.9.9"
    policy["thresholds"]["approve_below"] = 0.01
    policy["examples"] = [e for e in policy["examples"] if e["expected"] == "REJECT" or "approval" in e["name"]]
    policy["examples"] = [e for e in policy["examples"] if e["expected"] != "APPROVE"]


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def signed(name: str, change: Callable[[Document], Any]) -> Callable[[Path], None]:
    return lambda folder: edit_signed(folder, name, change)


def flip(folder: Path) -> None:
    content = (folder / MODEL).read_bytes()
    (folder / MODEL).write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])


def no_trees(folder: Path) -> None:
    model = load_estimator(read_artifact(folder))
    model.estimators_ = model.estimators_[:0]
    replace_model(folder, model)


def other_arrays(folder: Path) -> None:
    """One threshold one bit off: no golden application shows it."""
    trees = read_artifact(folder).trees
    threshold = trees.threshold.copy()
    threshold[0, 1] = np.nextafter(threshold[0, 1], np.inf)
    (folder / ENSEMBLE).write_bytes(replace(trees, threshold=threshold).to_bytes())
    sign(folder)


def golden_off(document: Document) -> None:
    document["applications"][0]["probability_of_default"] = 0.5


# What is wrong with a model, how to make it so, and what the refusal says.
REFUSED_MODELS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no manifest": (remove(MANIFEST), f"{MANIFEST}: can't be read"),
    "no model": (remove(MODEL), f"{MODEL}: can't be read"),
    "no contract": (remove(CONTRACT_FILE), f"{CONTRACT_FILE}: can't be read"),
    "no arrays": (remove(ENSEMBLE), f"{ENSEMBLE}: can't be read"),
    "arrays of another model": (other_arrays, f"{ENSEMBLE} is not what {MODEL} becomes as arrays"),
    "no schema": (remove(SCHEMA), f"{SCHEMA}: can't be read"),
    "no golden applications": (remove(GOLDEN), f"{GOLDEN}: can't be read"),
    "no tables": (remove(TABLES), f"{TABLES}: can't be read"),
    "no distribution": (remove(DISTRIBUTION), f"{DISTRIBUTION}: can't be read"),
    "one bit of the model": (flip, f"{MODEL}: its sha256 is"),
    "library": (signed(MANIFEST, lambda m: m["libraries"].update(numpy="1.0")), "install numpy==1.0, or train again"),
    "order of features": (signed(SCHEMA, lambda s: s["features"].reverse()), f"{SCHEMA} lists other features than"),
    "number of features": (signed(SCHEMA, lambda s: s["features"].pop()), f"{SCHEMA} lists other features than"),
    "other contract": (
        signed(CONTRACT_FILE, lambda c: c["fields"][4]["categories"].pop()),
        f"than {CONTRACT_FILE} makes",
    ),
    "contract of no use": (
        signed(CONTRACT_FILE, lambda c: c.update(amount="loan_intent")),
        f"{CONTRACT_FILE}: as a whole: amount: 'loan_intent' is no field of type number",
    ),
    "no classifier": (lambda folder: replace_model(folder, DummyClassifier()), f"{MODEL} holds a DummyClassifier"),
    "no trees": (no_trees, f"{MODEL}: ValueError: there are no trees"),
    "golden application off": (signed(GOLDEN, golden_off), f"{GOLDEN}: an application's PD is off by"),
    "golden application invalid": (
        signed(GOLDEN, lambda g: g["applications"][0]["application"].update(loan_grade="Z")),
        f"{GOLDEN}: loan_grade: ",
    ),
    "no JSON": (lambda folder: (folder / MANIFEST).write_bytes(b"{"), f"{MANIFEST}: not valid JSON"),
    "line break": (signed(MANIFEST, lambda m: m.update({"a\nb": 1})), rf"{MANIFEST}: a\nb: Extra inputs"),
    "other service": (signed(MANIFEST, lambda m: m.update(name="other_model")), f"{MANIFEST} names other_model, but"),
    "other population": (
        signed(MANIFEST, lambda m: m["reference_population"].update(pd_below=0.9)),
        "thresholds.approve_below",
    ),
}


class TestRefusal:
    """Exit status 1, one line on standard error, and a store that is as it was."""

    @pytest.mark.parametrize("wrong", REFUSED_MODELS)
    def test_model(self, store: Path, model: Path, run: Run, wrong: str) -> None:
        """Whatever is wrong with the model, neither it nor the policy is imported."""
        spoil, message = REFUSED_MODELS[wrong]
        spoil(model)
        status, out, err = run("--model", model)
        assert (1, [], 1) == (status, out, len(err))
        assert err[0].startswith("import refused: ")
        assert message in err[0]
        assert "; " in err[0], "no remedy"
        assert contents(store) == {}

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda policy: policy["thresholds"].update(approve_below=0.3), "thresholds"),
            (lambda policy: policy["examples"][0].update(expected="REJECT"), "expects"),
            (lambda policy: policy["rules"][0]["conditions"][0].update(field="shoe_size"), "shoe_size"),
            (lambda policy: policy.update(surprise=1), "surprise"),
            (lambda policy: policy.pop("version"), "version"),
            (lambda policy: (policy.pop("version"), policy.update(surprise=1)), "surprise"),
        ],
        ids=["thresholds", "example", "field", "unknown key", "missing key", "two faults"],
    )
    def test_policy(self, store: Path, policy: Path, run: Run, change: Callable[[Document], Any], message: str) -> None:
        """Whatever is wrong with the policy, neither it nor the model is imported."""
        edit(policy, change)
        for arguments in (("--policy", policy), ("--model", MODEL_FOLDER)):
            status, out, err = run(*arguments)
            assert (1, [], 1) == (status, out, len(err))
            assert message in err[0]
            assert POLICY_FILE in err[0]
            assert contents(store) == {}

    @pytest.mark.parametrize(
        "content", [None, b"", b"{", b"\xff", b"[" * 100_000], ids=["missing", "0", "cut", "ff", "deep"]
    )
    def test_policy_unreadable(self, store: Path, policy: Path, run: Run, content: bytes | None) -> None:
        """A policy file that is missing or no JSON is named."""
        policy.unlink() if content is None else policy.write_bytes(content)
        status, out, err = run("--policy", policy)
        assert (1, [], 1) == (status, out, len(err))
        assert POLICY_FILE in err[0]
        assert contents(store) == {}

    def test_model_of_the_same_version(self, store: Path, model: Path, run: Run) -> None:
        """Other bytes under a version that the store has are refused, and the remedy is a version of their own."""
        run("--model", model)
        before = contents(store)
        edit(model / MANIFEST, lambda manifest: manifest.update(created="2020-01-01"))
        refused = "import refused:"
        assert run("--model", model) == (
            1,
            [],
            [f"{refused} the store holds {MODEL_TAG} with other bytes; give the changed artifact its own version"],
        )
        assert before == contents(store)

    @pytest.mark.parametrize("alone", [True, False], ids=["alone", "with model"])
    def test_policy_of_the_same_version(self, store: Path, model: Path, policy: Path, run: Run, alone: bool) -> None:
        """So are a policy's; then the model, which has nothing wrong with it, isn't imported either."""
        run("--policy", policy)
        before = contents(store)
        edit(policy, lambda document: document.update(effective_date="2020-01-01"))
        status, out, err = run("--policy", policy) if alone else run("--model", model)
        assert (1, [], 1) == (status, out, len(err))
        assert f"the store holds {POLICY_TAG} with other bytes" in err[0]
        assert before == contents(store)

    def test_the_broken_pointer_is_no_excuse(self, store: Path, policy: Path, run: Run) -> None:
        """Other bytes are refused even where the store is damaged besides."""
        run("--policy", policy)
        (store / POLICY_ENTRY / "latest").write_text("")
        edit(policy, lambda document: document.update(effective_date="2020-01-01"))
        assert run("--policy", policy)[0] == 1

    def test_store_not_writable(self, store: Path, policy: Path, run: Run) -> None:
        """A store that can't be written is one line, too."""
        (store / POLICY_ENTRY).write_text("a file in the way")
        status, out, err = run("--policy", policy)
        assert (1, [], 1) == (status, out, len(err))
        assert "set BENTOML_HOME" in err[0]

    def test_store_full(self, store: Path, policy: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of all files that BentoML could not copy into it, the first says why, and nothing is left."""
        raised: list[OSError] = []

        def full(_source: str, place: str, **_options: object) -> None:
            raised.append(OSError(errno.ENOSPC, "No space left on device", place))
            raise raised[-1]

        monkeypatch.setattr(shutil, "copyfile", full)
        remedy = "make room in the model store, or set BENTOML_HOME to another"
        assert run("--policy", policy) == (1, [], [f"import refused: {raised[0]}; {remedy}"])
        assert len(raised) > 1
        assert contents(store) == {}


class TestRace:
    """Two imports at once where nothing locks: the other one runs whole at a point of the first one's."""

    @pytest.fixture(autouse=True)
    def _no_locks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_folder: int, _operation: int) -> None:
            raise OSError(errno.ENOTSUP, "no locks")

        monkeypatch.setattr(fcntl, "flock", refuse)

    @pytest.fixture
    def overtaken(
        self, store: Path, entries: list[Entry], monkeypatch: pytest.MonkeyPatch
    ) -> Callable[[], dict[str, bytes]]:
        """Have another import run when the next has found all to be new; gives what that one left in the store."""
        looked, real = [], import_model._is_stored
        finished: dict[str, bytes] = {}

        def look(entry: Entry) -> bool:
            stored = real(entry)
            looked.append(entry)
            if len(looked) == len(entries):
                monkeypatch.setattr(import_model, "_is_stored", real)
                save(entries)
                finished.update({name: data for name, data in contents(store).items() if STAGING not in name})
            return stored

        monkeypatch.setattr(import_model, "_is_stored", look)
        return lambda: finished

    def test_the_same_twice(self, store: Path, entries: list[Entry], overtaken: Callable[[], dict[str, bytes]]) -> None:
        """Whoever comes second finds the work done, and leaves it alone."""
        assert [MODEL_TAG, POLICY_TAG] == [str(tag) for tag in save(entries)]
        assert overtaken()
        assert overtaken() == contents(store)

    @pytest.mark.parametrize("failing", ["write_bytes", "replace"], ids=["a file", "the pointer"])
    def test_a_failure_takes_back_nothing_of_the_other(
        self,
        store: Path,
        entries: list[Entry],
        overtaken: Callable[[], dict[str, bytes]],
        monkeypatch: pytest.MonkeyPatch,
        failing: str,
    ) -> None:
        """The disk is full for the second; the first had exited 0, and what it imported is still there."""
        real = getattr(Path, failing)

        def full(path: Path, *arguments: Any) -> Any:
            if overtaken() and path.name in {POLICY_FILE, f"{POLICY_ENTRY}.latest"}:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(path, *arguments)

        monkeypatch.setattr(Path, failing, full)
        with pytest.raises(OSError, match="No space"):
            save(entries)
        assert overtaken()
        assert overtaken() == contents(store)

    @pytest.mark.parametrize("failing", ["write_bytes", "replace"], ids=["a file", "the pointer"])
    def test_a_failure_leaves_the_store_as_it_was(
        self, store: Path, entries: list[Entry], monkeypatch: pytest.MonkeyPatch, failing: str
    ) -> None:
        """Alone, and beside older versions: these are the latest still."""
        save([entry._replace(tag=f"{entry.tag.partition(':')[0]}:0.0.1") for entry in entries])
        before, real = contents(store), getattr(Path, failing)

        def full(path: Path, *arguments: Any) -> Any:
            if path.name in {POLICY_FILE, f"{MODEL_ENTRY}.latest"}:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(path, *arguments)

        monkeypatch.setattr(Path, failing, full)
        with pytest.raises(OSError, match="No space"):
            save(entries)
        assert before == contents(store)


class TestWhatCannotBeRemoved:
    """Where a folder can't be removed, as where a network's file system still holds a file of it."""

    @pytest.fixture
    def stuck(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
        """From now on, folders of this path can't be."""
        real = os.rmdir

        def stick(part: str) -> None:
            def refuse(path: str, **options: Any) -> None:
                if part in str(path):
                    raise OSError(errno.ENOTEMPTY, "Directory not empty", str(path))
                real(path, **options)

            monkeypatch.setattr(os, "rmdir", refuse)

        return stick

    def test_an_import_is_done_all_the_same(
        self, store: Path, policy: Path, run: Run, stuck: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What could not be cleared away the next import clears."""
        stuck(STAGING)
        assert run("--policy", policy) == (0, [POLICY_TAG], [])
        assert [True] == [path.is_dir() for path in store.glob(f"{STAGING}*")]
        monkeypatch.undo()
        assert run("--policy", policy) == (0, [POLICY_TAG], [])
        assert [] == list(store.glob(f"{STAGING}*"))

    def test_a_failure_is_told_as_what_it_was(
        self, store: Path, entries: list[Entry], stuck: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And whatever else can be taken back is."""
        real = Path.replace

        def full(path: Path, place: Path) -> Path:
            if path.name == f"{MODEL_ENTRY}.latest":
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(path, place)

        monkeypatch.setattr(Path, "replace", full)
        stuck(MODEL_TAG.replace(":", "/"))
        with pytest.raises(OSError, match="No space"):
            save(entries)
        assert not (store / POLICY_TAG.replace(":", "/")).exists()


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def replace_text(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


# What a killed import, or a meddler, may leave of an entry in a folder.
REMAINS: dict[str, Callable[[Path], object]] = {
    "nothing but the folder": lambda folder: [path.unlink() for path in folder.iterdir()],
    "no description": lambda folder: (folder / "model.yaml").unlink(),
    "empty description": lambda folder: (folder / "model.yaml").write_bytes(b""),
    "other digests in it": lambda folder: replace_text(folder / "model.yaml", "sha256:", "sha1:"),
    "half a description": lambda folder: truncate(folder / "model.yaml"),
    "a file missing": lambda folder: max(folder.glob("*.j*"), key=lambda path: path.stat().st_size).unlink(),
    "an empty file": lambda folder: os.truncate(max(folder.glob("*.json")), 0),
    "half a file": lambda folder: truncate(max(folder.glob("*.j*"), key=lambda path: path.stat().st_size)),
    "no pointer": lambda folder: (folder.parent / "latest").unlink(),
    "an empty pointer": lambda folder: (folder.parent / "latest").write_text(""),
    "a pointer to nothing": lambda folder: (folder.parent / "latest").write_text("8.8.8"),
}


class TestRecovery:
    @pytest.mark.parametrize("remains", REMAINS)
    @pytest.mark.parametrize("tag", [MODEL_TAG, POLICY_TAG], ids=["model", "policy"])
    def test_incomplete_entry(self, store: Path, entries: list[Entry], tag: str, remains: str) -> None:
        """What a killed import left is completed by the next one, and is the latest; a third has nothing to do."""
        tags = save(entries)
        name, _, version = tag.partition(":")
        complete = {path: content for path, content in contents(store).items() if "model.yaml" not in path}
        REMAINS[remains](store / name / version)
        assert tags == save(entries)
        assert str(bentoml.models.get(name).tag) == tag
        assert complete == {path: content for path, content in contents(store).items() if "model.yaml" not in path}
        before = contents(store)
        assert tags == save(entries)
        assert before == contents(store)

    def test_a_failure_takes_back_what_was_completed(
        self, store: Path, entries: list[Entry], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The incomplete entry in whose place it came is gone already."""
        save(entries)
        place = store / POLICY_TAG.replace(":", "/")
        (place / POLICY_FILE).unlink()
        real = Path.replace

        def full(path: Path, target: Path) -> Path:
            if path.name == f"{MODEL_ENTRY}.latest":
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(path, target)

        monkeypatch.setattr(Path, "replace", full)
        with pytest.raises(OSError, match="No space"):
            save(entries)
        assert not place.exists()
        assert (store / MODEL_TAG.replace(":", "/")).exists()

    def test_is_told(self, store: Path, policy: Path, run: Run) -> None:
        """That an entry was incomplete is said, on standard error."""
        run("--policy", policy)
        (store / POLICY_TAG.replace(":", "/") / POLICY_FILE).unlink()
        message = f"{POLICY_TAG} in the store is incomplete; importing it again"
        assert run("--policy", policy) == (0, [POLICY_TAG], [message])

    @pytest.mark.parametrize("pointer", ["", "8.8.8", "0.0.1"])
    def test_new_version_beside_a_damaged_one(self, store: Path, policy: Path, run: Run, pointer: str) -> None:
        """What a killed import of one version left does not keep the next version from being the latest."""
        (store / POLICY_ENTRY / "0.0.1").mkdir(parents=True)
        (store / POLICY_ENTRY / "latest").write_text(pointer)
        assert run("--policy", policy) == (0, [POLICY_TAG], [])
        assert str(bentoml.models.get(POLICY_ENTRY).tag) == POLICY_TAG

    @pytest.mark.slow
    def test_killed_at_every_step(self, tmp_path: Path) -> None:
        """Killed before any change that it makes in the store, an import is completed by the next one."""
        run = python("tests/killed_import.py", MODEL_FOLDER, tmp_path, home=tmp_path)
        steps = [tuple(map(int, line.split())) for line in run.stdout.splitlines()]
        killed = (-signal.SIGKILL, 0)
        assert [step for step in steps if step not in {killed, (0, 0)}] == [], run.stderr
        assert steps.count(killed) > 50
        assert steps.count((0, 0)) == 2  # either time round ended with an import that had no more steps to be killed at


def environment(home: Path) -> dict[str, str]:
    return os.environ | {"BENTOML_HOME": str(home), "PYTHONPATH": str(ROOT)}


def python(*arguments: object, home: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment(home), capture_output=True, text=True, check=False)


class TestCommand:
    def test_help(self, capsys: pytest.CaptureFixture[str]) -> None:
        """What the command does comes first, on one line."""
        with pytest.raises(SystemExit):
            import_model.main(["--help"])
        does = capsys.readouterr().out.split("\n\n")[1]
        assert does.startswith("Verify the artifacts and put them into the BentoML model store")

    def test_reasons_without_a_policy(self, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """They would be ignored, so they are wrong arguments."""
        with pytest.raises(SystemExit) as ended:
            import_model.main(["--catalogue", str(POLICY_FOLDER / CATALOGUE_FILE)])
        assert ended.value.code == 2
        assert capsys.readouterr().err.endswith("error: --catalogue belongs to a --policy; name both\n")
        assert contents(store) == {}

    def test_killed_and_twice(self, tmp_path: Path) -> None:
        """Killed as soon as something is in the store, the command completes it, and then leaves it alone."""
        models = tmp_path / "models"
        with subprocess.Popen(
            [sys.executable, "import_model.py", "--model", str(MODEL_FOLDER)],
            cwd=ROOT,
            env=environment(tmp_path),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            while process.poll() is None and not (models / MODEL_ENTRY).exists():
                time.sleep(0.0005)
            process.kill()
        first = python("import_model.py", "--model", MODEL_FOLDER, home=tmp_path)
        assert (0, [MODEL_TAG, POLICY_TAG]) == (first.returncode, first.stdout.splitlines())
        assert ONE_OF_EACH == versions(models)
        before = contents(models)
        again = python("import_model.py", "--model", MODEL_FOLDER, home=tmp_path)
        assert (0, first.stdout) == (again.returncode, again.stdout)
        assert f"{nobody_vouches([MODEL_TAG, POLICY_TAG])}\n" == again.stderr
        assert before == contents(models)

    def test_refusal(self, tmp_path: Path, model: Path) -> None:
        """A refusal is one line on standard error and exit status 1."""
        flip(model)
        refused = python("import_model.py", "--model", model, home=tmp_path / "home")
        assert (1, "", 1) == (refused.returncode, refused.stdout, refused.stderr.count("\n"))
        assert refused.stderr.startswith(f"import refused: {MODEL}: its sha256 is ")
        assert contents(tmp_path / "home" / "models") == {}
