"""Feature vector to probability of default. Knows nothing of thresholds or decisions."""

MODEL_NAME = "credit_risk_gradient_boosting"
"""What every model here is called, in its manifest and in the store."""
