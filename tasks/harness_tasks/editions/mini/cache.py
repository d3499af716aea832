"""Folders of the miniature world are made on first use, in one piece."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

#: Raised whenever a scene, a text or a file of the evaluation splits changes.
VERSION = "1"


def made_once(cache: Path, name: str, write: Callable[[Path], None]) -> Path:
    """A folder of the cache, written in one piece if it is not there yet."""
    root = cache / name
    if not root.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix="mini-", dir=cache))
        write(made)
        try:
            made.rename(root)
        except OSError:  # another process was faster; its folder holds the same
            shutil.rmtree(made)
    return root
