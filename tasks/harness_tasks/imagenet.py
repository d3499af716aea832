"""ImageNet-1k: top-1 and top-5, of a classifier's logits or of a dual encoder, zero-shot.

Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 2015. Class names are
those of Kaggle's list, which are WordNet's, unless there is a classes.json: CLIP's authors chose
cleaner ones, which score higher. Then a hash of the names stands in the column.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from harness.plugin import DataError, Example, Manifest, Profile, Task, hookimpl
from harness_tasks import templates
from harness_tasks.image_folder import INDEX, MAPPING, read_image_folder
from harness_tasks.labelled_images import LabelledImages, classifiers_examples, labelled_examples
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

    def variant(self, folder: Path, profile: Profile) -> str:
        """Six digits of a hash of the names that classes.json gives, where names matter."""
        if profile.name not in self.templates or not (folder / INDEX).is_file():
            return ""
        names = "\n".join(read_image_folder(folder).names)
        return f"names-{hashlib.sha256(names.encode()).hexdigest()[:6]}"

    def examples(
        self, folder: Path, profile: Profile, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Example]:
        labelled = read_image_folder(folder)
        if profile.name not in self.templates:
            return classifiers_examples(labelled)
        if not labelled.names:
            raise DataError(
                folder, f"has no class names, which zero-shot needs; put {INDEX} or {MAPPING} there"
            )
        return labelled_examples(labelled)


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [ImageNet]
