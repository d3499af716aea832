"""The other ten of CLIP's eleven classification data sets, zero-shot.

Radford et al., ICML 2021; test splits and templates of Zhou et al., "Learning to Prompt for
Vision-Language Models", IJCV 2022 (CoOp). A task's folder holds CoOp's split file and the images
where that file says, or else ``test/<class>/<image>``.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from harness.plugin import DataError, Example, Manifest, Once, Profile, Row, Task, brief, hookimpl
from harness_tasks import templates
from harness_tasks.annotation_files import read_json, read_lines
from harness_tasks.class_order import Class, refuse_twice
from harness_tasks.image_folder import Labelled, read_class_folders
from harness_tasks.labelled_images import LabelledImages, labelled_examples
from harness_tasks.manifests import manifest_of

TEST = "test"
COOP = "coop-test"
#: What stands in an entry of CoOp's.
COOP_FIELDS = ("image", "label", "class")


class LabelledSet(LabelledImages):
    """Top-1 accuracy on the test split."""

    profiles: ClassVar[tuple[Profile, ...]] = (Profile(name="coop", needs=("embed",)),)
    split_file: ClassVar[str]
    """CoOp's list of images by split."""
    images: ClassVar[str]
    """Folder that the paths in it start from."""

    def examples(
        self, folder: Path, profile: Profile, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Example]:
        if self.manifest.layout_in(folder).name == COOP:
            return labelled_examples(read_split(folder / self.split_file, folder / self.images))
        return labelled_examples(read_class_folders(folder / TEST))


