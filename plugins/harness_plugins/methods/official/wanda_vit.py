"""Wanda of image classifiers as released: the statistics are the dense model's.

locuslab/wanda, image_classifiers/prune_utils.py, prune_vit. A block runs once, hooked, and is
pruned behind that, so that every block is calibrated on what the dense blocks before it give; in
its language models each block runs again after it was pruned. Rows lose int(columns p) weights,
which is the granularity that its instructions give. The other, ``layer``, is

    --pruner "wanda-vit-official budget=fused-qkv-official local.compare=layer"
"""

from harness.plugin import Recipe, hookimpl

WANDA_VIT_OFFICIAL = Recipe(
    name="wanda-vit-official",
    paper="Wanda of ViT as released in locuslab/wanda (image_classifiers/prune_utils.py), per row.",
    score="activation",
    budget="uniform-rows-official",
    local=("scores",),
    settings={"local.compare": "row"},
)


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [WANDA_VIT_OFFICIAL]
