"""One application to one answer: score, decide, give reasons. What serving, replays and portfolios share.

engine.py      from applications to assessments
impacts.py     what each reason weighs, quickly as far as only the order counts
foresight.py   where a search for a better decision is likely to end
steps.py       work that asks questions on its way, many of it at once
along.py       what an application would get along the whole range of one field
columnar/      the same answers for many applications, a column at a time
opening.py     a verified model and policy, made ready
"""

from engine.along import Along, Single, Stretch, along
from engine.engine import Assessment, Attributions, Engine, Identity, Span, no_span
from engine.opening import GOLDEN_TOLERANCE, check_fit, open_model

__all__ = [
    "GOLDEN_TOLERANCE",
    "Along",
    "Assessment",
    "Attributions",
    "Engine",
    "Identity",
    "Single",
    "Span",
    "Stretch",
    "along",
    "check_fit",
    "no_span",
    "open_model",
]
