"""How much each field moved an application's log-odds of default."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scoring.scorer import Scorer


class Attributor:
    """Signed attributions per original field, in log-odds: `base_value` plus all of them is the model's log-odds.

    One-hot members and missing flags belong to the field they are made of, so their parts are added up.
    """

    def __init__(self, scorer: Scorer) -> None:
        import shap  # noqa: PLC0415  # 200 MB and seconds to import: only where attributions are asked for

        self._explainer = shap.TreeExplainer(scorer.estimator, feature_perturbation="tree_path_dependent")
        self.base_value = float(np.ravel(self._explainer.expected_value)[0])
        self.fields = scorer.schema.fields
        self._columns = [scorer.schema.columns(field) for field in self.fields]

    def attribute(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Features, shape (n, k), to attributions, shape (n, len(fields)), in log-odds."""
        by_feature = np.asarray(self._explainer.shap_values(matrix, check_additivity=False), dtype=np.float64)
        return np.stack([by_feature[:, columns].sum(axis=1) for columns in self._columns], axis=1)
