"""The decision policy: what a lender does with a probability of default. Knows nothing of models or features.

policy.py           thresholds, rules, and `decide`
reversals.py        rules that would punish an improvement, which no policy may hold
score.py            the credit score's scale
reasons.py          rules and attributions to the reasons an applicant is owed
counterfactuals.py  the smallest changes that would have got a better decision
files.py            reading and checking the files
"""

from decision.files import InvalidPolicyError, PolicyFiles, read_policy
from decision.policy import Decision, Outcome, Policy, decide
from decision.reasons import Reason, ReasonCatalogue, explain_decision

__all__ = [
    "Decision",
    "InvalidPolicyError",
    "Outcome",
    "Policy",
    "PolicyFiles",
    "Reason",
    "ReasonCatalogue",
    "decide",
    "explain_decision",
    "read_policy",
]
