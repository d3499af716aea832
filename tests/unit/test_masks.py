"""What is filed of a mask is counted in the live weights."""

from collections.abc import Callable

import pytest
import torch

from harness.errors import VerificationError
from harness.masks import Masks, verify
from harness.model import Model
from harness.plugin import Pattern

TinyModel = Callable[[str], Model]


@pytest.fixture
def model(tiny_model: TinyModel) -> Model:
    return tiny_model("vit")


@pytest.fixture
def masks(model: Model) -> Masks:
    """The first half of every four inputs stays; what goes is zero in the live weights."""
    kept = {i.name: (torch.arange(i.shape[1]) % 4 < 2).expand(i.shape) for i in model.layers}
    for layer in model.layers:
        model.weight(layer).mul_(kept[layer.name])
    return kept


def test_a_masked_weight_that_is_not_zero_is_told_with_its_layer(
    model: Model, masks: Masks
) -> None:
    layer = model.layers[1]
    model.weight(layer)[0, 2:4] = 1.0

    with pytest.raises(VerificationError, match=f"^{layer.name}: 2 weights are masked but not ze"):
        verify(model, masks, {}, None, exact=False)


def test_a_count_that_is_not_the_budgets_is_told_with_its_layer(model: Model, masks: Masks) -> None:
    budget = {i.name: i.numel // 2 for i in model.layers}
    layer = model.layers[2]
    wrong = {**budget, layer.name: 7}

    assert verify(model, masks, budget, Pattern(2, 4), exact=True).model.masked == 0.5
    with pytest.raises(VerificationError, match=rf"^{layer.name}: \d+ weights are kept, .* says 7"):
        verify(model, masks, wrong, None, exact=True)


def test_a_group_that_keeps_too_many_is_told_with_its_layer(model: Model, masks: Masks) -> None:
    with pytest.raises(VerificationError, match=rf"^{model.layers[0].name}: .* 1:4 is asked for"):
        verify(model, masks, {}, Pattern(1, 4), exact=False)
