"""From log-odds to a probability."""

from __future__ import annotations

from math import exp

import numpy as np
from numpy.typing import NDArray

_MOST = 709.0
"""Above it the exponential might not fit into a float. No log-odds of a model come near."""

_FEW = 8
"""So many are sooner done one by one altogether."""


def logistic(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probability for each of the log-odds, as `scipy.special.expit` has it, bit for bit; 1e-308 is the least.

    By the C library's exponential, one by one. NumPy's depends in its last bit on what the processor can do, and SciPy
    is 129 MB.
    """
    if len(log_odds) <= _FEW:
        return np.array([1 / (1 + exp(min(-each, _MOST))) for each in log_odds.tolist()], dtype=np.float64)
    against = np.minimum(-log_odds, _MOST)
    return 1 / (1 + np.fromiter(map(exp, against.tolist()), np.float64, len(against)))
