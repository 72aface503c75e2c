"""`python -m benchmarks`: the bundle against its peers, all of it or some parts.

python -m benchmarks --json run1.json            # one whole run; 11 minutes or so
python -m benchmarks --quick                     # two minutes or so, to see that everything works
python -m benchmarks --only throughput latency
python -m benchmarks --only throughput --servers bundle floor echo
python -m benchmarks --check                     # fails where a ratio is worse than in results.json by over 15%
python -m benchmarks --render run1.json run2.json run3.json    # into RESULTS.md, results.json and results.svg
python -m benchmarks soak                        # a million mixed requests: does what the service holds stay flat?
"""

from __future__ import annotations

import sys
from importlib import import_module

from benchmarks.arguments import parse

if __name__ == "__main__":
    if sys.argv[1:2] == ["soak"]:
        soak = import_module("benchmarks.soak.command")
        sys.exit(soak.run(soak.parse(sys.argv[2:])))
    options = parse(sys.argv[1:])
    # Imported when the arguments are right: it takes seconds.
    sys.exit(import_module("benchmarks.command").run(options))
