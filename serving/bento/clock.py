"""A steady clock for BentoML's batcher, which otherwise goes by the wall clock, and that one is set now and then.

By a clock that was set forward, whatever waits has waited for too long and is shed, and a batch that was at work has
taken an hour, which sheds what comes after it as well. By one that was set back, a lone request waits for company until
the clock is where it was, or another request comes.
"""

from __future__ import annotations

import time
from types import SimpleNamespace

from bentoml._internal.marshal import dispatcher
from bentoml._internal.utils import alg


def go_by_a_steady_clock() -> None:
    """Have dispatchers that are made from now on take every time from a clock that is never set."""
    steady = SimpleNamespace(time=time.monotonic)  # in the place of a module, of which they use nothing else
    for module in (dispatcher, alg):
        vars(module)["time"] = steady
