"""Put the model into the BentoML store, as `bentoml.sklearn` would have it."""

from __future__ import annotations

import sys

import bentoml
import joblib

bentoml.sklearn.save_model("credit_risk_quickstart", joblib.load(sys.argv[1]))
