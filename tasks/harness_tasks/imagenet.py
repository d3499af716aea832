"""ImageNet-1k: top-1 and top-5, of a classifier's logits or of a dual encoder, zero-shot.

Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 2015. Class names
come from the list in the folder: those of WordNet, or the cleaner ones that CLIP's authors chose,
which score higher, if they stand in its classes.json.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from harness.plugin import DataError, Example, Manifest, Profile, Task, hookimpl
from harness_tasks import templates
from harness_tasks.image_folder import INDEX, MAPPING, read_image_folder
from harness_tasks.labelled_images import LabelledImages, labelled_examples
from harness_tasks.manifests import manifest_of


class ImageNet(LabelledImages):
    """Top-1 accuracy on the validation images."""

    name: ClassVar[str] = "imagenet"
    manifest: ClassVar[Manifest] = manifest_of("imagenet")
    profiles: ClassVar[tuple[Profile, ...]] = (
        Profile(name="classifier", needs=("classify",)),
        Profile(name="zero-shot", needs=("embed",)),
        Profile(name="zero-shot-1", needs=("embed",)),
    )
    templates: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "zero-shot": templates.IMAGENET,
        "zero-shot-1": templates.PHOTO,
    }

    def examples(
        self, folder: Path, profile: Profile, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Example]:
        labelled = read_image_folder(folder)
        if profile.name in self.templates and not labelled.names:
            raise DataError(
                folder, f"has no class names, which zero-shot needs; put {INDEX} or {MAPPING} there"
            )
        return labelled_examples(labelled)


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [ImageNet]
