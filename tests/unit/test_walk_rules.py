"""Walks that depart from the model on purpose: padding counted, blocks called like the first."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from harness.errors import RunError
from harness.model import Model
from harness.plugin import Batch, Statistics
from harness.walk import Rules, TowerWalk
from tests.tiny import make_samples

MakeModel = Callable[[str], Model]
KINDS = frozenset({"input_sq"})
FIRST_CALL = Rules(replays_first_call=True)


def batches_of(model: Model, kind: str, folder: Path) -> list[Batch]:
    samples = make_samples(kind, folder)
    return [model.loaded.collate(samples[:4]), model.loaded.collate(samples[4:])]


def statistics(
    model: Model, tower: str, batches: list[Batch], rules: Rules | None
) -> list[dict[str, Statistics]]:
    """Of every block, by layer."""
    found = next(t for t in model.towers if t.name == tower)
    return [visit.statistics(KINDS) for visit in TowerWalk(model, found, batches, rules)]


def without_bias(block: nn.Module) -> Any:
    """Let a T5 block hand on a position bias of zero."""

    def hook(_: nn.Module, __: Any, output: Any) -> Any:
        hidden, bias, cross = output
        return hidden, torch.zeros_like(bias), cross

    return block.register_forward_hook(hook)


@pytest.mark.parametrize("tower", ["language-encoder", "language-decoder"])
def test_the_first_call_has_no_position_bias_for_later_blocks_of_t5(
    tiny_model: MakeModel, tmp_path: Path, tower: str
) -> None:
    model = tiny_model("blip2_t5")
    batches = batches_of(model, "blip2_t5", tmp_path)

    clean = statistics(model, tower, batches, None)
    released = statistics(model, tower, batches, FIRST_CALL)
    block = next(t for t in model.towers if t.name == tower).blocks[0][1]
    handle = without_bias(block)
    zero = statistics(model, tower, batches, None)
    handle.remove()

    for name, of_layer in released[0].items():
        assert torch.equal(of_layer.input_sq, clean[0][name].input_sq)
    for name, of_layer in released[1].items():
        torch.testing.assert_close(of_layer.input_sq, zero[1][name].input_sq)
    differing = [
        name
        for name, of_layer in released[1].items()
        if not torch.allclose(of_layer.input_sq, clean[1][name].input_sq, rtol=1e-3)
    ]
    assert any(name.endswith("SelfAttention.o") for name in differing)
    assert not any(name.endswith("SelfAttention.q") for name in differing)


@pytest.mark.parametrize(
    ("kind", "tower"),
    [
        ("llama", "language-decoder"),
        ("gpt2", "language-decoder"),
        ("vit", "vision"),
        ("blip2_t5", "vision"),
        ("blip_vqa", "language-encoder"),
    ],
)
def test_the_first_call_changes_nothing_where_all_calls_are_alike(
    tiny_model: MakeModel, tmp_path: Path, kind: str, tower: str
) -> None:
    model = tiny_model(kind)
    batches = batches_of(model, kind, tmp_path)

    clean = statistics(model, tower, batches, None)
    released = statistics(model, tower, batches, FIRST_CALL)

    for of_block, expected in zip(released, clean, strict=True):
        for name, of_layer in of_block.items():
            assert torch.equal(of_layer.input_sq, expected[name].input_sq), name


def test_a_tower_that_passes_hidden_states_differently_is_an_error(
    tiny_model: MakeModel, tmp_path: Path
) -> None:
    model = tiny_model("vit")
    batches = batches_of(model, "vit", tmp_path)
    _, second = (block for _, block in model.towers[0].blocks)
    second.register_forward_pre_hook(
        lambda _, args, kwargs: ((), {"hidden_states": args[0], **kwargs}), with_kwargs=True
    )

    with pytest.raises(RunError, match="hidden states otherwise than block 0"):
        statistics(model, "vision", batches, FIRST_CALL)


def test_padding_counts_where_asked(tiny_model: MakeModel, tmp_path: Path) -> None:
    """All positions of the batches, queries and padding alike."""
    model = tiny_model("blip2_t5")
    batches = batches_of(model, "blip2_t5", tmp_path)

    real = statistics(model, "language-encoder", batches, None)[0]
    padded = statistics(model, "language-encoder", batches, Rules(counts_padding=True))[0]

    name = next(iter(real))
    assert real[name].tokens == sum(int(b["attention_mask"].sum()) for b in batches)
    assert padded[name].tokens == sum(b["attention_mask"].numel() for b in batches)
    assert bool((padded[name].input_sq > real[name].input_sq).all())
