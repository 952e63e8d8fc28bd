"""Memory of a worker that moves a day through large blocks.

After glibc has freed a block of several megabytes for the first time, it takes blocks of this size from the heap,
between small ones, and the heap never shrinks below the last of them: the process grows with the day.
https://man7.org/linux/man-pages/man3/mallopt.3.html, ``M_MMAP_THRESHOLD``
"""

from __future__ import annotations

import ctypes
from functools import cache

_M_MMAP_THRESHOLD = -3  # <malloc.h>
_LEAST = 1 << 20  # bytes of a block that is mapped alone: pages of documents and pieces of lines are larger


@cache
def keep_large_blocks_apart() -> bool:
    """From now on, this process gives each large block back to the system when it is freed.

    :returns: whether it does; other C libraries do so anyway, or have no such setting
    """
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LEAST))
    except (AttributeError, OSError):
        return False