def read_split(path: Path, images: Path) -> Labelled:
    """The test images of a CoOp split file, whose entries are [image, class index, class name].

    Raises:
        DataError: The file is missing, an entry is something else, or an image stands there twice.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get(TEST), list):
        raise DataError(path, f"an object with a list {TEST!r} is needed")
    once = Once("image")
    found: list[tuple[Path, int]] = []
    names: dict[int, str] = {}
    for index, entry in enumerate(content[TEST]):
        place = f"{TEST}[{index}]"
        if not isinstance(entry, list) or len(entry) != len(COOP_FIELDS):
            raise DataError(path, f"{brief(entry)} is not [image, class index, class name]", place)
        row = Row(dict(zip(COOP_FIELDS, entry, strict=True)), path, place)
        image, label, name = row.file("image", images), row.get("label", int), row.get("class", str)
        once.take(image, row)
        found.append((image, label))
        if names.setdefault(label, name) != name:
            other = brief(names[label])
            raise row.fault(f"class {brief(label)} is {other} before and {brief(name)} here")
    if sorted(names) != list(range(len(names))):
        raise DataError(path, f"class indices are not 0 to {len(names) - 1}; one has no image")
    classes = [Class(names[label], names[label]) for label in range(len(names))]
    refuse_twice(classes, path)
    return Labelled(found, classes)


def read_list(path: Path, images: Path) -> Labelled:
    """The images of FGVC-Aircraft's own list, whose lines are the image's number and its class.

    Raises:
        DataError: The file is missing, a line is something else, or an image stands there twice.
    """
    once = Once("image")
    found: dict[Path, str] = {}
    for place, line in read_lines(path):
        image, _, name = line.strip().partition(" ")
        row = Row({"image": image, "class": name}, path, place)
        if not name:
            raise row.fault(f"an image and its class are needed, not {brief(line)}")
        once.take(image, row)
        found[row.file("image", images, f"{image}.jpg")] = name
    names = sorted(set(found.values()))
    order = {name: index for index, name in enumerate(names)}
    labelled = [(image, order[name]) for image, name in found.items()]
    return Labelled(labelled, [Class(name, name) for name in names])


class Caltech101(LabelledSet):
    """Objects (Fei-Fei et al., CVPR workshops 2004)."""

    name: ClassVar[str] = "caltech101"
    manifest: ClassVar[Manifest] = manifest_of("caltech101")
    split_file: ClassVar[str] = "split_zhou_Caltech101.json"
    images: ClassVar[str] = "101_ObjectCategories"
    templates: ClassVar[Mapping[str, tuple[str, ...]]] = {"coop": templates.PHOTO}


class OxfordPets(LabelledSet):
    """Cats and dogs (Parkhi et al., CVPR 2012)."""

    name: ClassVar[str] = "oxford_pets"
    manifest: ClassVar[Manifest] = manifest_of("oxford_pets")
    split_file: ClassVar[str] = "split_zhou_OxfordPets.json"
    images: ClassVar[str] = "images"
    templates: ClassVar[Mapping[str, tuple[str, ...]]] = {"coop": templates.PETS}


class StanfordCars(LabelledSet):
    """Cars (Krause et al., ICCV workshops 2013)."""

    name: ClassVar[str] = "stanford_cars"
    manifest: ClassVar[Manifest] = manifest_of("stanford_cars")
    split_file: ClassVar[str] = "split_zhou_StanfordCars.json"
    images: ClassVar[str] = "."
    templates: ClassVar[Mapping[str, tuple[str, ...]]] = {"coop": templates.PHOTO}


class OxfordFlowers(LabelledSet):
    """Flowers (Nilsback and Zisserman, ICVGIP 2008)."""

    name: ClassVar[str] = "oxford_flowers"
    manifest: ClassVar[Manifest] = manifest_of("oxford_flowers")
    split_file: ClassVar[str] = "split_zhou_OxfordFlowers.json"
    images: ClassVar[str] = "jpg"
    templates: ClassVar[Mapping[str, tuple[str, ...]]] = {"coop": templates.FLOWERS}


class Food101(LabelledSet):
    """Dishes (Bossard et al., ECCV 2014)."""

    name: ClassVar[str] = "food101"
    manifest: ClassVar[Manifest] = manifest_of("food101")
    split_file: ClassVar[str] = "split_zhou_Food101.json"
    images: ClassVar[str] = "images"
    templates: ClassVar[Mapping[str, tuple[str, ...]]] = {"coop": templates.FOOD}


class FGVCAircraft(LabelledSet):
    """Aircraft variants (Maji et al., 2013, arXiv:1306.5151), in their own lists."""

    name: ClassVar[str] = "fgvc_aircraft"
    manifest: ClassVar[Manifest] = manifest_of("fgvc_aircraft")
    split_file: ClassVar[str] = "images_variant_test.txt"
    images: ClassVar[str] = "images"
    templates: ClassVar[Mapping[str, tuple[str, ...]]] = {"coop": templates.AIRCRAFT}

    def examples(
        self, folder: Path, profile: Profile, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Example]:
        if not self.manifest.layout_in(folder).name:
            return super().examples(folder, profile, encode)
        return labelled_examples(read_list(folder / self.split_file, folder / self.images))


class SUN397(LabelledSet):
    """Scenes (Xiao et al., CVPR 2010)."""

    name: ClassVar[str] = "sun397"
    manifest: ClassVar[Manifest] = manifest_of("sun397")
    split_file: ClassVar[str] = "split_zhou_SUN397.json"
    images: ClassVar[str] = "SUN397"
    templates: ClassVar[Mapping[str, tuple[str, ...]]] = {"coop": templates.PHOTO}


class DescribableTextures(LabelledSet):
    """Textures (Cimpoi et al., CVPR 2014)."""

    name: ClassVar[str] = "dtd"
    manifest: ClassVar[Manifest] = manifest_of("dtd")
    split_file: ClassVar[str] = "split_zhou_DescribableTextures.json"
    images: ClassVar[str] = "images"
    templates: ClassVar[Mapping[str, tuple[str, ...]]] = {"coop": templates.TEXTURES}


class EuroSAT(LabelledSet):
    """Satellite photographs (Helber et al., JSTARS 2019)."""

    name: ClassVar[str] = "eurosat"
    manifest: ClassVar[Manifest] = manifest_of("eurosat")
    split_file: ClassVar[str] = "split_zhou_EuroSAT.json"
    images: ClassVar[str] = "2750"
    templates: ClassVar[Mapping[str, tuple[str, ...]]] = {"coop": templates.SATELLITE}


class UCF101(LabelledSet):
    """Middle frames of videos of actions (Soomro et al., 2012, arXiv:1212.0402)."""

    name: ClassVar[str] = "ucf101"
    manifest: ClassVar[Manifest] = manifest_of("ucf101")
    split_file: ClassVar[str] = "split_zhou_UCF101.json"
    images: ClassVar[str] = "UCF-101-midframes"
    templates: ClassVar[Mapping[str, tuple[str, ...]]] = {"coop": templates.ACTIONS}


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [
        Caltech101,
        OxfordPets,
        StanfordCars,
        OxfordFlowers,
        Food101,
        FGVCAircraft,
        SUN397,
        DescribableTextures,
        EuroSAT,
        UCF101,
    ]
