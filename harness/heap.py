"""Memory that the C library holds back, and the search for garbage where there is none."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Where many objects are made and kept: Python looks for no cycles of garbage among them."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def trim() -> None:
    """Give free memory back to the system, where glibc is the C library.

    It keeps what was freed between pieces that are in use. Copies of one matrix after another,
    each aligned and none as large as the one before, would leave a byte a weight behind.
    """
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        if hasattr(library, "malloc_trim"):
            library.malloc_trim(0)
