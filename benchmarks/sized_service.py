"""The service with another size of merged batch: for the curves only, since no setting should be needed for it."""

import os

from service import CreditRisk

__all__ = ["CreditRisk"]

# The decorator made the class a Service.
CreditRisk.apis["predict"].max_batch_size = int(os.environ["BENCHMARK_MAX_BATCH_SIZE"])  # type: ignore[attr-defined]
