"""How many tokens of an image a tower reads, as families say it and as blocks are given them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from harness.model import Model
from harness.plugin import CountsTokens, image_size
from harness.walk import TowerWalk
from tests.plugins.tiny_families import TABLE
from tests.tiny import make_samples

TEXT = 5


@pytest.mark.parametrize("kind", sorted(TABLE))
def test_a_vision_tower_reads_as_many_tokens_as_its_family_says(
    kind: str, tiny_model: Callable[[str], Model], tmp_path: Path
) -> None:
    model = tiny_model(kind)
    [sample] = make_samples(kind, tmp_path, count=1)
    vision = model.towers[0]
    if vision.name != "vision":
        pytest.skip("sees no images")
    assert isinstance(model.loaded, CountsTokens)

    said = model.loaded.tokens_read(TEXT, image_size(sample.image))

    walk = TowerWalk(model, vision, [model.loaded.collate([sample])])
    states = walk.traces[0].calls[0].args[0]
    assert isinstance(states, torch.Tensor)
    assert states.shape[:-1].numel() == said["vision"]
