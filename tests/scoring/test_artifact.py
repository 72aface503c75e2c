from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessing.contract import CONTRACT_FILE
from scoring.artifact import (
    CARD,
    DISTRIBUTION,
    ENSEMBLE,
    GOLDEN,
    MANIFEST,
    MODEL,
    PINNED_LIBRARIES,
    SCHEMA,
    TABLES,
    ArtifactError,
    DigestMismatchError,
    IncoherentArtifactError,
    IncompatibleVersionError,
    MissingFileError,
    read_artifact,
    sha256,
)
from scoring.estimator import PICKLE_LIBRARIES
from scoring.scorer import Scorer
from tests.applications import examples
from tests.artifacts import MODEL_FOLDER, edit, edit_signed, refusal, sign, small_model

FILES = (MODEL, ENSEMBLE, CONTRACT_FILE, SCHEMA, GOLDEN, TABLES, DISTRIBUTION, CARD)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small_model(tmp_path / "model")


def read_refusal(kind: type[ArtifactError], folder: Path) -> str:
    return refusal(kind, lambda: read_artifact(folder))


def archive(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


class TestShipped:
    def test_is_read(self) -> None:
        """The artifact in the repository is verified."""
        artifact = read_artifact(MODEL_FOLDER)
        assert artifact.manifest.features == artifact.schema.features

    def test_is_held_as_bytes(self, folder: Path) -> None:
        """What was verified is what is used, whatever happens to the files afterwards."""
        artifact = read_artifact(folder)
        for name in artifact.contents:
            (folder / name).write_bytes(b"changed")
        assert Scorer(artifact).golden_deviation() == 0

    def test_digests(self, folder: Path) -> None:
        """The digests are those of the files, the manifest's own among them."""
        expected = {path.name: sha256(path.read_bytes()) for path in folder.iterdir()}
        assert expected == read_artifact(folder).digests
        assert MANIFEST in expected

    def test_other_files_are_left_alone(self, folder: Path) -> None:
        """A file that the manifest does not name, such as a plot, is no part of the artifact."""
        (folder / "plot.png").write_bytes(b"anything")
        assert "plot.png" not in read_artifact(folder).contents


class TestFiles:
    @pytest.mark.parametrize("name", [MANIFEST, *FILES])
    def test_missing(self, folder: Path, name: str) -> None:
        """A missing file is named, with the folder where it was looked for."""
        (folder / name).unlink()
        message = read_refusal(MissingFileError, folder)
        assert message.startswith(f"{name}: can't be read from {folder} (No such file or directory); restore it")

    @pytest.mark.parametrize("name", [MANIFEST, MODEL])
    def test_unreadable(self, folder: Path, name: str) -> None:
        """A file that can't be read is named, with the system's reason."""
        (folder / name).unlink()
        (folder / name).mkdir()
        assert read_refusal(MissingFileError, folder).startswith(
            f"{name}: can't be read from {folder} (Is a directory)"
        )

    def test_no_folder(self, tmp_path: Path) -> None:
        """Where there is no artifact at all, the manifest is what is missing."""
        assert MANIFEST in read_refusal(MissingFileError, tmp_path / "nowhere")

    @pytest.mark.parametrize("name", FILES)
    @pytest.mark.parametrize("place", [0.0, 0.5, 1.0], ids=["first", "middle", "last"])
    def test_one_bit_flipped(self, folder: Path, name: str, place: float) -> None:
        """One bit in one file is enough, and the file is named with both digests."""
        content = bytearray((folder / name).read_bytes())
        expected = sha256(bytes(content))
        content[int(place * (len(content) - 1))] ^= 1
        (folder / name).write_bytes(content)
        message = read_refusal(DigestMismatchError, folder)
        actual = sha256(bytes(content))
        assert f"{name}: its sha256 is {actual[:12]}… but {MANIFEST} vouches for {expected[:12]}…; " in message

    @pytest.mark.parametrize("name", FILES)
    @pytest.mark.parametrize("change", [lambda b: b[:0], lambda b: b[:-1], lambda b: b + b"\n"], ids=["0", "-1", "+1"])
    def test_other_length(self, folder: Path, name: str, change: Callable[[bytes], bytes]) -> None:
        """Neither a cut file nor one with something appended passes."""
        (folder / name).write_bytes(change((folder / name).read_bytes()))
        assert read_refusal(DigestMismatchError, folder).startswith(f"{name}: ")

    @pytest.mark.parametrize("signed", [False, True])
    def test_the_pickle_is_not_opened(self, folder: Path, tmp_path: Path, signed: bool) -> None:
        """Not even one whose digest is right is executed by reading, nor by making the model ready."""
        trace = tmp_path / "executed"

        class Bomb:
            def __reduce__(self) -> tuple[Any, ...]:
                return Path.touch, (trace,)

        (folder / MODEL).write_bytes(pickle.dumps(Bomb()))
        if signed:
            sign(folder)
            assert Scorer(read_artifact(folder)).golden_deviation() == 0
        else:
            read_refusal(DigestMismatchError, folder)
        assert not trace.exists()


class TestManifest:
    @pytest.mark.parametrize(
        "content",
        [b"", b"{", b"[1]", b"null", b"\xff\xfe", b'{"format": 1', b"[" * 10_000, b'"x"'],
        ids=["empty", "cut", "list", "null", "no UTF-8", "cut later", "nested", "string"],
    )
    @pytest.mark.parametrize("name", [MANIFEST, SCHEMA, GOLDEN, DISTRIBUTION])
    def test_malformed(self, folder: Path, name: str, content: bytes) -> None:
        """A file that is no JSON object is named, though its digest is right."""
        (folder / name).write_bytes(content)
        if name != MANIFEST:
            sign(folder)
        assert read_refusal(IncoherentArtifactError, folder).startswith(f"{name}: ")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"format": 1}, "format: Input should be 3"),
            ({"surprise": 1}, "surprise: Extra inputs are not permitted"),
            ({"line\nbreak": 1}, r"line\nbreak: Extra inputs are not permitted"),
            ({"version": "1.0"}, "version: String should match pattern"),
            ({"version": 1}, "version: Input should be a valid string"),
            ({"name": "../evil"}, "name: String should match pattern"),
            ({"created": "yesterday"}, "created: Input should be a valid date"),
            ({"features": "all"}, "features: Input should be a valid array"),
            ({"libraries": {"numpy": 2}}, "libraries.numpy: Input should be a valid string"),
            ({"artifacts": {MODEL: "123"}}, f"artifacts.{MODEL}: String should match pattern"),
            ({"artifacts": {MODEL: "A" * 64}}, f"artifacts.{MODEL}: String should match pattern"),
        ],
        ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
    )
    def test_outside_its_format(self, folder: Path, change: dict[str, Any], message: str) -> None:
        """Unknown keys, other formats and wrong types are named by their place."""
        edit(folder / MANIFEST, lambda manifest: manifest.update(change))
        assert read_refusal(IncoherentArtifactError, folder).startswith(f"{MANIFEST}: {message}")

    @pytest.mark.parametrize("name", [MANIFEST, CONTRACT_FILE, SCHEMA, GOLDEN, DISTRIBUTION])
    def test_key_stated_twice(self, folder: Path, name: str) -> None:
        """Of two values under one key nobody could say which one holds, in whatever file they stand."""
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content.replace(b"{", b'{"format": 0, ', 1))
        if name != MANIFEST:
            sign(folder)
        message = read_refusal(IncoherentArtifactError, folder)
        assert f"{name}: not valid JSON: a key is stated twice in one object: format; keep one" in message

    @pytest.mark.parametrize("key", ["format", "name", "version", "features", "libraries", "artifacts", "evaluation"])
    def test_key_missing(self, folder: Path, key: str) -> None:
        """A missing key is named."""
        edit(folder / MANIFEST, lambda manifest: manifest.pop(key))
        assert read_refusal(IncoherentArtifactError, folder).startswith(f"{MANIFEST}: {key}: Field required")

    @pytest.mark.parametrize("name", [MODEL, ENSEMBLE, SCHEMA, GOLDEN, TABLES, DISTRIBUTION])
    def test_not_vouched_for(self, folder: Path, name: str) -> None:
        """A file that is needed but not vouched for is an error: it could be anything."""
        edit(folder / MANIFEST, lambda manifest: manifest["artifacts"].pop(name))
        assert f"{MANIFEST} vouches for no {name}; train again" == read_refusal(IncoherentArtifactError, folder)

    @pytest.mark.parametrize(
        "name", ["../secret", "sub/file", "/etc/passwd", "..", ".", "", "a\x00b", "a\nb", ".hidden"]
    )
    def test_names_a_path(self, folder: Path, name: str) -> None:
        """A manifest can't reach out of its folder, nor name what is no plain file."""
        edit(folder / MANIFEST, lambda manifest: manifest["artifacts"].update({name: "0" * 64}))
        message = read_refusal(IncoherentArtifactError, folder)
        assert f"{MANIFEST} names {name!r}, which is not a plain file name; train again" == message

    @examples(60)
    @given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
    def test_whatever_it_holds(self, tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
        """Anything else in the manifest's place is refused in one line."""
        folder = tmp_path_factory.mktemp("model")
        (folder / MANIFEST).write_bytes(content)
        read_refusal(IncoherentArtifactError, folder)


class TestLibraries:
    @pytest.mark.parametrize("library", PINNED_LIBRARIES)
    def test_other_version(self, folder: Path, library: str) -> None:
        """Another version of a pinned library is named with both versions and how to install the right one."""
        edit(folder / MANIFEST, lambda manifest: manifest["libraries"].update({library: "0.0.1"}))
        assert (
            f"{MANIFEST}: trained with {library} 0.0.1, but {version(library)} is here; "
            f"install {library}==0.0.1, or train again"
        ) == read_refusal(IncompatibleVersionError, folder)

    @pytest.mark.parametrize("library", PINNED_LIBRARIES)
    def test_unknown_version(self, folder: Path, library: str) -> None:
        """A manifest that does not say what it was trained with is refused."""
        edit(folder / MANIFEST, lambda manifest: manifest["libraries"].pop(library))
        assert (
            f"{MANIFEST}: trained with {library} of unknown version, but {version(library)} is here; train again"
        ) == read_refusal(IncompatibleVersionError, folder)

    def test_other_libraries_may_differ(self, folder: Path) -> None:
        """A library that no PD depends on may have any version."""
        others = dict.fromkeys(("matplotlib", *PICKLE_LIBRARIES), "0.0.1")
        edit(folder / MANIFEST, lambda manifest: manifest["libraries"].update(others))
        read_artifact(folder)


class TestCoherence:
    @pytest.mark.parametrize("name", [SCHEMA, MANIFEST])
    @pytest.mark.parametrize(
        "change",
        [lambda d: d["features"].reverse(), lambda d: d["features"].pop(), lambda d: d["features"].append("shoe_size")],
        ids=["order", "one less", "one more"],
    )
    def test_other_features(self, folder: Path, name: str, change: Callable[[dict[str, Any]], Any]) -> None:
        """Other features than the contract makes, or another order of them, are refused."""
        edit_signed(folder, name, change)
        message = read_refusal(IncoherentArtifactError, folder)
        assert message.startswith(f"{name} lists other features than {CONTRACT_FILE} makes, or in another order")

    @pytest.mark.parametrize("constants", [{}, {"person_emp_length": 4.0, "loan_int_rate": None}])
    def test_cleaning_constants(self, folder: Path, constants: dict[str, Any]) -> None:
        """A cleaning constant that is missing is named."""
        edit_signed(folder, SCHEMA, lambda schema: schema.update(cleaning=constants))
        message = read_refusal(IncoherentArtifactError, folder)
        assert message.startswith(f"{SCHEMA}: ")
        assert "loan_int_rate" in message

    def test_a_contract_that_can_t_be_used(self, folder: Path) -> None:
        """The contract is held to its own rules, every fault named."""
        edit_signed(folder, CONTRACT_FILE, lambda d: (d.update(version="1"), d["fields"][0].update(use="both")))
        message = read_refusal(IncoherentArtifactError, folder)
        assert f"{CONTRACT_FILE}: version: " in message
        assert f"{CONTRACT_FILE}: fields.0." in message


class TestGolden:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda golden: golden.update(format=2), "format: Input should be 1"),
            (lambda golden: golden.update(applications=[]), "applications: List should have at least 1 item"),
            (lambda golden: golden.update(surprise=1), "surprise: Extra inputs are not permitted"),
            (lambda golden: golden["applications"][1].pop("name"), "applications.1.name: Field required"),
            (
                lambda golden: golden["applications"][0].update(probability_of_default=1.5),
                "applications.0.probability_of_default: Input should be less than or equal to 1",
            ),
            (
                lambda golden: golden["applications"][0].update(probability_of_default="0.5"),
                "applications.0.probability_of_default: Input should be a valid number",
            ),
        ],
        ids=["format", "none", "unknown key", "no name", "no probability", "string"],
    )
    def test_outside_its_format(self, folder: Path, change: Callable[[dict[str, Any]], Any], message: str) -> None:
        """What is wrong with the golden applications is named by its place."""
        edit_signed(folder, GOLDEN, change)
        assert read_refusal(IncoherentArtifactError, folder).startswith(f"{GOLDEN}: {message}")


