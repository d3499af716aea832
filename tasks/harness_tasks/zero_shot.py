"""Zero-shot classification by a dual encoder: an image's class is the nearest class name.

Radford et al., ICML 2021, section 3.1. A class is the mean of the unit-length features of its
name in every template, made unit-length again.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.plugin import Asker, RunError, Sample

if TYPE_CHECKING:
    from torch import Tensor

TOP = 5


def classify(
    asker: Asker, samples: Sequence[Sample], names: Sequence[str], templates: Sequence[str]
) -> list[list[int]]:
    """Up to five classes per image, best first; of equally near classes the lower index first.

    Raises:
        RunError: A feature is not a number, so that nothing is near or far.
    """
    import torch

    classes = class_features(asker, names, templates)
    images = asker.embed_images(samples)
    likeness = (images @ classes.T).amax(dim=1)
    if not bool(torch.isfinite(likeness).all()):
        raise RunError("the model's features are not finite; no class is nearest to an image")
    order = torch.sort(likeness, dim=1, descending=True, stable=True).indices
    best: list[list[int]] = order[:, :TOP].tolist()
    return best


def class_features(asker: Asker, names: Sequence[str], templates: Sequence[str]) -> "Tensor":
    """One unit-length row per class name (names, dim); underscores in names are blanks."""
    texts = [template.format(name.replace("_", " ")) for name in names for template in templates]
    features = asker.embed_texts(texts).reshape(len(names), len(templates), -1)
    classes = features.mean(dim=1)
    unit: Tensor = classes / classes.norm(dim=-1, keepdim=True)
    return unit
