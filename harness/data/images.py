"""Images that examples show: are they there, and can they be decoded?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.data.folders import Report
from harness.errors import DataError
from harness.plugin import Example, read_image

IMAGES_PER_REPORT = 256


def shown_images(examples: Iterable[Example]) -> list[Path]:
    """The files that the examples show, each once, in their order."""
    samples = (example.sample for example in examples)
    shown = (image for sample in samples for image in (sample.image, sample.second_image))
    return list(dict.fromkeys(image for image in shown if image is not None))


def missing_images(examples: Iterable[Example]) -> list[Path]:
    return [image for image in shown_images(examples) if not image.is_file()]


def unreadable_images(examples: Iterable[Example], report: Report) -> Iterator[str]:
    """What is wrong with each image that is missing or cannot be decoded; all are decoded."""
    images = shown_images(examples)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, fault in enumerate(pool.map(_fault, images), start=1):
            if fault:
                yield fault
            if done % IMAGES_PER_REPORT == 0 or done == len(images):
                report("decode", done, len(images))


def _fault(image: Path) -> str:
    try:
        read_image(image)
    except DataError as error:
        return str(error)
    return ""
