"""Data counts by content: what its files are called, and how they are packed, changes nothing."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.calibration import draw_calibration
from harness.model import Model
from harness.plugin import CalibrationSource, Sample
from harness.plugin.manager import Plugins
from harness.spec import CalibrationSpec, SubsetSpec
from harness.training import TrainStream
from harness_tasks.calibration import Documents, ImageFolder, Pairs
from tests.tasks.test_calibration_sources import (
    FORMATS,
    content,
    dump,
    everything,
    letters,
    photograph,
    save,
)

TEXTS = [f"document {number} " + "abcdefgh" * number for number in range(9)]


def rows(texts: list[str]) -> bytes:
    return "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()


def packed(folder: Path) -> None:
    save(folder / "c4-train.00000-of-01024.json.gz", gzip.compress(rows(TEXTS)))


def unpacked(folder: Path) -> None:
    save(folder / "c4-train.00000-of-01024.json", rows(TEXTS))


def renamed(folder: Path) -> None:
    save(folder / "elsewhere.jsonl", rows(TEXTS))


def split(folder: Path) -> None:
    save(folder / "a.jsonl", rows(TEXTS[:4]))
    save(folder / "b.jsonl", rows(TEXTS[4:]))


@pytest.mark.parametrize("source", [Documents(window=6), Documents(prefix_lm=True)])
@pytest.mark.parametrize("write", [unpacked, renamed, split])
def test_documents_give_the_same_windows_however_they_are_packed_and_named(
    write: Callable[[Path], None], source: CalibrationSource, tmp_path: Path
) -> None:
    packed(tmp_path / "packed")
    write(tmp_path / "other")

    before = everything(source, tmp_path / "packed", tmp_path, letters)
    after = everything(source, tmp_path / "other", tmp_path, letters)

    assert content(after) == content(before)


@pytest.mark.parametrize("write", [unpacked, renamed])
def test_a_part_of_the_documents_is_the_same_part(
    write: Callable[[Path], None],
    tiny_model: Callable[[str], Model],
    plugins: Plugins,
    tmp_path: Path,
) -> None:
    packed(tmp_path / "packed")
    write(tmp_path / "other")

    def drawn(folder: str) -> str:
        spec = CalibrationSpec(
            source="documents",
            path=tmp_path / folder,
            samples=3,
            subset=SubsetSpec(stop=6),
            options={"window": 2},
        )
        return draw_calibration(spec, 0, tiny_model("llama"), plugins, tmp_path).digest

    assert drawn("other") == drawn("packed")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("options", [{"prefix_lm": True}, {"augment": "crop-flip"}])
def test_pairs_are_cut_and_cropped_alike_in_every_format(
    kind: str, options: dict[str, Any], tmp_path: Path
) -> None:
    FORMATS["json"](tmp_path / "json")
    FORMATS[kind](tmp_path / "other")
    source = Pairs(**options)

    before = everything(source, tmp_path / "json", tmp_path / "cache")
    after = everything(source, tmp_path / "other", tmp_path / "cache")

    assert content(after) == content(before)


def test_a_photograph_is_cropped_alike_under_another_name(tmp_path: Path) -> None:
    for folder, names in {"one": "abc", "two": "uvw"}.items():
        for number, name in enumerate(names):
            image = photograph(number, (60, 40))
            save(tmp_path / folder / "val" / "n00000001" / f"{name}.png", image)
        dump(tmp_path / folder / "classes.json", [["n00000001", "cat"]])
    source = ImageFolder(augment="crop-flip")

    one, two = (everything(source, tmp_path / folder, tmp_path) for folder in ("one", "two"))

    assert content(one) == content(two)


def test_a_train_stream_is_its_images_not_their_names(tmp_path: Path) -> None:
    def digest(name: str, number: int) -> str:
        image = save(tmp_path / name, photograph(number))
        return TrainStream("s", [Sample(id=name, image=image, target="x")]).identity.digest

    assert digest("a.png", 1) == digest("b.png", 1)
    assert digest("a.png", 1) != digest("a.png", 2)
