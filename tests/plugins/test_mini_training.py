"""The script that trains the miniature models, on a handful of scenes."""

import csv
import math
import random
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

from harness_plugins.mini import clip, train
from harness_plugins.mini.blip2 import draw_step, read_world
from harness_plugins.mini.miniature import Recipe
from harness_plugins.mini.world import EOS, UNK, build_tokenizer
from harness_tasks.editions.mini.training import write_train_split

IMAGES = 60


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_train_split(folder, IMAGES)
    return folder / "train"


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["blip2", "clip"])
def test_the_script_writes_a_folder_that_loads(
    name: str, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules[f"harness_plugins.mini.{name}"]
    monkeypatch.setattr(module, "HELD_OUT", 20)
    monkeypatch.setattr(module, "IMAGES_PER_STEP", 4)
    out = tmp_path / name
    command = ["train", str(world), str(out), "--model", name, "--steps", "2"]
    monkeypatch.setattr(sys, "argv", command)

    train.main()

    [row] = csv.DictReader((out / "curve.csv").open())
    model, tokenizer = AutoModel.from_pretrained(out), AutoTokenizer.from_pretrained(out)
    assert row["step"] == "2"
    assert math.isfinite(float(row["loss"]))
    assert model.config.model_type == name.replace("blip2", "blip-2")
    weights = load_file(out / "model.safetensors").values()
    assert {tensor.dtype for tensor in weights} == {torch.float16}
    assert tokenizer("red").input_ids[-1] == EOS


def test_answers_and_long_texts_get_their_shares(world: Path) -> None:
    read, _ = read_world(world)

    step = draw_step(read, list(range(6)), random.Random(0))

    lengths = torch.tensor([len(target) for target in step.targets])
    assert float((step.weight * lengths).sum()) == pytest.approx(1)
    assert len(step.owner) == 6 * 4 + sum(i in read.texts["caption"] for i in range(6))


def test_the_rate_rises_stays_and_falls() -> None:
    recipe = Recipe(steps=100, learning_rate=2.0, warmup=10, decay=0.5)
    rates = [recipe.rate(step, 100) for step in (0, 9, 30, 50, 75, 99, 100)]

    assert rates == pytest.approx([0.2, 2.0, 2.0, 2.0, 1.0, 0.04, 0.02])


def test_the_contrast_counts_every_right_answer() -> None:
    """Rows and columns by hand: both names are true of the first image, one of the second."""
    logits = torch.tensor([[1.0, 2.0], [0.0, 3.0]])
    right = torch.tensor([[True, True], [False, True]])

    def surprise(own: float, other: float) -> float:
        return math.log(math.exp(own) + math.exp(other)) - own

    rows = ((surprise(1, 2) + surprise(2, 1)) / 2 + surprise(3, 0)) / 2
    columns = (surprise(1, 0) + (surprise(2, 3) + surprise(3, 2)) / 2) / 2
    assert clip._contrast(logits, right).item() == pytest.approx((rows + columns) / 2)


def test_unknown_words_surround_a_prompt_whose_end_stays_last() -> None:
    draw = random.Random(0)
    rows = [clip._surrounded([7, 8, EOS], draw) for _ in range(100)]

    assert all(row[-1] == EOS for row in rows)
    assert {tuple(token for token in row if token != UNK) for row in rows} == {(7, 8, EOS)}
    assert min(map(len, rows)) == 3 < max(map(len, rows)) <= 11


def test_words_that_the_world_lacks_are_unknown() -> None:
    tokenizer = build_tokenizer(["A red star."])

    assert tokenizer("a RED zebra.").input_ids == [*tokenizer("a red").input_ids[:2], UNK, 4, EOS]
