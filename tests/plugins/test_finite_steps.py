"""Texts are picked by numbers at every step."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.model import Model
from harness.plugin import Generation, RunError
from tests.tiny import make_samples

#: Architecture -> what gives its decoder's logits.
HEADS = {
    "blip2_t5": "language_model.lm_head",
    "blip2_opt": "language_model.lm_head",
    "blip_caption": "text_decoder.cls.predictions",
    "blip_vqa": "text_decoder.cls.predictions",
    "llava": "lm_head",
}


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("kind", HEADS)
def test_the_step_and_the_item_do_not_matter(
    kind: str, beams: int, tiny_model: Callable[[str], Model], tmp_path: Path
) -> None:
    """One logit of the last row goes bad in the third step; -inf rules a token out, no more."""
    loaded: Any = tiny_model(kind).loaded
    samples = make_samples(kind, tmp_path, count=4)[::3]  # their prompts are equally long
    generation = Generation(num_beams=beams, min_length=5, max_new_tokens=5)
    steps: list[int] = []

    def spoil(value: float) -> Any:
        def hook(_module: nn.Module, _inputs: Any, logits: Tensor) -> None:
            steps.append(len(logits))
            if len(steps) == 3:
                logits[-1, -1, -1] = value

        return loaded.module.get_submodule(HEADS[kind]).register_forward_hook(hook)

    for value in (torch.nan, torch.inf):
        steps.clear()
        handle = spoil(value)
        with pytest.raises(RunError, match=r"logits of item '3' are not finite \((nan|inf)\)"):
            loaded.generate(samples, generation)
        handle.remove()

    steps.clear()
    handle = spoil(-torch.inf)
    assert len(loaded.generate(samples, generation)) == 2
    assert steps[2] == 2 * beams
    handle.remove()
