"""What the model and the policy are called in the store."""

from __future__ import annotations

from scoring import MODEL_NAME

MODEL_ENTRY = MODEL_NAME
POLICY_ENTRY = "credit_risk_policy"
