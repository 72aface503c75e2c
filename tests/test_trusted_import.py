"""Imports where a key is trusted: what it has not signed is refused before anything in it is opened."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import bentoml
import pytest

import import_model
from decision.files import CATALOGUE_FILE, POLICY_FILE
from scoring import estimator
from scoring.artifact import ENSEMBLE, MANIFEST, MODEL
from serving.settings import Settings
from serving.store import MODEL_ENTRY, POLICY_ENTRY, UnvouchedEntryError, load_served
from serving.vouching import SIGNED_BY, TRUSTED_KEY
from signing import SIGNATURE
from signing.signatures import sign
from tests.artifacts import MODEL_FOLDER, POLICY_FOLDER, edit, replace_model, small_model
from tests.signing.keys import Pair, write_pair
from tests.stores import model_store

MODEL_TAG = f"{MODEL_ENTRY}:{json.loads((MODEL_FOLDER / MANIFEST).read_bytes())['version']}"
POLICY_TAG = f"{POLICY_ENTRY}:{json.loads((POLICY_FOLDER / POLICY_FILE).read_bytes())['version']}"

Import = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    folder = tmp_path_factory.mktemp("keys")
    return {name: write_pair(folder, name) for name in ("ours", "next", "theirs")}


@pytest.fixture(autouse=True)
def store(tmp_path: Path) -> Iterator[Path]:
    with model_store(tmp_path / "home") as models:
        yield models


@pytest.fixture
def model(tmp_path: Path, pairs: dict[str, Pair]) -> Path:
    """A model's folder, signed by "ours"."""
    folder = small_model(tmp_path / "model")
    sign(folder, pairs["ours"].private)
    return folder


@pytest.fixture
def policy(tmp_path: Path, pairs: dict[str, Pair]) -> Path:
    """A policy in its folder, which "ours" has signed."""
    folder = shutil.copytree(POLICY_FOLDER, tmp_path / "policy")
    sign(folder, pairs["ours"].private)
    return folder / POLICY_FILE


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Import:
    """Call the command: its exit status, and the lines of its standard output and error."""
    monkeypatch.delenv(TRUSTED_KEY, raising=False)

    def call(*arguments: object, trusting: tuple[Pair, ...] = ()) -> tuple[int, list[str], list[str]]:
        trusted = [argument for pair in trusting for argument in ("--trusted-key", pair.public)]
        status = import_model.main([str(argument) for argument in (*arguments, *trusted)])
        out, err = capsys.readouterr()
        return status, out.splitlines(), err.splitlines()

    return call


@pytest.fixture
def unopened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a manifest, a policy or a pickle is so much as read."""

    def opened(*_: object) -> None:
        pytest.fail("opened before it was verified")

    for name in ("read_artifact", "read_policy", "prove_arrays"):
        monkeypatch.setattr(import_model, name, opened)
    monkeypatch.setattr(estimator.joblib, "load", opened)


def refused(run: Import, store: Path, *arguments: object, trusting: tuple[Pair, ...]) -> str:
    """The one line of a refusal that left nothing in the store."""
    status, out, err = run(*arguments, trusting=trusting)
    assert (1, [], 1) == (status, out, len(err))
    assert [] == list(store.iterdir())
    assert "; " in err[0], "no remedy"
    return err[0].removeprefix("import refused: ")


def noted(tag: str) -> str | None:
    key = bentoml.models.get(tag).info.metadata.get(SIGNED_BY)
    return None if key is None else str(key)


class Reducer:
    """What a pickle can be made of: opening it runs a command."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self.command,)


