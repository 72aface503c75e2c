"""BentoML with a DataFrame as input, features by pandas, and the model's `predict_proba`."""

from __future__ import annotations

import json
from pathlib import Path

import bentoml
import pandas as pd

SCHEMA = json.loads(
    (Path(__file__).resolve().parents[3] / "artifacts" / "model" / "feature_schema.json").read_text(encoding="utf-8")
)
NO_EMPLOYMENT = -81.0
"""Where nothing is known of it: below all that can be stated, as in training."""

GRADES = {grade: rank for rank, grade in enumerate("ABCDEFG")}


@bentoml.service
class CreditRiskQuickstart:
    """Probabilities of default for a table of applications, as the model has them: not calibrated."""

    def __init__(self) -> None:
        self.model = bentoml.sklearn.load_model("credit_risk_quickstart:latest")

    @bentoml.api
    def predict(self, applications: pd.DataFrame) -> list[float]:
        """One probability of default for each row."""
        return self.model.predict_proba(features(applications).to_numpy())[:, 1].tolist()


def features(applications: pd.DataFrame) -> pd.DataFrame:
    """The model's columns, in its order."""
    frame = applications.reindex(columns=applications.columns.union(["person_emp_length", "loan_int_rate"]))
    frame["person_emp_length"] = frame["person_emp_length"].astype(float).fillna(NO_EMPLOYMENT)
    frame["loan_int_rate_missing"] = frame["loan_int_rate"].isna()
    frame["loan_int_rate"] = frame["loan_int_rate"].astype(float).fillna(SCHEMA["cleaning"]["loan_int_rate"])
    frame["loan_percent_income"] = frame["loan_amnt"] / frame["person_income"]
    frame["loan_grade_rank"] = frame["loan_grade"].map(GRADES)
    frame["cb_person_default_on_file"] = frame["cb_person_default_on_file"] == "Y"
    encoded = pd.get_dummies(frame, columns=["person_home_ownership", "loan_intent"])
    return encoded.reindex(columns=SCHEMA["features"], fill_value=0).astype(float)
