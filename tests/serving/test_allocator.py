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

SOMETHING_BEHIND = """
import ctypes
import mmap

library = ctypes.CDLL(None)
size, number, offset = ctypes.c_size_t, ctypes.c_int, ctypes.c_ssize_t
library.sbrk.restype = library.mmap.restype = library.malloc.restype = ctypes.c_void_p
library.sbrk.argtypes, library.malloc.argtypes = (offset,), (size,)
library.mmap.argtypes = (ctypes.c_void_p, size, number, number, number, offset)
end = library.sbrk(0)
mapped = library.mmap(end, mmap.PAGESIZE, mmap.PROT_READ, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
assert mapped == end
blocks = [library.malloc(4_000) for _ in range(230)]
"""
"""Has the heap go on elsewhere, in a piece of 1 MiB that is all but full: as it may by chance, since where a process's
parts lie is random."""


@pytest.mark.skipif(sys.platform != "linux", reason="the heap's end is Linux's")
@pytest.mark.parametrize("before", ["", SOMETHING_BEHIND], ids=["as it is", "with something behind the heap"])
def test_a_record_is_compressed_without_page_faults(before: str) -> None:
    """In a process of its own. Each of them would be some forty where the heap has no headroom."""
    run = subprocess.run([sys.executable, "-c", before + MANY], capture_output=True, text=True, check=True)
    if not run.stdout:
        pytest.skip("another C library than glibc")
    assert float(run.stdout) < 2
