"""Feature vector to probability of default. Knows nothing of thresholds or decisions."""
