"""Folders of the miniature world are made on first use, in one piece."""

from collections.abc import Callable
from pathlib import Path

from harness.plugin import CheckpointError, new_folder

#: Raised whenever a scene, a text or a file of the evaluation splits changes.
VERSION = "1"


def made_once(cache: Path, name: str, write: Callable[[Path], None]) -> Path:
    """A folder of the cache, written in one piece if it is not there yet.

    Raises:
        CheckpointError: It cannot be written.
    """
    root = cache / name
    if not root.is_dir():
        try:
            with new_folder(root) as made:
                write(made)
        except CheckpointError as error:
            if not root.is_dir():  # else another process was faster; its folder holds the same
                raise CheckpointError(f"{error} (HARNESS_CACHE)") from None
    return root
