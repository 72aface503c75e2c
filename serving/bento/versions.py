"""The one list of BentoML's versions that the tests have passed with: `.ci/bentoml-versions` runs them."""

TESTED = ("1.4.20", "1.4.28", "1.4.39", "1.4.40")
"""Oldest first; all give the same answers."""
