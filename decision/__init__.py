"""The decision policy: what a lender does with a probability of default. Knows nothing of models or features."""

from decision.policy import Decision, InvalidPolicyError, Outcome, Policy, decide, parse_policy

__all__ = ["Decision", "InvalidPolicyError", "Outcome", "Policy", "decide", "parse_policy"]
