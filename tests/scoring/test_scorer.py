from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.ensemble import GradientBoostingClassifier as Estimator

from preprocessing.application import Application
from scoring.artifact import GOLDEN, IncoherentArtifactError, read_artifact
from scoring.estimator import load_estimator
from scoring.scorer import Scorer
from tests.applications import EXAMPLE, NUMBERS, Document, examples, parse_application, portfolio, valid_applications
from tests.artifacts import MODEL_FOLDER, edit_signed, small_model


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(read_artifact(MODEL_FOLDER))


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    return load_estimator(read_artifact(MODEL_FOLDER))


@pytest.fixture(scope="module")
def applications() -> list[Application]:
    return [parse_application(document) for document in portfolio(600, seed=11)]


def splits(scorer: Scorer) -> Iterator[tuple[int, float]]:
    """Every feature and threshold at which some tree parts the applications."""
    pairs = set()
    for feature, _ in enumerate(scorer.schema.features):
        pairs |= {(feature, threshold) for threshold in scorer.leaves.ensemble.thresholds([feature])}
    yield from sorted(pairs)


def around(threshold: float) -> list[np.float32]:
    """A threshold as float32, and its two neighbours."""
    middle = np.float32(threshold)
    return [middle, np.nextafter(middle, np.float32(-np.inf)), np.nextafter(middle, np.float32(np.inf))]


class TestAgainstScikitLearn:
    def test_portfolio(self, scorer: Scorer, estimator: Estimator, applications: list[Application]) -> None:
        """Margins are those of scikit-learn's public method bit for bit, and PDs what the calibration makes of them."""
        scores = scorer.score(applications)
        assert estimator.decision_function(scores.matrix).tobytes() == scores.margin.tobytes()
        assert expit(scorer.calibration.apply(scores.margin)).tobytes() == scores.pd.tobytes()

    @examples(100)
    @given(documents=st.lists(valid_applications(), min_size=1, max_size=4))
    def test_any_application(self, scorer: Scorer, estimator: Estimator, documents: list[Document]) -> None:
        """The same for anything that the contract allows."""
        scores = scorer.score([parse_application(document) for document in documents])
        assert estimator.decision_function(scores.matrix).tobytes() == scores.margin.tobytes()

    def test_every_threshold(self, scorer: Scorer, estimator: Estimator, applications: list[Application]) -> None:
        """The same at every threshold of every tree and one float32 step to either side of it."""
        base = scorer.schema.matrix(applications)
        at = [(feature, value) for feature, threshold in splits(scorer) for value in around(threshold)]
        matrix = base[np.random.default_rng(1).integers(len(base), size=len(at))]
        matrix[range(len(at)), [feature for feature, _ in at]] = [value for _, value in at]
        assert len(at) > 900
        assert estimator.decision_function(matrix).tobytes() == scorer.score_matrix(matrix).margin.tobytes()

    def test_a_threshold_divides(self, scorer: Scorer) -> None:
        """The rows at the thresholds are no idle ones: a step across changes many an answer."""
        base = scorer.schema.matrix([parse_application(EXAMPLE)])
        amount = scorer.schema.features.index("loan_amnt")
        changed = 0
        for threshold in [t for feature, t in splits(scorer) if feature == amount][:50]:
            rows = np.repeat(base, 2, axis=0)
            rows[:, amount] = threshold, np.nextafter(np.float32(threshold), np.float32(np.inf))
            changed += np.ptp(scorer.score_matrix(rows).log_odds) > 0
        assert changed > 0

    def test_thresholds_in_applications(self, scorer: Scorer, estimator: Estimator) -> None:
        """The same where an application itself lies on a threshold."""
        fields = {i: name for i, name in enumerate(scorer.schema.features) if name in NUMBERS}
        fields = {i: name for i, name in fields.items() if name != "loan_percent_income"}
        documents = []
        for feature, threshold in splits(scorer):
            if feature in fields:
                low, high = NUMBERS[fields[feature]]
                documents += [
                    EXAMPLE | {"loan_percent_income": None, fields[feature]: float(value)}
                    for value in (threshold, *around(threshold))
                    if low <= value <= high
                ]
        scores = scorer.score([parse_application(d) for d in Random(1).sample(documents, min(4000, len(documents)))])
        assert estimator.decision_function(scores.matrix).tobytes() == scores.margin.tobytes()


