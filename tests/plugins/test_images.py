"""How images are prepared, at a model's own size and at others."""

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
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

from harness.errors import DataError, InputError, RunError
from harness.model import Model
from harness.plugin import Sample, image_size, read_image, read_shown
from harness.plugin.images import FORMATS
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


def shown(path: Path, image: Image.Image, **options: object) -> list[list[tuple[int, ...]]]:
    """The pixels that a model is shown of an image that was stored there, row by row."""
    image.save(path, **options)
    read = read_image(path)
    assert read.mode == "RGB"
    return [[read.getpixel((x, y)) for x in range(read.width)] for y in range(read.height)]


GREYS = [[0, 255, 256], [0x1234, 0x8000, 0xFFFF]]


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_of_sixteen_bits_is_scaled_to_eight(suffix: str, tmp_path: Path) -> None:
    image = Image.fromarray(np.array(GREYS, dtype=np.uint16))

    assert shown(tmp_path / f"grey.{suffix}", image) == [
        [(value >> 8,) * 3 for value in row] for row in GREYS
    ]


def test_integers_of_sixteen_bits_in_thirty_two_are_scaled_and_others_refused(
    tmp_path: Path,
) -> None:
    path = tmp_path / "grey.tif"
    assert shown(path, Image.fromarray(np.array(GREYS, dtype=np.int32)))[1][0] == (0x12,) * 3

    for wide in (np.array([[-1, 3]], dtype=np.int32), np.array([[0, 65536]], dtype=np.int32)):
        with pytest.raises(DataError, match=r"grey.tif: .* from .* \(mode I\), of no known range"):
            shown(path, Image.fromarray(wide))
    with pytest.raises(DataError, match=r"from 0 to 0.5 \(mode F\), of no known range; store it"):
        shown(path, Image.fromarray(np.array([[0, 0.5]], dtype=np.float32)))


def png_of_sixteen_bits(colours: list[tuple[int, int, int]]) -> bytes:
    """A PNG of one row of colours of 16 bits, which Pillow cannot write."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    row = b"\0" + b"".join(struct.pack(">3H", *colour) for colour in colours)
    header = struct.pack(">2I5B", len(colours), 1, 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_colours_of_sixteen_bits_are_scaled_as_greys_are(tmp_path: Path) -> None:
    path = tmp_path / "colours.png"
    path.write_bytes(png_of_sixteen_bits([(0, 255, 256), (0x1234, 0x8000, 0xFFFF)]))

    read = read_image(path)

    assert [read.getpixel((x, 0)) for x in (0, 1)] == [(0, 0, 1), (0x12, 0x80, 0xFF)]


def test_transparency_is_dropped_and_what_lies_behind_is_shown(tmp_path: Path) -> None:
    colour, path = (200, 30, 10), tmp_path / "x.png"
    palette = Image.new("P", (1, 1), 1)
    palette.putpalette([0, 0, 0, *colour])

    assert shown(path, Image.new("RGBA", (1, 1), (*colour, 0))) == [[colour]]
    assert shown(path, Image.new("LA", (1, 1), (90, 0))) == [[(90, 90, 90)]]
    assert shown(path, palette) == shown(path, palette, transparency=1) == [[colour]]
    assert shown(path, Image.new("RGB", (1, 1), colour), transparency=colour) == [[colour]]


def test_other_kinds_of_images_are_shown_as_colours(tmp_path: Path) -> None:
    assert shown(tmp_path / "1.png", Image.new("1", (1, 1), 1)) == [[(255, 255, 255)]]
    assert shown(tmp_path / "l.png", Image.new("L", (1, 1), 7)) == [[(7, 7, 7)]]
    [[(red, green, blue)]] = shown(tmp_path / "c.jpg", Image.new("CMYK", (1, 1), (0, 255, 255, 0)))
    assert red > 250
    assert max(green, blue) < 5


def test_a_rotation_noted_in_exif_is_not_applied(tmp_path: Path) -> None:
    path, exif = tmp_path / "x.png", Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    image = Image.new("RGB", (2, 1))
    image.putpixel((0, 0), (255, 255, 255))

    assert shown(path, image, exif=exif) == [[(255, 255, 255), (0, 0, 0)]]
    assert image_size(path) == (2, 1)


@pytest.mark.parametrize("kind", FORMATS)
def test_images_of_the_listed_formats_are_read_whatever_they_are_called(
    kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.jpg"
    Image.new("RGB", (3, 2), (10, 200, 30)).save(path, kind)

    assert read_image(path).size == image_size(path) == (3, 2)


@pytest.mark.parametrize("kind", ["EPS", "PPM", "TGA", "PCX", "ICO", "SGI", "JPEG2000"])
def test_no_decoder_of_another_format_runs(kind: str, tmp_path: Path) -> None:
    """Least of all that of EPS, which starts Ghostscript."""
    path = tmp_path / "x.jpg"
    Image.new("RGB", (32, 32), (10, 200, 30)).save(path, kind)

    for read in (read_image, image_size):
        with pytest.raises(DataError, match=r"x.jpg: not a readable image \(none of JPEG, PNG, "):
            read(path)


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises that many pixels and holds none."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0))
    content = chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + content


@pytest.mark.parametrize("size", [(10_000, 10_000), (30_000, 30_000), (2**31 - 1, 1)])
def test_a_bomb_is_refused_before_it_is_decoded(size: tuple[int, int], tmp_path: Path) -> None:
    """Pillow warns of the first and goes on, and refuses the others."""
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(*size))

    for read in (read_image, image_size):
        with pytest.raises(DataError, match=r"bomb.png: .* than 89,478,485"):
            read(path)


def test_an_image_that_is_cut_off_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:700])

    with pytest.raises(DataError, match=r"cut.jpg: not a readable image \('image file is trunc"):
        read_image(path)


def test_a_pair_that_cannot_stand_side_by_side_is_named(tmp_path: Path) -> None:
    Image.new("L", (1, 9000)).save(tmp_path / "left.png")
    Image.new("L", (9000, 1)).save(tmp_path / "right.png")
    pair = Sample(id="7", image=tmp_path / "left.png", second_image=tmp_path / "right.png")

    with pytest.raises(DataError, match=r"right.png: 9000 x 1 pixels, 81000000 wide as high as"):
        read_shown(pair)


@pytest.mark.parametrize("kind", ["clip", "llava", "blip_nlvr"])
def test_an_image_of_extreme_shape_is_named_with_its_item(
    kind: str, tiny_model: Callable[[str], Model], tmp_path: Path
) -> None:
    """Resized to a short side of 224 it would have 13 million columns."""
    path = tmp_path / "thin.png"
    Image.new("L", (60_000, 1)).save(path)
    model = tiny_model(kind).loaded
    second = path if kind == "blip_nlvr" else None
    sample = Sample(id="item 7", image=path, second_image=second, prompt="a", target="yes")
    model._processor = CLIPImageProcessorPil()

    with pytest.raises(RunError, match=r"sample item 7: the model's processor refuses .*thin.png"):
        model.collate([sample])
