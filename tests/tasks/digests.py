"""One digest of a folder of texts and images, the same whatever compressed the images."""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image


def digest_of(folder: Path) -> str:
    """SHA-256 over relative paths, pixels and the bytes of other files."""
    hasher = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        hasher.update(path.relative_to(folder).as_posix().encode())
        if path.suffix == ".png":
            hasher.update(np.asarray(Image.open(path)).tobytes())
        else:
            hasher.update(path.read_bytes())
    return hasher.hexdigest()