class TestIndependence:
    def test_one_by_one(self, scorer: Scorer, applications: list[Application]) -> None:
        """An application alone and among 600 gets the same PD bit for bit."""
        alone = [scorer.score([application]).pd.tobytes() for application in applications]
        assert alone == [pd.tobytes() for pd in scorer.score(applications).pd]

    @pytest.mark.parametrize("size", [2, 7, 64, 500])
    def test_batches(self, scorer: Scorer, applications: list[Application], size: int) -> None:
        """So it does in batches of any size, shuffled."""
        whole = scorer.score(applications).pd
        order = Random(size).sample(range(len(applications)), len(applications))
        shuffled = [applications[i] for i in order]
        parts = [scorer.score(shuffled[i : i + size]).pd for i in range(0, len(order), size)]
        assert whole[order].tobytes() == np.concatenate(parts).tobytes()

    @examples(60)
    @given(documents=st.lists(valid_applications(), min_size=1, max_size=5), data=st.data())
    def test_any_neighbours(self, scorer: Scorer, documents: list[Document], data: st.DataObject) -> None:
        """Whoever the neighbours are, and however often, an answer is that application's own."""
        pool = [parse_application(document) for document in documents]
        picks = data.draw(st.lists(st.sampled_from(range(len(pool))), min_size=1, max_size=20))
        alone = [scorer.score([application]).pd.tobytes() for application in pool]
        together = scorer.score([pool[i] for i in picks]).pd
        assert [alone[i] for i in picks] == [pd.tobytes() for pd in together]

    @examples(60)
    @given(document=valid_applications(), age=st.integers(0, 120), history=st.integers(0, 100))
    def test_age_counts_for_nothing(self, scorer: Scorer, document: Document, age: int, history: int) -> None:
        """Neither age nor the length of credit history moves a PD by a single bit."""
        other = document | {"person_age": age, "cb_person_cred_hist_length": history}
        one, two = scorer.score([parse_application(document), parse_application(other)]).pd
        assert one == two

    def test_scoring_leaves_no_trace(self, scorer: Scorer, applications: list[Application]) -> None:
        """The hundredth answer is the first one."""
        first = scorer.score(applications[:5]).pd.tobytes()
        for i in range(0, 600, 6):
            scorer.score(applications[i : i + 6])
        assert first == scorer.score(applications[:5]).pd.tobytes()


class TestScores:
    def test_shapes(self, scorer: Scorer, applications: list[Application]) -> None:
        """One row of features, one log-odds and one PD for each application."""
        scores = scorer.score(applications[:3])
        assert ((3, len(scorer.schema.features)), (3,), (3,)) == (
            scores.matrix.shape,
            scores.log_odds.shape,
            scores.pd.shape,
        )
        assert (np.float32, np.float64, np.float64) == (scores.matrix.dtype, scores.log_odds.dtype, scores.pd.dtype)

    @examples(100)
    @given(document=valid_applications())
    def test_a_pd_is_a_probability(self, scorer: Scorer, document: Document) -> None:
        """Nothing within the contract gets a PD of 0, of 1, or none at all."""
        (pd,) = scorer.score([parse_application(document)]).pd
        assert 0 < pd < 1


class TestGolden:
    def test_deviation(self, scorer: Scorer) -> None:
        """On the machine of the tests the golden applications get their PDs exactly."""
        assert scorer.golden_deviation() == 0

    def test_warm_up(self, scorer: Scorer) -> None:
        """The golden applications are there to be scored, in the file's order."""
        golden = read_artifact(MODEL_FOLDER).golden.applications
        assert [parse_application(entry.application) for entry in golden] == list(scorer.golden)

    def test_a_deviation_is_told(self, tmp_path: Path) -> None:
        """A stored PD that is off is told by how much, wherever it stands in the file."""
        folder = small_model(tmp_path / "model")

        def lower(document: dict[str, Any]) -> None:
            document["applications"][-1]["probability_of_default"] /= 2

        golden_pd = read_artifact(folder).golden.applications[-1].probability_of_default
        edit_signed(folder, GOLDEN, lower)
        assert golden_pd / 2 == Scorer(read_artifact(folder)).golden_deviation()

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"person_age": -1}, "person_age: Input should be greater than or equal to 0"),
            ({"surprise\n": 1}, r"surprise\n: unknown field; remove it"),
            ({"person_age": -1, "surprise": 1}, "person_age: Input should be greater than or equal to 0"),
        ],
    )
    def test_outside_the_contract(self, tmp_path: Path, change: Document, message: str) -> None:
        """What the contract refuses is an error that names the file, the first field and the remedy."""
        folder = small_model(tmp_path / "model")
        edit_signed(folder, GOLDEN, lambda document: document["applications"][1]["application"].update(change))
        with pytest.raises(IncoherentArtifactError) as info:
            Scorer(read_artifact(folder))
        assert f"{GOLDEN}: {message}; train again" == str(info.value)