class TestTrees:
    @pytest.mark.parametrize(
        "content",
        [b"", b"not an archive", b"PK\x03\x04", pickle.dumps(1)],
        ids=["empty", "text", "zip cut", "pickle"],
    )
    def test_no_archive(self, folder: Path, content: bytes) -> None:
        """A file that holds no trees, though its digest is right, is named."""
        (folder / ENSEMBLE).write_bytes(content)
        sign(folder)
        assert read_refusal(IncoherentArtifactError, folder).startswith(f"{ENSEMBLE}: not an archive of trees")

    def test_a_pickle_inside(self, folder: Path, tmp_path: Path) -> None:
        """A pickle inside the archive is not executed."""
        trace = tmp_path / "executed"

        class Bomb:
            def __reduce__(self) -> tuple[Any, ...]:
                return Path.touch, (trace,)

        with np.load(folder / ENSEMBLE) as whole:
            (folder / ENSEMBLE).write_bytes(archive(**dict(whole) | {"value": np.array([[Bomb()]], dtype=object)}))
        sign(folder)
        assert read_refusal(IncoherentArtifactError, folder).startswith(f"{ENSEMBLE}: not an archive of trees")
        assert not trace.exists()

    def test_of_other_features(self, folder: Path) -> None:
        """Trees that may read columns that no application has are refused."""
        trees = read_artifact(folder).trees
        (folder / ENSEMBLE).write_bytes(replace(trees, columns=trees.columns + 1).to_bytes())
        sign(folder)
        assert (
            f"{ENSEMBLE} was fitted on {trees.columns + 1} features but {SCHEMA} lists {trees.columns}; train again"
        ) == read_refusal(IncoherentArtifactError, folder)