class TestVouchedFor:
    def test_both(self, store: Path, model: Path, policy: Path, pairs: dict[str, Pair], run: Import) -> None:
        """Imported as ever, without the signatures, and the store says whose they were."""
        key = pairs["ours"].fingerprint
        assert run("--model", model, "--policy", policy, trusting=(pairs["ours"],)) == (
            0,
            [MODEL_TAG, POLICY_TAG],
            [f"the key sha256 {key} vouches for {MODEL_TAG} and {POLICY_TAG}"],
        )
        assert [key, key] == [noted(MODEL_TAG), noted(POLICY_TAG)]
        assert [] == list(store.rglob(SIGNATURE))

    @pytest.mark.parametrize("name", [POLICY_FILE, "ours.json"])
    def test_a_policy_alone(self, policy: Path, pairs: dict[str, Pair], run: Import, name: str) -> None:
        named = policy.rename(policy.with_name(name))
        sign(policy.parent, pairs["ours"].private)
        assert run("--policy", named, trusting=(pairs["ours"],))[:2] == (0, [POLICY_TAG])
        assert pairs["ours"].fingerprint == noted(POLICY_TAG)

    def test_by_the_setting(
        self, policy: Path, pairs: dict[str, Pair], run: Import, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As the service has it; what the command line names goes before it."""
        monkeypatch.setenv(TRUSTED_KEY, f"{pairs['next'].public}, {pairs['ours'].public}")
        assert run("--policy", policy)[0] == 0
        monkeypatch.setenv(TRUSTED_KEY, str(pairs["ours"].public))
        assert run("--policy", policy, trusting=(pairs["theirs"],))[0] == 1
        monkeypatch.setenv(TRUSTED_KEY, str(pairs["theirs"].public))
        assert run("--policy", policy)[0] == 1
        monkeypatch.setenv(TRUSTED_KEY, ",")
        assert run("--policy", policy)[0] == 1
        monkeypatch.setenv(TRUSTED_KEY, "")
        assert run("--policy", policy)[0] == 0

    def test_one_key_after_another(self, policy: Path, pairs: dict[str, Pair], run: Import) -> None:
        """The same bytes: only whose they are is noted anew, and stays noted where nobody vouches the next time."""
        assert run("--policy", policy)[2] == [f"no key is trusted: nobody vouches for {POLICY_TAG}"]
        assert noted(POLICY_TAG) is None
        entry = Path(bentoml.models.get(POLICY_TAG).path)
        before = (entry / POLICY_FILE).stat().st_ino
        for name in ("ours", "next"):
            sign(policy.parent, pairs[name].private)
            assert run("--policy", policy, trusting=(pairs["ours"], pairs["next"]))[:2] == (0, [POLICY_TAG])
            assert pairs[name].fingerprint == noted(POLICY_TAG)
        said = [f"the key sha256 {pairs['next'].fingerprint} vouches for {POLICY_TAG}"]
        assert run("--policy", policy) == (0, [POLICY_TAG], said)
        assert before == (entry / POLICY_FILE).stat().st_ino

    def test_what_is_verified_is_what_is_imported(
        self, model: Path, policy: Path, pairs: dict[str, Pair], run: Import, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who changes the files after they were verified changes nothing."""
        honest, real = (model / ENSEMBLE).read_bytes(), import_model.read_artifact

        def meddle(folder: Path) -> object:
            (model / ENSEMBLE).write_bytes(b"changed")
            policy.write_bytes(b"changed")
            return real(folder)

        monkeypatch.setattr(import_model, "read_artifact", meddle)
        assert run("--model", model, "--policy", policy, trusting=(pairs["ours"],))[0] == 0
        assert honest == Path(bentoml.models.get(MODEL_TAG).path_of(ENSEMBLE)).read_bytes()


@pytest.mark.usefixtures("unopened")
class TestRefused:
    """On one line, before anything is opened, with nothing in the store."""

    def test_unsigned(self, store: Path, model: Path, policy: Path, pairs: dict[str, Pair], run: Import) -> None:
        for folder in (model, policy.parent):
            (folder / SIGNATURE).rename(folder.parent / SIGNATURE)
            line = refused(run, store, "--model", model, "--policy", policy, trusting=(pairs["ours"],))
            assert line.startswith(f"{SIGNATURE}: is not in {folder}, so nobody has signed that; sign it: ")
            (folder.parent / SIGNATURE).rename(folder / SIGNATURE)

    def test_one_byte_of_any_file(
        self, store: Path, model: Path, policy: Path, pairs: dict[str, Pair], run: Import
    ) -> None:
        files = [path for folder in (model, policy.parent) for path in sorted(folder.iterdir())]
        assert len(files) > 15
        for path in files:
            content = path.read_bytes()
            path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
            line = refused(run, store, "--model", model, "--policy", policy, trusting=(pairs["ours"],))
            assert line.startswith(f"{path.name}: ")
            path.write_bytes(content)

    def test_by_another(self, store: Path, model: Path, policy: Path, pairs: dict[str, Pair], run: Import) -> None:
        for folder in (policy.parent, model):
            sign(folder, pairs["theirs"].private)
            line = refused(run, store, "--model", model, "--policy", policy, trusting=(pairs["ours"], pairs["next"]))
            assert line.startswith(f"{SIGNATURE}: of {folder} was not made by a trusted key (")

    def test_a_file_more_and_a_file_less(
        self, store: Path, model: Path, policy: Path, pairs: dict[str, Pair], run: Import
    ) -> None:
        both = ("--model", model, "--policy", policy)
        (model / "extra.py").write_bytes(b"")
        assert refused(run, store, *both, trusting=(pairs["ours"],)).startswith(f"extra.py: in {model} but not signed")
        (model / "extra.py").unlink()
        policy.with_name(CATALOGUE_FILE).unlink()
        assert refused(run, store, *both, trusting=(pairs["ours"],)).startswith(f"{CATALOGUE_FILE}: signed but not in")

    def test_the_models_signature_on_a_policy(
        self, store: Path, model: Path, policy: Path, pairs: dict[str, Pair], run: Import
    ) -> None:
        shutil.copy(model / SIGNATURE, policy.with_name(SIGNATURE))
        line = refused(run, store, "--model", model, "--policy", policy, trusting=(pairs["ours"],))
        assert f"in {policy.parent} but not signed; " in line

    def test_reasons_from_elsewhere(
        self, store: Path, policy: Path, tmp_path: Path, pairs: dict[str, Pair], run: Import
    ) -> None:
        """A policy is signed with its reasons: others would not be vouched for."""
        elsewhere = shutil.copy(policy.with_name(CATALOGUE_FILE), tmp_path / CATALOGUE_FILE)
        line = refused(run, store, "--policy", policy, "--catalogue", elsewhere, trusting=(pairs["ours"],))
        assert line.startswith(f"{elsewhere} lies outside of {policy.parent}, ")

    def test_reasons_of_the_projects_own(self, store: Path, policy: Path, pairs: dict[str, Pair], run: Import) -> None:
        """They would be taken where a policy comes without any; here they are not among what was signed."""
        policy.with_name(CATALOGUE_FILE).unlink()
        sign(policy.parent, pairs["ours"].private)
        line = refused(run, store, "--policy", policy, trusting=(pairs["ours"],))
        assert f"{policy.with_name(CATALOGUE_FILE)} is not there; name a file of a signed folder" == line

    def test_no_such_policy(self, store: Path, policy: Path, pairs: dict[str, Pair], run: Import) -> None:
        line = refused(run, store, "--policy", policy.with_name("other.json"), trusting=(pairs["ours"],))
        assert f"{policy.with_name('other.json')} is not there; name a file of a signed folder" == line

    @pytest.mark.parametrize("named", ["a folder", "a private key", "nothing"])
    def test_a_key_that_is_none(
        self, store: Path, model: Path, policy: Path, tmp_path: Path, pairs: dict[str, Pair], run: Import, named: str
    ) -> None:
        """Never taken for no key at all."""
        path = {"a folder": tmp_path, "a private key": pairs["ours"].private, "nothing": tmp_path / "none"}[named]
        line = refused(run, store, "--model", model, "--policy", policy, "--trusted-key", path, trusting=())
        assert line.startswith(f"trusted key {path}: ")


class TestPickles:
    """A pickle that runs a command when it is opened, with a manifest that vouches for it."""

    @pytest.fixture
    def ran(self, model: Path, tmp_path: Path) -> Path:
        replace_model(model, Reducer(f"touch {tmp_path / 'ran'}"))
        return tmp_path / "ran"

    def test_without_a_trusted_key_it_runs(self, model: Path, ran: Path, run: Import) -> None:
        """Import opens it: which is what is meant by nobody vouching for it."""
        assert run("--model", model)[0] == 1
        assert ran.exists()

    def test_is_refused_before_it_is_opened(
        self, store: Path, model: Path, policy: Path, ran: Path, pairs: dict[str, Pair], run: Import
    ) -> None:
        """With the signature of the honest folder still in it, with a stranger's, and with none."""
        both = ("--model", model, "--policy", policy)
        assert refused(run, store, *both, trusting=(pairs["ours"],)).startswith(f"{MODEL}, {MANIFEST}: altered since")
        sign(model, pairs["theirs"].private)
        assert "was not made by a trusted key" in refused(run, store, *both, trusting=(pairs["ours"],))
        (model / SIGNATURE).unlink()
        assert "nobody has signed that" in refused(run, store, *both, trusting=(pairs["ours"],))
        assert not ran.exists()


class TestServing:
    """Serving checks no signature; it goes by what the import noted."""

    def test_says_whose(self, model: Path, policy: Path, pairs: dict[str, Pair], run: Import) -> None:
        run("--model", model, "--policy", policy)
        assert {"model": None, "policy": None} == load_served(Settings(), None).signed_by
        run("--policy", policy, trusting=(pairs["ours"],))
        assert {"model": None, "policy": pairs["ours"].fingerprint} == load_served(Settings(), None).signed_by

    def test_with_a_trusted_key(
        self, model: Path, policy: Path, tmp_path: Path, pairs: dict[str, Pair], run: Import
    ) -> None:
        """What nobody, or somebody else, has vouched for is not served."""
        both = ("--model", model, "--policy", policy)
        trusting = Settings(trusted_key=(pairs["next"].public, pairs["ours"].public))
        run(*both)
        with pytest.raises(UnvouchedEntryError, match="the model in the store: nobody vouched for it; have a trusted"):
            load_served(trusting, None)
        run(*both, trusting=(pairs["ours"],))
        assert {pairs["ours"].fingerprint} == set(load_served(trusting, None).signed_by.values())
        edit(policy, lambda document: document.update(version="9.9.9"))
        sign(policy.parent, pairs["theirs"].private)
        run("--policy", policy, trusting=(pairs["theirs"],))
        stranger = pairs["theirs"].fingerprint[:12]
        with pytest.raises(UnvouchedEntryError, match=f"the policy in the store: sha256 {stranger}… vouched for"):
            load_served(trusting, None)
        with pytest.raises(UnvouchedEntryError, match="can't be read"):
            load_served(Settings(trusted_key=(tmp_path / "none",)), None)


def test_where_nothing_can_verify(
    store: Path, policy: Path, pairs: dict[str, Pair], run: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the packages that verify, an import that trusts a key is refused, not waved through."""
    monkeypatch.setitem(sys.modules, "signing.signatures", None)
    line = refused(run, store, "--policy", policy, trusting=(pairs["ours"],))
    assert line.startswith("no signature can be verified here (")
