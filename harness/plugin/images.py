"""Read a photograph; a broken file is named, never skipped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image


def read_image(path: Path) -> Image:
    """Open a file as RGB.

    Raises:
        DataError: It is missing or cannot be decoded.
    """
    import PIL.Image

    try:
        with PIL.Image.open(path) as image:
            return image.convert("RGB")
    except FileNotFoundError:
        raise DataError(path, "no such image") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(path, f"not a readable image ({error})") from None