class TestTables:
    @pytest.mark.parametrize(
        "content",
        [b"", b"not an archive", b"PK\x03\x04", archive(other=[1.0]), archive(values=[1.0]), archive(base_value=1.0)],
        ids=["empty", "text", "zip cut", "other", "no base value", "no values"],
    )
    def test_no_tables(self, folder: Path, content: bytes) -> None:
        """A file that holds no attribution tables, though its digest is right, is named."""
        (folder / TABLES).write_bytes(content)
        sign(folder)
        assert read_refusal(IncoherentArtifactError, folder).startswith(
            f"{TABLES}: not an archive of attribution tables"
        )

    @pytest.mark.parametrize("values", [1.0, [[[1.0]]], [1], [np.nan], [np.inf], ["1"]], ids=str)
    def test_other_numbers(self, folder: Path, values: Any) -> None:
        """Tables of another shape or type, or that are not finite, are refused."""
        (folder / TABLES).write_bytes(archive(values=values, base_value=1.0))
        sign(folder)
        assert read_refusal(IncoherentArtifactError, folder).startswith(f"{TABLES}: attribution tables must be ")

    def test_a_pickle_inside(self, folder: Path) -> None:
        """A pickle inside the archive is not executed."""
        (folder / TABLES).write_bytes(archive(values=np.array([Path], dtype=object), base_value=1.0))
        sign(folder)
        assert read_refusal(IncoherentArtifactError, folder).startswith(f"{TABLES}: not an archive")

    def test_other_base_value(self, folder: Path) -> None:
        """Tables of another reference population than the manifest's are refused."""
        edit(folder / MANIFEST, lambda manifest: manifest["reference_population"].update(base_value=-1.0))
        message = read_refusal(IncoherentArtifactError, folder)
        assert message.startswith(f"{TABLES} and {MANIFEST} state different base values of the reference population; ")


