"""How images are prepared, at a model's own size and at others."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from transformers import (
    BlipImageProcessorPil,
    CLIPImageProcessorPil,
    DeiTImageProcessorPil,
    Qwen2VLImageProcessorPil,
)

from harness.errors import InputError
from harness.spec import ImageSpec
from harness_plugins.images import ShortSideCrop, sizes_at

SHORT = ImageSpec(short=40, crop=32, mean=(0, 0, 0), std=(1, 1, 1))


@pytest.mark.parametrize(
    ("processor", "sizes"),
    [
        (BlipImageProcessorPil(), {"size": {"height": 480, "width": 480}}),
        (
            CLIPImageProcessorPil(),
            {"size": {"shortest_edge": 480}, "crop_size": {"height": 480, "width": 480}},
        ),
        (
            DeiTImageProcessorPil(),  # 256 and 224 become 549 and 480
            {
                "size": {"height": 549, "width": 549},
                "crop_size": {"height": 480, "width": 480},
            },
        ),
        (
            ShortSideCrop(SHORT),  # 40 and 32 become 600 and 480
            {"size": {"shortest_edge": 600}, "crop_size": {"height": 480, "width": 480}},
        ),
    ],
    ids=["blip", "clip", "deit", "spec"],
)
def test_another_size_crops_as_much(processor: object, sizes: dict) -> None:
    assert sizes_at(processor, 480) == sizes
    image = Image.fromarray(np.zeros((50, 70, 3), dtype=np.uint8))
    pixels = processor(images=[image], return_tensors="np", **sizes)["pixel_values"]
    assert np.asarray(pixels).shape == (1, 3, 480, 480)


def test_images_that_are_no_squares_cannot_be_resized() -> None:
    with pytest.raises(InputError, match="image size 480: .*not square.*shortest_edge"):
        sizes_at(Qwen2VLImageProcessorPil(), 480)


BROKEN = """
import torchvision._meta_registrations
nms = 1
"""
REGISTRATION = 'raise RuntimeError("operator torchvision::nms does not exist")'


def importing(folder: Path, registration: str) -> subprocess.CompletedProcess[str]:
    package = folder / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(BROKEN)
    (package / "_meta_registrations.py").write_text(registration)
    code = (
        "from harness_plugins.torchvision_cpu import mend_torchvision\n"
        "mend_torchvision()\n"
        "import torchvision; print(torchvision.nms)"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": f"{folder}:{':'.join(filter(None, sys.path))}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_torchvision_without_its_operators_is_imported_all_the_same(tmp_path: Path) -> None:
    assert importing(tmp_path, REGISTRATION).stdout == "1\n"


def test_another_fault_of_torchvision_is_not_hidden(tmp_path: Path) -> None:
    done = importing(tmp_path, 'raise RuntimeError("out of luck")')

    assert done.returncode
    assert "out of luck" in done.stderr
