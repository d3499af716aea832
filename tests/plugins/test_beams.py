"""Beams of a prompt attend to it together, and search as they would alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.model import Model
from harness_plugins.beams import beams_together
from tests.tiny import make_samples

MakeModel = Callable[[str], Model]
BEAMS = 4


def search(loaded: Any, inputs: dict[str, Any], together: bool) -> Any:
    further = {"num_beams": BEAMS, "max_new_tokens": 6, "do_sample": False}
    detail = {"return_dict_in_generate": True, "output_scores": True}
    with beams_together(loaded.towers, BEAMS if together else 1) as cache:
        return loaded.module.generate(**inputs, **cache, **further, **detail)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", ["t5", "blip2_t5", "instructblip_t5", "blip2_opt"])
def test_the_search_is_that_of_repeated_rows(
    kind: str, attention: str, tiny_model: MakeModel, tmp_path: Path
) -> None:
    loaded: Any = tiny_model(kind).loaded
    loaded.module.set_attn_implementation(attention)
    prompts, beside = loaded._read(make_samples(kind, tmp_path, 3))
    inputs = loaded._batch(prompts, beside, left=not loaded._encodes)

    together = search(loaded, inputs, together=True)
    plain = search(loaded, inputs, together=False)

    assert torch.equal(together.sequences, plain.sequences)
    torch.testing.assert_close(together.sequences_scores, plain.sequences_scores)
    assert len(together.scores) == len(plain.scores) > 1
    for got, expected in zip(together.scores, plain.scores, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_keys_are_computed_and_kept_once_for_a_prompt(
    tiny_model: MakeModel, tmp_path: Path
) -> None:
    loaded: Any = tiny_model("t5").loaded
    prompts, beside = loaded._read(make_samples("t5", tmp_path, 3))
    inputs = loaded._batch(prompts, beside)
    rows: list[int] = []
    attention = loaded.module.get_submodule("decoder.block.0.layer.1.EncDecAttention")
    handle = attention.k.register_forward_hook(lambda layer, inputs, out: rows.append(len(out)))

    together = search(loaded, inputs, together=True)
    plain = search(loaded, inputs, together=False)
    handle.remove()

    assert rows == [3, 3 * BEAMS]
    assert together.past_key_values.cross_attention_cache.layers[0].keys.shape[0] == 3
    assert plain.past_key_values.cross_attention_cache.layers[0].keys.shape[0] == 3 * BEAMS
