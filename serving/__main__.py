"""`python -m serving keys`: API keys. The service itself is served by BentoML, as `make serve` does."""

from __future__ import annotations

import sys

from serving.access.command import main

if __name__ == "__main__":
    sys.exit(main())
