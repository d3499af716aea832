"""Sums over what a layer reads: the variance within samples, whatever their padding and batches."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from harness.activations import InputStatistics, SharedTokens, collecting_hook
from harness.errors import RunError
from harness.model import Model
from harness.plugin import LayerInfo, Statistic, Statistics
from harness.walk import TowerWalk
from tests.tiny import make_samples

LAYER = LayerInfo(name="l", tower="t", block=0, role="r", shape=(2, 3), stream="t")
KINDS: frozenset[Statistic] = frozenset({"input_var", "input_var_within"})


def collected(*batches: tuple[Tensor, Tensor | None, int]) -> Statistics:
    """Statistics of batches (inputs, mask, samples)."""
    collector = InputStatistics(LAYER, KINDS)
    for number, (x, mask, samples) in enumerate(batches):
        shared: SharedTokens = {}
        masks = {} if mask is None else {"t": mask}
        collecting_hook(collector, masks, shared, number, samples)(nn.Identity(), (x,))
    return collector.finish(sum(samples for _, _, samples in batches))


def drawn(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*shape, generator=generator) + 10 * torch.arange(shape[0]).reshape(
        -1, *[1] * (len(shape) - 1)
    )


def test_each_sample_has_its_own_mean() -> None:
    x = drawn(4, 6, 3)

    found = collected((x[:3], None, 3), (x[3:], None, 1))

    expected = x.var(dim=1, unbiased=False).mean(dim=0)
    torch.testing.assert_close(found.input_var_within, expected)
    assert bool((found.input_var > 50 * expected).all())


def test_samples_count_by_their_real_tokens() -> None:
    x = drawn(2, 4, 3)
    mask = torch.tensor([[True, True, True, True], [True, False, False, True]])

    found = collected((x, mask, 2))

    parts = [x[0], x[1, [0, 3]]]
    squares = sum((part - part.mean(dim=0)).square().sum(dim=0) for part in parts)
    torch.testing.assert_close(found.input_var_within, squares / 6)
    flat = collected((x.reshape(8, 3), mask, 2))
    torch.testing.assert_close(flat.input_var_within, found.input_var_within)


def test_windows_of_a_sample_are_one_sample() -> None:
    x = drawn(2, 6, 3)

    cut = collected((x.reshape(4, 3, 3), None, 2))

    torch.testing.assert_close(cut.input_var_within, collected((x, None, 2)).input_var_within)


def test_a_list_of_tokens_that_does_not_tell_samples_apart_is_refused() -> None:
    one = collected((drawn(6, 3), None, 1))

    assert one.tokens == 6
    with pytest.raises(RunError, match="layer l: its input does not tell samples apart"):
        collected((drawn(6, 3), None, 2))


def test_the_batch_size_plays_no_part(tiny_model: Callable[[str], Model], tmp_path: Path) -> None:
    model = tiny_model("llama")
    samples = make_samples("llama", tmp_path)
    tower = model.towers[0]

    def first_layer(size: int) -> Tensor:
        starts = range(0, len(samples), size)
        batches = [model.loaded.collate(samples[i : i + size]) for i in starts]
        statistics = next(iter(TowerWalk(model, tower, batches))).statistics(KINDS)
        return next(iter(statistics.values())).input_var_within

    torch.testing.assert_close(first_layer(1), first_layer(4))
