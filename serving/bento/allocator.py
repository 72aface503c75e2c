"""Has glibc give the memory of bodies and answers back to the system once they are let go.

A freed block that was mapped by itself raises glibc's threshold for mapping, so that after the first large body all of
them come from the heap; and the heap shrinks from its end only, where something small always lives. A fixed threshold
keeps large blocks out of the heap. See docs/decisions/0019.
"""

from __future__ import annotations

import ctypes

MAPPED_BYTES = 32_768
"""Blocks from this size on are mapped by themselves: the parts that a body is read and parsed in, the body, an answer.
At 64 KiB the last part of a read of 256,000 bytes still came from the heap."""

HEADROOM_BYTES = 1024 * 1024
"""What the heap's end is to have free whenever it grows or shrinks. What compresses a record takes 170 KB for some
microseconds: where the end has less, that is mapped anew each time, which is 41 page faults; and whether it has less
changes from minute to minute. It is taken at once, since the heap does not always grow of itself before it is needed:
where other memory lies behind it, it goes on elsewhere, and neither shrinks nor grows for long."""

_M_TOP_PAD, _M_MMAP_THRESHOLD = -2, -3


def give_memory_back() -> bool:
    """Fix the threshold for this process, give back what start-up has freed, and take the headroom.

    Returns:
        Whether the C library is one that takes it: musl and macOS's do what they do.
    """
    library = ctypes.CDLL(None)
    try:
        library.malloc.argtypes, library.malloc.restype = (ctypes.c_size_t,), ctypes.c_void_p
        library.free.argtypes = (ctypes.c_void_p,)
        library.malloc_trim(0)
        # Meanwhile the threshold is above the headroom, which would be mapped by itself.
        padded = library.mallopt(_M_TOP_PAD, HEADROOM_BYTES) and library.mallopt(_M_MMAP_THRESHOLD, 2 * HEADROOM_BYTES)
        library.free(library.malloc(HEADROOM_BYTES))
        return bool(padded and library.mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES))
    except AttributeError:
        return False
