"""One application to one answer: score, decide, give reasons. What serving, replays and portfolios share.

engine.py    from applications to assessments
opening.py   a verified model and policy, made ready
"""

from engine.engine import Assessment, Attributions, Engine, Identity, Span, no_span
from engine.opening import GOLDEN_TOLERANCE, check_fit, open_model

__all__ = [
    "GOLDEN_TOLERANCE",
    "Assessment",
    "Attributions",
    "Engine",
    "Identity",
    "Span",
    "check_fit",
    "no_span",
    "open_model",
]
