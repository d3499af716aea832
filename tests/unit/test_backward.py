"""Gradients block by block are those of one whole backward pass."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from harness.backward import gradients
from harness.model import Model, weights_digest
from tests.plugins.tiny_families import TABLE
from tests.tiny import make_samples


@pytest.mark.parametrize("kind", sorted(TABLE))
def test_they_equal_autograd(tiny_model: Callable[[str], Model], kind: str, tmp_path: Path) -> None:
    model = tiny_model(kind)
    batch = model.loaded.collate(make_samples(kind, tmp_path, count=4))
    before = weights_digest(model.loaded.module)

    found = dict(gradients(model, batch))

    weights = [model.module(layer).get_parameter("weight") for layer in model.layers]
    for weight in weights:
        assert not weight.requires_grad
        weight.requires_grad_(True)
    expected = torch.autograd.grad(model.loaded.loss(batch), weights, allow_unused=True)
    assert set(found) == set(model.layers)
    for layer, weight, gradient in zip(model.layers, weights, expected, strict=True):
        wanted = torch.zeros_like(weight) if gradient is None else gradient
        if type(model.module(layer)).__name__ == "Conv1D":
            wanted = wanted.t()
        torch.testing.assert_close(found[layer], wanted, rtol=1e-4, atol=1e-7)
    assert weights_digest(model.loaded.module) == before
    assert all("forward" not in vars(block) for t in model.towers for _, block in t.blocks)


def test_they_come_last_block_first(tiny_model: Callable[[str], Model], tmp_path: Path) -> None:
    model = tiny_model("blip2_t5")
    batch = model.loaded.collate(make_samples("blip2_t5", tmp_path, count=2))

    seen = list(dict.fromkeys((layer.tower, layer.block) for layer, _ in gradients(model, batch)))

    forward = list(dict.fromkeys((layer.tower, layer.block) for layer in model.layers))
    assert seen == forward[::-1]
