"""The towers before the language model in BLIP-2 and InstructBLIP."""

from torch import nn

from harness.plugin import Tower
from harness_plugins.pretrained import blocks_at


def vision_tower(module: nn.Module) -> Tower:
    return Tower(name="vision", blocks=blocks_at(module, "vision_model.encoder.layers"))


def bridge_tower(module: nn.Module) -> Tower:
    """The Q-Former, whose queries read the image."""
    cross = {"crossattention.attention.key", "crossattention.attention.value"}
    return Tower(
        name="bridge",
        blocks=blocks_at(module, "qformer.encoder.layer"),
        cross_stream="vision",
        cross_roles=frozenset(cross),
    )
