"""Samples, the views they show, and pools of samples."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.plugin import DataError, Sample, SamplePool, View, image_size, read_image

RIGHT_TOP = View(left=0.5, top=0, width=0.5, height=0.5)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """4 x 2 pixels whose red counts from 0 in reading order."""
    pixels = np.zeros((2, 4, 3), dtype=np.uint8)
    pixels[..., 0] = np.arange(8).reshape(2, 4)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    return tmp_path / "x.png"


def reds(image: Image.Image) -> list[list[int]]:
    return np.asarray(image)[..., 0].tolist()


def test_a_view_shows_its_part_and_may_be_flipped(image: Path) -> None:
    assert image_size(image) == (4, 2)
    assert reds(read_image(image)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert reds(read_image(image, RIGHT_TOP)) == [[2, 3]]
    assert reds(read_image(image, replace(RIGHT_TOP, flip=True))) == [[3, 2]]
    with pytest.raises(DataError, match=r"none.png: no such image"):
        image_size(image.with_name("none.png"))


def test_a_view_is_part_of_the_content_but_not_of_what_may_not_be_shared(image: Path) -> None:
    whole = Sample(id="a", image=image)
    part, flipped = (replace(whole, view=replace(RIGHT_TOP, flip=flip)) for flip in (False, True))

    assert len({sample.digest() for sample in (whole, part, flipped)}) == 3
    assert len({sample.input_digest() for sample in (whole, part, flipped)}) == 1
    assert replace(part, id="b").digest() == part.digest()


def numbers(*ids: str) -> SamplePool:
    """Items whose samples are made on demand; those called ``none`` give none."""
    return SamplePool(
        len(ids), ids.__getitem__, lambda i: None if ids[i] == "none" else Sample(id=ids[i])
    )


def test_pools_are_joined_cut_and_drawn_from_in_any_order() -> None:
    joined = SamplePool.join([numbers("a", "none"), numbers(), numbers("b", "c")])

    assert joined.ids == ["a", "none", "b", "c"]
    assert [sample.id for sample in joined.draw([3, 1, 0, 2])] == ["c", "a", "b"]
    assert [sample.id for sample in joined.take([2, 0]).draw(range(2))] == ["b", "a"]
    assert SamplePool.join([]).size == 0


def test_nothing_is_made_before_it_is_drawn() -> None:
    made: list[int] = []

    def make(position: int) -> Sample:
        made.append(position)
        return Sample(id=str(position))

    pool = SamplePool(1000, str, make)

    assert next(pool.take(range(500, 1000)).draw([7])).id == "507"
    assert made == [507]
