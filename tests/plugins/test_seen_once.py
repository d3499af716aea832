"""An image that several samples show is seen once, and nothing else changes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from harness.model import Model
from harness.plugin import Generation, View
from harness_plugins.images import distinct_images
from tests.tiny import make_samples


def test_distinct_images_in_the_order_of_their_first_sample(tmp_path: Path) -> None:
    a, b = make_samples("blip2", tmp_path, 2)
    crop = replace(a, view=View(left=0, top=0, width=0.5, height=0.5))

    shown, places = distinct_images([b, a, replace(b, prompt="other"), crop, a])

    assert [sample.id for sample in shown] == [b.id, a.id, a.id]
    assert shown[0].prompt == b.prompt
    assert shown[2].view == crop.view
    assert places == [0, 1, 0, 2, 1]


def test_blip2_looks_once_at_an_image(tiny_model: Callable[[str], Model], tmp_path: Path) -> None:
    loaded: Any = tiny_model("blip2_t5").loaded
    a, b = make_samples("blip2", tmp_path, 2)
    asked = [a, b, replace(a, prompt=b.prompt), replace(b, prompt=a.prompt)]
    seen: list[int] = []
    handle = loaded.module.vision_model.register_forward_hook(
        lambda module, inputs, output: seen.append(len(output.last_hidden_state))
    )

    together = loaded.generate(asked, Generation(num_beams=2))
    alone = [loaded.generate([sample], Generation(num_beams=2))[0] for sample in asked]
    handle.remove()

    assert seen == [2, 1, 1, 1, 1]
    assert together == alone
    batch = loaded.collate([replace(a, target="a b")])
    assert torch.isfinite(loaded.loss(batch))  # the hook is gone
