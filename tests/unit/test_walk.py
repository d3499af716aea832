"""What the block walk captures and what it refuses; tests/plugins has its proof per family."""

from collections.abc import Callable
from pathlib import Path

import pytest
from torch import Tensor, nn

from harness.errors import RunError
from harness.model import Model
from harness.plugin import Batch
from harness.walk import TowerWalk
from tests.tiny import make_samples

MakeModel = Callable[[str], Model]


def batches_of(model: Model, kind: str, folder: Path) -> list[Batch]:
    samples = make_samples(kind, folder)
    return [model.loaded.collate(samples[:4]), model.loaded.collate(samples[4:])]


def test_cross_attention_reads_the_other_towers_tokens(tiny_model: MakeModel) -> None:
    streams = {
        layer.role: layer.stream
        for layer in tiny_model("blip2_t5").layers
        if layer.tower == "language-decoder"
    }

    assert streams["layer.1.EncDecAttention.k"] == "language-encoder"
    assert streams["layer.1.EncDecAttention.q"] == "language-decoder"


class Stateful(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *args: object, **kwargs: object) -> object:
        return self.inner(*args, **kwargs)


def test_a_cache_among_the_arguments_is_an_error(tiny_model: MakeModel, tmp_path: Path) -> None:
    """With a cache a replay would return the old output after k or v change."""
    model = tiny_model("llama")
    batches = batches_of(model, "llama", tmp_path)
    inner = model.loaded.module

    def loss_with_cache(batch: Batch) -> Tensor:
        return inner(**batch, use_cache=True).logits.mean()

    model.loaded.loss = loss_with_cache

    with pytest.raises(RunError, match="Cache.*without one"):
        TowerWalk(model, model.towers[0], batches)


def test_a_block_fed_from_elsewhere_is_an_error(tiny_model: MakeModel, tmp_path: Path) -> None:
    model = tiny_model("vit")
    batches = batches_of(model, "vit", tmp_path)
    first, second = (block for _, block in model.towers[0].blocks)
    original = first.forward
    first.forward = original
    second.register_forward_pre_hook(lambda _, args: (args[0] + 1, *args[1:]))

    with pytest.raises(RunError, match="something between them changes"):
        TowerWalk(model, model.towers[0], batches)
