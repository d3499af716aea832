"""Hashes of images: each file is read once, and what is kept is used only where it still holds."""

import hashlib
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.plugin import DataError, ImageDigests, Sample

OPENED: list[str] = []


def note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and str(arguments[0]).endswith(".jpg"):
        OPENED.append(Path(str(arguments[0])).name)


sys.addaudithook(note)


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    """Two questions on one image, one on another, and a pair of both."""
    images = [tmp_path / "images" / f"{name}.jpg" for name in "ab"]
    images[0].parent.mkdir()
    for image in images:
        image.write_bytes(image.name.encode() * 999)
    first, second = images
    return [
        Sample(id="1", image=first),
        Sample(id="2", image=first, prompt="What?"),
        Sample(id="3", image=second),
        Sample(id="4", image=first, second_image=second),
    ]


def digests(samples: list[Sample], cache: Path) -> list[str]:
    with ImageDigests(cache) as images:
        return [sample.input_digest(images) for sample in samples]


def kept(cache: Path) -> Path:
    [path] = (cache / "image-digests").iterdir()
    return path


def test_an_image_is_read_once_and_not_in_the_next_run(
    samples: list[Sample], tmp_path: Path
) -> None:
    wanted = [sample.input_digest() for sample in samples]
    OPENED.clear()

    assert digests(samples[:3], tmp_path / "cache") == wanted[:3]
    assert OPENED == ["a.jpg", "b.jpg"]
    assert digests(samples, tmp_path / "cache") == wanted
    OPENED.clear()
    assert digests(samples, tmp_path / "cache") == wanted
    assert OPENED == []


def same_size(image: Path) -> None:
    image.write_bytes(b"x" * image.stat().st_size)


def another_file(image: Path) -> None:
    """Same size and time, as a restored backup has; another inode."""
    before = image.stat()
    made = image.with_suffix(".new")
    made.write_bytes(b"x" * before.st_size)
    os.utime(made, ns=(before.st_atime_ns, before.st_mtime_ns))
    made.replace(image)


@pytest.mark.parametrize("change", [same_size, another_file])
def test_an_image_that_changed_is_read_again(
    change: Callable[[Path], None], samples: list[Sample], tmp_path: Path
) -> None:
    before = digests(samples, tmp_path / "cache")
    assert samples[0].image is not None
    change(samples[0].image)

    after = digests(samples, tmp_path / "cache")

    assert [a == b for a, b in zip(before, after, strict=True)] == [False, False, True, False]
    assert after == [sample.input_digest() for sample in samples]


@pytest.mark.parametrize("place", [0, 70, 200, -1])
def test_a_damaged_file_of_hashes_is_made_again(
    place: int, samples: list[Sample], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    wanted = digests(samples, cache)
    whole = kept(cache).read_bytes()
    flipped = bytearray(whole)
    flipped[place] ^= 1
    for damaged in (bytes(flipped), whole[:place], b""):
        kept(cache).write_bytes(damaged)

        assert digests(samples, cache) == wanted
        assert kept(cache).read_bytes() == whole


def test_what_two_runs_keep_is_kept_of_both(samples: list[Sample], tmp_path: Path) -> None:
    with ImageDigests(tmp_path) as one, ImageDigests(tmp_path) as other:
        samples[0].input_digest(one)
        samples[2].input_digest(other)
    OPENED.clear()

    digests(samples[:3], tmp_path)

    assert OPENED == []


def test_many_at_once_leave_one_whole_file(samples: list[Sample], tmp_path: Path) -> None:
    wanted = [sample.input_digest() for sample in samples]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: digests(samples, tmp_path / "cache"), range(40)))

    assert found == [wanted] * 40
    checksum, _, text = kept(tmp_path / "cache").read_bytes().partition(b"\n")
    assert checksum.decode() == hashlib.sha256(text).hexdigest()


def test_where_nothing_can_be_kept_images_are_read_all_the_same(
    samples: list[Sample], tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("no folder")

    assert digests(samples, tmp_path / "cache") == [sample.input_digest() for sample in samples]


def test_a_missing_image_and_one_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.jpg: no such image$"):
        digests([Sample(id="1", image=tmp_path / "none.jpg")], tmp_path)
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory\)"):
        digests([Sample(id="1", image=tmp_path)], tmp_path)
