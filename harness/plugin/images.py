"""Read a photograph; a broken file is named, never skipped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import DataError, InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from harness.plugin.samples import Sample, View


def read_image(path: Path, view: View | None = None) -> Image:
    """Read a file, or the part of it that a view shows, as RGB of 8 bits.

    As Pillow converts it, and so LAVIS: transparency is dropped, what stands behind it is shown,
    and a rotation noted in EXIF is not applied. Grey values of 16 bits keep their upper eight, as
    Pillow keeps those of colours, where its own conversion would make all above 255 white.

    Raises:
        DataError: It is missing or cannot be decoded, or its pixels have no known range.
    """
    from PIL.Image import Transpose

    with _opened(path) as image:
        whole = (_upper_bits(image, path) if image.mode[0] in "IF" else image).convert("RGB")
    if view is None:
        return whole
    part = whole.crop(view.pixels(whole.size))
    return part.transpose(Transpose.FLIP_LEFT_RIGHT) if view.flip else part


def _upper_bits(image: Image, path: Path) -> Image:
    """An image of integers of 16 bits, or of more that would fit into 16, as grey of 8 bits."""
    import numpy as np
    import PIL.Image

    values = np.asarray(image)
    low, high = values.min(), values.max()
    if image.mode == "F" or low < 0 or high > 0xFFFF:
        raise DataError(
            path,
            f"its pixels are numbers from {low:g} to {high:g} (mode {image.mode}), of no known "
            f"range; store it with 8 or 16 bits",
        )
    return PIL.Image.fromarray((values >> 8).astype(np.uint8))


def image_size(path: Path) -> tuple[int, int]:
    """(width, height) in pixels, from the file's header.

    Raises:
        DataError: It is missing or no image.
    """
    with _opened(path) as image:
        return image.size


@contextmanager
def _opened(path: Path) -> Iterator[Image]:
    import PIL.Image

    try:
        with PIL.Image.open(path) as image:
            yield image
    except FileNotFoundError:
        raise DataError(path, "no such image") from None
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
        raise DataError(path, f"not a readable image ({error})") from None


def read_shown(sample: Sample) -> Image:
    """What a sample shows; of two images the right one is made as high as the left one beside it.

    Raises:
        DataError: A file is missing or cannot be decoded.
        InputError: It shows nothing.
    """
    import PIL.Image

    if sample.image is None:
        raise InputError(f"sample {sample.id} has no image, and the model needs one")
    left = read_image(sample.image, sample.view)
    if sample.second_image is None:
        return left
    right = read_image(sample.second_image)
    right = right.resize((max(1, round(right.width * left.height / right.height)), left.height))
    pair = PIL.Image.new("RGB", (left.width + right.width, left.height))
    pair.paste(left, (0, 0))
    pair.paste(right, (left.width, 0))
    return pair
