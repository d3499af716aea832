"""The training script of the miniature models runs from the edition's own folders."""

import csv
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import Blip2ForConditionalGeneration

from harness.model import load_model
from harness.plugin.manager import Plugins
from harness.spec import ModelSpec
from harness_plugins.mini import train
from harness_plugins.mini.world import read_world


def test_two_steps_of_training_make_a_model_that_loads(
    tmp_path: Path, plugins: Plugins, monkeypatch
) -> None:
    command = [sys.executable, "-m", "harness_tasks.editions.mini", str(tmp_path), "--train", "24"]
    subprocess.run(command, check=True)
    monkeypatch.setattr(train, "HELD_OUT", 8)
    monkeypatch.setattr(train, "IMAGES_PER_STEP", 8)
    arguments = ["train", str(tmp_path / "train"), str(tmp_path / "out"), "--steps", "2"]
    monkeypatch.setattr(sys, "argv", arguments)

    train.main()

    curve = list(csv.DictReader((tmp_path / "out" / "curve.csv").read_text().splitlines()))
    assert [row["step"] for row in curve] == ["2"]
    assert 0 <= float(curve[0]["number"]) <= 1
    model = load_model(ModelSpec(name=str(tmp_path / "out")), plugins)
    assert len(model.layers) == 5 * 4 + 3 * 7 + 3 * 11
    assert isinstance(model.loaded.module, Blip2ForConditionalGeneration)
    assert next(model.loaded.module.parameters()).dtype == torch.float32


def test_answers_and_long_texts_get_their_shares(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness_tasks.editions.mini", str(tmp_path), "--train", "12"]
    subprocess.run(command, check=True)
    world, _ = read_world(tmp_path / "train")

    step = train.draw_step(world, list(range(6)), random.Random(0))

    lengths = torch.tensor([len(target) for target in step.targets])
    assert float((step.weight * lengths).sum()) == pytest.approx(1)
    assert len(step.owner) == 6 * 4 + sum(i in world.texts["caption"] for i in range(6))
