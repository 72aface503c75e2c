"""What is needed for a moment comes from the heap, and is not mapped anew each time."""

from __future__ import annotations

import subprocess
import sys

import pytest

MANY = """
import resource
from zlib_ng import zlib_ng
from serving.bento.allocator import give_memory_back

if give_memory_back():
    kept = [bytes(100) for _ in range(3_000)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(1_000):
        packer = zlib_ng.compressobj(1, zlib_ng.DEFLATED, -12, 5)
        packer.compress(b"a record of some length" * 20)
        packer.flush()
    print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 1_000)
"""


def test_a_record_is_compressed_without_page_faults() -> None:
    """In a process of its own. Each of them would be some forty where the heap has no headroom."""
    run = subprocess.run([sys.executable, "-c", MANY], capture_output=True, text=True, check=True)
    if not run.stdout:
        pytest.skip("another C library than glibc")
    assert float(run.stdout) < 2
