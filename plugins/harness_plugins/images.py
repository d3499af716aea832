"""Photographs as a model takes them: Hugging Face's image processors, or one that a spec names."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from PIL.Image import Image, Resampling, new
from torch import Tensor, nn

from harness.plugin import HarnessError, ImageSpec, InputError, ModelSpec, RunError, Sample
from harness_plugins.pretrained import load_config, refusing
from harness_plugins.random_weights import make_image_processor
from harness_plugins.weight_files import shipped

#: Where the settings of a folder's image processor may stand.
SETTINGS = ("preprocessor_config.json", "processor_config.json")
BICUBIC = Resampling.BICUBIC
#: Of an image whose short side is made as long as a model wants it.
MOST_PIXELS = 200_000_000
#: Letters of a processor's own words in a message.
LONGEST = 150


def load_image_processor(folder: str, spec: ModelSpec) -> Any:
    """The image processor of the spec, else the one the folder ships, always Pillow's.

    Pillow's, because other backends give slightly different pixels.

    Raises:
        InputError: Neither says how images are prepared.
    """
    if spec.images is not None:
        return ShortSideCrop(spec.images)
    if not shipped(folder, SETTINGS):
        if spec.init == "random":
            return make_image_processor(load_config(folder))
        raise InputError(
            f"{folder} has no preprocessor_config.json; say how images are prepared, "
            f'e.g. --images "short=256 crop=224 mean=0.5 std=0.5"'
        )
    with refusing(folder, "the image processor"):
        # transformers 5.15 shows it at its top only where torchvision is.
        from transformers.models.auto.image_processing_auto import AutoImageProcessor

        return AutoImageProcessor.from_pretrained(
            folder, backend="pil", local_files_only=True, trust_remote_code=False
        )


class ShortSideCrop:
    """Short side resized bicubically, aspect ratio kept to the nearest pixel, square cropped."""

    def __init__(self, images: ImageSpec) -> None:
        self._spec = images

    @property
    def size(self) -> dict[str, int]:
        return {"shortest_edge": self._spec.short}

    @property
    def crop_size(self) -> dict[str, int]:
        return {"height": self._spec.crop, "width": self._spec.crop}

    def __call__(
        self,
        images: Sequence[Image],
        return_tensors: str,
        size: Mapping[str, int] | None = None,
        crop_size: Mapping[str, int] | None = None,
    ) -> dict[str, Any]:
        """Pixels (images, 3, crop, crop), float32."""
        short = (size or self.size)["shortest_edge"]
        crop = (crop_size or self.crop_size)["height"]
        mean, std = (np.array(part, dtype=np.float32) for part in (self._spec.mean, self._spec.std))
        pixels = [(_square(image, short, crop) - mean) / std for image in images]
        return {"pixel_values": np.stack(pixels).transpose(0, 3, 1, 2)}

    def to_dict(self) -> dict[str, Any]:
        return self._spec.model_dump()


def _square(image: Image, short: int, crop: int) -> Any:
    scale = short / min(image.size)
    width, height = (max(short, round(side * scale)) for side in image.size)
    resized = image.resize((width, height), resample=BICUBIC)
    left, top = (width - crop) // 2, (height - crop) // 2
    square = resized.crop((left, top, left + crop, top + crop))
    return np.asarray(square, dtype=np.float32) / np.float32(255)


def sizes_at(processor: Any, side: int) -> dict[str, dict[str, int]]:
    """Arguments that make a processor give squares of that side, cropping as much as it did.

    Raises:
        InputError: The processor gives no squares.
    """
    square = {"height": side, "width": side}
    size = {edge: length for edge, length in dict(processor.size).items() if length}
    crops = getattr(processor, "do_center_crop", True) and getattr(processor, "crop_size", None)
    if crops:
        crop = processor.crop_size["height"]
        resized = {edge: round(length * side / crop) for edge, length in size.items()}
        return {"size": resized, "crop_size": square}
    if set(size) != set(square):
        raise InputError(f"image size {side}: this model's images are not square but {size}")
    return {"size": square}


@contextmanager
def naming_image(sample: Sample, image: Image) -> Iterator[None]:
    """Name the image that a processor refuses, of all that are shown.

    Raises:
        RunError: It refuses this one.
    """
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:
        files = " beside ".join(str(i) for i in (sample.image, sample.second_image) if i)
        told = str(error).partition("\n")[0] or type(error).__name__
        raise RunError(
            f"sample {sample.id}: the model's processor refuses {files}, "
            f"{image.width} x {image.height} pixels ({told[:LONGEST]})"
        ) from error


def processed(processor: Any, images: Sequence[Image], **sizes: Any) -> Mapping[str, Any]:
    """What a processor makes of images, as arrays.

    Args:
        sizes: Of the images, instead of the processor's own; see `sizes_at`.

    Raises:
        ValueError: An image is so much longer than wide that resizing it would take gigabytes.
    """
    short = dict(sizes.get("size") or getattr(processor, "size", None) or {}).get("shortest_edge")
    for image in images:
        area = short**2 * max(image.size) / min(image.size) if short else 0
        if area > MOST_PIXELS:
            raise ValueError(
                f"resized it would have {area:,.0f} pixels, of {MOST_PIXELS:,} at most"
            )
    prepared: Mapping[str, Any] = processor(images=list(images), return_tensors="np", **sizes)
    return prepared


def blank(size: tuple[int, int]) -> Image:
    """A black image of that width and height, where only sizes matter."""
    return new("RGB", size)


def distinct_images(samples: Sequence[Sample]) -> tuple[list[Sample], list[int]]:
    """One sample of each image that is shown, and for every sample the place of its image there."""
    keys = [(sample.image, sample.second_image, sample.view) for sample in samples]
    first = dict(zip(reversed(keys), reversed(samples), strict=True))
    order = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    return [first[key] for key in order], [order[key] for key in keys]


def prepare(processor: Any, images: Sequence[Image], module: nn.Module, **sizes: Any) -> Tensor:
    """Pixels (images, 3, height, width) on the module's device in its dtype.

    Args:
        sizes: Of the images, instead of the processor's own; see `sizes_at`.
    """
    pixels = processed(processor, images, **sizes)["pixel_values"]
    parameter = next(module.parameters())
    return torch.from_numpy(np.asarray(pixels)).to(parameter.device, parameter.dtype)
