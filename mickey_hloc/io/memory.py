"""Memory that is free within the process goes back to the system."""

import ctypes
import sys
from collections.abc import Callable
from functools import cache


def release_free_memory() -> None:
    """Give free pages back, where the C library can (glibc); a few milliseconds at most.

    What is kept for long (features, HDF5's own records) lies scattered among large short-lived arrays, whose places the
    heap then hardly uses again: without this it grows by several such arrays with every image that is read.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
