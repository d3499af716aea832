"""What was freed between pieces in use goes back to the system."""

import re
import sys
from pathlib import Path

import pytest
import torch

from harness.heap import trim


def resident() -> int:
    """Bytes of this process that no file backs."""
    found = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and trims glibc's heap")
def test_holes_in_the_heap_are_given_back() -> None:
    """Pieces below the size that gets a mapping of its own; every fiftieth stays."""
    pieces = [torch.ones(15_000) for _ in range(2_000)]  # 60 kB each, 120 MB in all
    kept = pieces[::50]
    before = resident()
    del pieces

    trim()

    assert before - resident() > 60e6
    assert all(bool((piece == 1).all()) for piece in kept)
