"""Random resized crop and flip, decided once per image.

LAVIS trains BLIP and BLIP-2 so (``blip_image_train``, ``blip2_image_train``: at least half of the
area), CoOp CLIP (at least 0.08). The rule is that of torchvision's RandomResizedCrop: up to ten
boxes are drawn, with uniform area and uniform logarithm of width / height, and the first that fits
is taken. RandAugment, which ``blip_image_train`` adds, is left out.
"""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Annotated, Literal

from pydantic import Field

from harness.plugin import View, image_size

NARROWEST, WIDEST = 3 / 4, 4 / 3
TRIES = 10


@dataclass(frozen=True)
class Viewed:
    """Options of sources with images."""

    augment: Literal["none", "crop-flip"] = "none"
    min_area: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Least share of the image that a crop shows."""
    seed: int = 0
    """Of crops, flips and cuts; which samples are drawn is the run's seed."""

    def view(self, image: Path) -> View | None:
        """What is shown of the image; the same of equal images, whatever their files are called.

        Raises:
            DataError: It is missing or no image.
        """
        if self.augment == "none":
            return None
        across, down = image_size(image)
        digest = hashlib.sha256(image.read_bytes()).hexdigest()
        draw = Random(f"view {self.seed} {digest}")
        left, top, width, height = crop_box((across, down), self.min_area, draw)
        return View(
            left=left / across,
            top=top / down,
            width=width / across,
            height=height / down,
            flip=draw.random() < 0.5,
        )


def crop_box(size: tuple[int, int], min_area: float, draw: Random) -> tuple[int, int, int, int]:
    """(left, top, width, height) in pixels of a crop of an image of that (width, height)."""
    across, down = size
    for _ in range(TRIES):
        area = across * down * draw.uniform(min_area, 1)
        ratio = math.exp(draw.uniform(math.log(NARROWEST), math.log(WIDEST)))
        width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < width <= across and 0 < height <= down:
            return draw.randint(0, across - width), draw.randint(0, down - height), width, height
    width = min(across, round(down * WIDEST))
    height = min(down, round(across / NARROWEST))
    return (across - width) // 2, (down - height) // 2, width, height
