"""Read a photograph; a broken file is named, never skipped."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import DataError, InputError
from harness.plugin.rows import brief

if TYPE_CHECKING:
    from PIL.Image import Image

    from harness.plugin.samples import Sample, View

#: Pillow's names of the formats that data sets come in; a decoder of any other is never run.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
#: Of one image; a photograph of 89 megapixels takes 268 MB once it is decoded.
MOST_PIXELS = 89_478_485
_FILTERS = threading.Lock()


def read_image(path: Path, view: View | None = None) -> Image:
    """Read a file, or the part of it that a view shows, as RGB of 8 bits.

    As Pillow converts it, and so LAVIS: transparency is dropped, what stands behind it is shown,
    and a rotation noted in EXIF is not applied. Grey values of 16 bits keep their upper eight, as
    Pillow keeps those of colours, where its own conversion would make all above 255 white.

    Raises:
        DataError: It is missing, of another format than `FORMATS`, too large or cannot be decoded,
            or its pixels have no known range.
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
    """An image whose format is told by its content, never by its name."""
    try:
        with _header(path) as image:
            yield image
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(path, "no such image") from None
    except Exception as error:  # Pillow raises what its decoders raise
        told = brief(str(error).partition("\n")[0].replace(str(path), path.name))
        raise DataError(path, f"not a readable image ({told})") from None


def _header(path: Path) -> Image:
    import PIL.Image

    # Pillow warns of what is large and goes on; filters are the process's, and threads read images.
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
        try:
            image = PIL.Image.open(path, formats=FORMATS)
        except PIL.UnidentifiedImageError:
            formats = ", ".join(FORMATS)
            raise DataError(path, f"not a readable image (none of {formats})") from None
        except PIL.Image.DecompressionBombError:
            raise DataError(path, f"has more than {MOST_PIXELS:,} pixels") from None
    if image.width * image.height > MOST_PIXELS:
        image.close()
        raise DataError(
            path, f"{image.width} x {image.height} pixels, more than {MOST_PIXELS:,} in all"
        )
    return image


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
    width = max(1, round(right.width * left.height / right.height))
    if (left.width + width) * left.height > MOST_PIXELS:
        raise DataError(
            sample.second_image,
            f"{right.width} x {right.height} pixels, {width} wide as high as {sample.image}; the "
            f"pair has more than {MOST_PIXELS:,} pixels",
        )
    right = right.resize((width, left.height))
    pair = PIL.Image.new("RGB", (left.width + right.width, left.height))
    pair.paste(left, (0, 0))
    pair.paste(right, (left.width, 0))
    return pair