class TestDistribution:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda d: d.update(format=1), "as a whole: it is of format 1, and this code reads 2, which has ranges"),
            (lambda d: d.update(rows=0), "rows: Input should be greater than or equal to 1"),
            (lambda d: d.update(bins=[]), "bins: List should have at least 1 item"),
            (
                lambda d: d["bins"][0].update(shares=[1.5]),
                "bins.0.shares.0: Input should be less than or equal to 1",
            ),
            (lambda d: d["bins"][0].update(categories=["A"]), "bins.0: person_income has either categories or numbers"),
            (lambda d: d["bins"][0]["shares"].pop(), "bins.0: person_income needs one share for each bin"),
            (lambda d: d["bins"][0]["edges"].reverse(), "bins.0: the edges of person_income must rise"),
        ],
        ids=["format", "rows", "no bins", "share", "neither", "shares", "edges"],
    )
    def test_outside_its_format(self, folder: Path, change: Callable[[dict[str, Any]], Any], message: str) -> None:
        """What is wrong with the training distribution is named by its place."""
        edit_signed(folder, DISTRIBUTION, change)
        assert read_refusal(IncoherentArtifactError, folder).startswith(f"{DISTRIBUTION}: {message}")


def test_the_copy_is_good(folder: Path) -> None:
    """The copies that the tests above spoil are sound to begin with, and re-signed."""
    assert read_artifact(MODEL_FOLDER).contents.keys() == read_artifact(folder).contents.keys()
    assert Scorer(read_artifact(folder)).golden_deviation() == 0
    sign(folder)
    assert Scorer(read_artifact(folder)).golden_deviation() == 0
