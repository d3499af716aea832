"""Memory that the C library holds back."""

from __future__ import annotations

import ctypes
import sys


def trim() -> None:
    """Give free memory back to the system, where glibc is the C library.

    It keeps what was freed between pieces that are in use. Copies of one matrix after another,
    each aligned and none as large as the one before, would leave a byte a weight behind.
    """
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        if hasattr(library, "malloc_trim"):
            library.malloc_trim(0)
