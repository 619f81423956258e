"""The memory of the process: how much it has, and giving back what it does not use."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from contextlib import suppress


def resident() -> int:
    """Bytes of memory that the process has; 0 where the system does not say."""
    with suppress(OSError, ValueError, IndexError), open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def give_back() -> None:
    """Give memory that nobody uses back to the system, and to other processes on a GPU.

    glibc keeps what was freed between two blocks that are in use: of many small tensors that is more than there is.
    """
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)
