"""FastAPI with shap's path-dependent TreeExplainer: impacts per feature, no counterfactuals, no logs, no metrics."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel
from shap import TreeExplainer

from benchmarks.peers.assessing import CONTRACT, MODEL, application_of, load_engine
from scoring.artifact import read_artifact
from scoring.estimator import load_estimator
from serving.http.answers import Prediction, prediction

LoanApplication = CONTRACT.model
engine = load_engine()
features = engine.scorer.schema.features
explainer = TreeExplainer(load_estimator(read_artifact(MODEL)), feature_perturbation="tree_path_dependent")
app = FastAPI()


class FeatureImpact(BaseModel):
    """What one feature did to the log-odds of default."""

    feature: str
    value: float
    impact: float


class ShapExplanation(Prediction):
    """A decision, and what moved it."""

    base_value: float
    impacts: list[FeatureImpact]


@app.post("/predict/explain")
async def explain(sent: LoanApplication) -> ShapExplanation:
    """Decide one application, and say what moved its probability of default."""
    application = application_of(sent)
    (assessment,) = engine.assess([application])
    row = engine.scorer.schema.matrix([application])
    (values,) = explainer.shap_values(row)
    impacts = sorted(zip(features, row[0].tolist(), values.tolist(), strict=True), key=lambda item: -abs(item[2]))
    return ShapExplanation(
        **prediction(assessment),
        base_value=float(explainer.expected_value[0]),
        impacts=[FeatureImpact(feature=name, value=value, impact=impact) for name, value, impact in impacts],
    )


@app.get("/ready")
async def ready() -> dict[str, str]:
    """The explainer was built before the first request."""
    return {"status": "ok"}
