"""The block walk gives what the model itself gives, whatever was done to the weights."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from harness.errors import RunError
from harness.model import Model
from harness.plugin import Batch, Tower
from harness.walk import TowerWalk
from tests.tiny import BUILDERS, make_samples

FAMILIES = sorted(BUILDERS)
MakeModel = Callable[[str], Model]


def batches_of(model: Model, kind: str, folder: Path) -> list[Batch]:
    samples = make_samples(kind, folder)
    return [model.loaded.collate(samples[:4]), model.loaded.collate(samples[4:])]


def own_outputs(model: Model, tower: Tower, batch: Batch) -> list[Tensor]:
    """What the tower's blocks return in a full forward pass."""
    outputs: list[Tensor] = []
    handles = [
        block.register_forward_hook(lambda _, __, output: outputs.append(first_tensor(output)))
        for _, block in tower.blocks
    ]
    with torch.no_grad():
        model.loaded.loss(batch)
    for handle in handles:
        handle.remove()
    return outputs


def first_tensor(output: object) -> Tensor:
    found = output[0] if isinstance(output, tuple) else output
    assert isinstance(found, Tensor)
    return found.clone()


def disturb(block: nn.Module) -> None:
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))


@pytest.mark.parametrize("kind", FAMILIES)
def test_replay_equals_the_models_own_outputs(
    kind: str, tiny_model: MakeModel, tmp_path: Path
) -> None:
    model = tiny_model(kind)
    batches = batches_of(model, kind, tmp_path)

    for tower in model.towers:
        expected = [own_outputs(model, tower, batch) for batch in batches]
        walk = TowerWalk(model, tower, batches)
        for visit in walk:
            for number in range(len(batches)):
                again = [first_tensor(walk.replay(visit.index, number)) for _ in range(2)]

                torch.testing.assert_close(
                    again[0], expected[number][visit.index], rtol=1e-5, atol=1e-5
                )
                assert torch.equal(again[0], again[1]), "replaying twice differs"


@pytest.mark.parametrize("kind", FAMILIES)
def test_replay_after_changes_equals_a_fresh_forward_pass(
    kind: str, tiny_model: MakeModel, tmp_path: Path
) -> None:
    """Every weight of every block changes as the walk passes, k and v included."""
    torch.manual_seed(0)
    model = tiny_model(kind)
    batches = batches_of(model, kind, tmp_path)

    for tower in model.towers:
        walk = TowerWalk(model, tower, batches)
        for visit in walk:
            disturb(tower.blocks[visit.index][1])
            for number, batch in enumerate(batches):
                replayed = first_tensor(walk.replay(visit.index, number))
                fresh = own_outputs(model, tower, batch)[visit.index]

                torch.testing.assert_close(replayed, fresh, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", FAMILIES)
def test_statistics_count_only_real_tokens(
    kind: str, tiny_model: MakeModel, tmp_path: Path
) -> None:
    """A batch of all samples, padded, gives what the samples give one by one."""
    model = tiny_model(kind)
    samples = make_samples(kind, tmp_path)
    together = [model.loaded.collate(samples)]
    alone = [model.loaded.collate([sample]) for sample in samples]

    for tower in model.towers:
        if not any(layer.tower == tower.name for layer in model.layers):
            continue
        kinds = frozenset({"input_sq", "input_mean", "gram"})
        padded = [visit.statistics(kinds) for visit in TowerWalk(model, tower, together)]
        single = [visit.statistics(kinds) for visit in TowerWalk(model, tower, alone)]
        for of_block, expected in zip(padded, single, strict=True):
            for name, statistics in of_block.items():
                assert statistics.tokens == expected[name].tokens, name
                assert statistics.samples == len(samples)
                torch.testing.assert_close(
                    statistics.input_sq, expected[name].input_sq, rtol=1e-4, atol=1e-4
                )
                torch.testing.assert_close(
                    statistics.gram, expected[name].gram, rtol=1e-4, atol=1e-4
                )


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
