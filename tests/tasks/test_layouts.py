"""Which data a folder holds: told by its layout, shown in the column, counted, never guessed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.asked import DataIdentity
from harness.errors import DataError
from harness.plugin import Layout, Manifest, OfficialFile, Profile
from harness.plugin.manager import Plugins
from harness.spec import DataSpec, TaskSpec
from harness.tasks import OpenTask, open_task
from harness_tasks.captioning import CocoCaption
from harness_tasks.flickr30k import Flickr30k
from harness_tasks.image_folder import read_class_folders
from harness_tasks.imagenet import ImageNet
from tests.tasks.worlds import (
    CAPTIONS,
    dump,
    images,
    write_class_folders,
    write_coco,
    write_coco_caption,
    write_flickr30k,
    write_imagenet,
    write_nlvr2,
)
from tests.tiny import WORDS

Open = Callable[..., OpenTask]
NAMES = [f"COCO_val2014_{i:012d}.jpg" for i in range(2)]


@pytest.fixture
def opened(tiny_model: Any, plugins: Plugins, tmp_path: Path) -> Open:
    """Opens a task on the folder ``<tmp_path>/full/<task>``, as `full` or by its path."""

    def call(task: str, model: str, edition: str | None = None, **asked: Any) -> OpenTask:
        folder = tmp_path / "full" / task
        data = DataSpec(edition=edition) if edition else DataSpec(folders={task: folder})
        spec = TaskSpec.model_validate({"name": task, **asked})
        return open_task(spec, data, tmp_path, tiny_model(model), plugins)

    return call


def manifest(*others: Layout) -> Manifest:
    return Manifest(
        task="birds",
        title="Birds",
        page="https://birds.org",
        files=(OfficialFile(path="test/"),),
        others=others,
    )


def test_a_layout_is_told_by_its_first_file(tmp_path: Path) -> None:
    listed = Layout(name="listed", files=(OfficialFile(path="a.json"), OfficialFile(path="test/")))
    dev = Layout(name="dev", files=(OfficialFile(path="dev.json"),), yields=True)
    birds = manifest(listed, dev)

    with pytest.raises(DataError, match=r"none: no such folder"):
        birds.layout_in(tmp_path / "none")
    (tmp_path / "test").mkdir()
    with pytest.raises(DataError, match=r"holds none of test/, a.json, dev.json"):
        birds.layout_in(tmp_path)
    (tmp_path / "dev.json").touch()
    assert birds.layout_in(tmp_path) is dev
    (tmp_path / "a.json").touch()
    assert birds.layout_in(tmp_path) is listed
    (tmp_path / "test" / "1.jpg").touch()
    with pytest.raises(DataError, match=r"holds test/ and a.json, which may be different data"):
        birds.layout_in(tmp_path)
    assert manifest().layout_in(tmp_path / "none").name == ""


def test_a_layout_is_counted_by_items_or_by_lines() -> None:
    file, text = OfficialFile(path="a"), OfficialFile(path="a", lines=3)

    assert not Layout(files=(file,)).is_counted
    assert Layout(files=(file,), examples=0).is_counted
    assert Layout(files=(text,)).is_counted


def write_nlvr2_dev(folder: Path) -> None:
    write_nlvr2(folder)
    (folder / "test1.json").rename(folder / "dev.json")
    (folder / "test1").rename(folder / "dev")


def write_words(name: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / name).write_text(" ".join(WORDS * 9) + "\n")

    return write


def write_val2014(folder: Path) -> None:
    write_coco(folder / "annotations" / "captions_val2014.json", folder / "val2014")


def write_coop(folder: Path) -> None:
    images(folder / "UCF-101-midframes", ["a.jpg"])
    dump(folder / "split_zhou_UCF101.json", {"test": [["a.jpg", 0, "archery"]]})


@pytest.mark.parametrize(
    ("task", "model", "write", "variant"),
    [
        ("nlvr2", "blip_nlvr", write_nlvr2, ""),
        ("nlvr2", "blip_nlvr", write_nlvr2_dev, "dev"),
        ("coco-caption", "blip_caption", write_coco_caption, ""),
        ("coco-caption", "blip_caption", write_val2014, "val2014"),
        ("coco-caption", "blip_caption", write_flickr30k, "flickr30k-test"),
        ("wikitext", "llama", write_words("wiki.test.raw"), ""),
        ("wikitext", "llama", write_words("wiki.test.tokens"), "tokens"),
        ("ucf101", "clip", write_class_folders, ""),
        ("ucf101", "clip", write_coop, "coop-test"),
    ],
)
def test_other_data_than_the_tasks_own_is_named(
    task: str,
    model: str,
    write: Callable[[Path], None],
    variant: str,
    opened: Open,
    tmp_path: Path,
) -> None:
    """And it is no part of a split."""
    write(tmp_path / "full" / task)

    data = opened(task, model, profile="w64" if task == "wikitext" else None).data

    assert (data.edition, data.variant, data.part) == ("folder", variant, "")


def test_the_tasks_own_split_goes_first_and_others_are_never_mixed(
    opened: Open, tmp_path: Path
) -> None:
    folder = tmp_path / "full" / "coco-caption"
    write_coco_caption(folder)
    write_val2014(folder)

    assert opened("coco-caption", "blip_caption").data.variant == ""

    dump(folder / "dataset_coco.json", {"images": []})
    named = "captions_val2017.json and dataset_coco.json, which may be different data; keep one"
    with pytest.raises(DataError, match=named):
        opened("coco-caption", "blip_caption")


def test_part_of_another_layout_is_not_full(opened: Open, tmp_path: Path) -> None:
    write_val2014(tmp_path / "full" / "coco-caption")

    with pytest.raises(DataError, match=r"4 items, not 40,504; a part is named as --data coco-cap"):
        opened("coco-caption", "blip_caption", "full")


def test_where_nobody_knows_the_count_nothing_is_full(opened: Open, tmp_path: Path) -> None:
    write_class_folders(tmp_path / "full" / "ucf101")

    assert opened("ucf101", "clip", "full").data.edition == "folder"


def test_lines_of_a_text_are_counted_before_it_is_full(opened: Open, tmp_path: Path) -> None:
    write_words("wiki.test.raw")(tmp_path / "full" / "wikitext")

    with pytest.raises(DataError, match=r"wiki.test.raw: 1 lines, not 4,358; a part is named as"):
        opened("wikitext", "llama", "full", profile="w64")


def test_all_missing_images_are_counted(opened: Open, tmp_path: Path) -> None:
    folder = tmp_path / "full" / "coco-caption"
    write_coco_caption(folder)
    for name in ("1.jpg", "3.jpg"):
        (folder / "val2017" / name).unlink()

    with pytest.raises(DataError, match=r"1.jpg: no such image; 1 more are missing"):
        opened("coco-caption", "blip_caption", limit=1)


def zero_shot(opened: Open) -> DataIdentity:
    return opened("imagenet", "clip", profile="zero-shot").data


def test_class_names_are_part_of_what_zero_shot_reads(opened: Open, tmp_path: Path) -> None:
    folder = tmp_path / "full" / "imagenet"
    write_imagenet(folder)
    first = zero_shot(opened)
    pairs = [["n4", "hound"], ["n3", "cat"], ["n2", "bird"], ["n1", "horse"]]
    dump(folder / "classes.json", pairs)
    renamed = zero_shot(opened)
    (folder / "classes.json").unlink()
    lines = "".join(f"{wnid} {name}, of WordNet\n" for wnid, name in pairs)
    (folder / "LOC_synset_mapping.txt").write_text(lines)
    listed = zero_shot(opened)

    assert first.variant.startswith("names-")
    assert renamed.variant != first.variant
    assert listed.variant == ""
    assert renamed.digest != first.digest
    assert listed.digest == renamed.digest, "the same names"
    assert ImageNet().variant(folder, Profile(name="classifier")) == ""


def captions() -> list[dict[str, Any]]:
    return [{"image": f"val2014/{n}", "caption": [CAPTIONS[i]]} for i, n in enumerate(NAMES)]


def karpathy() -> dict[str, Any]:
    rows = [
        {"filepath": "val2014", "filename": name, "sentences": [{"raw": CAPTIONS[i]}]}
        for i, name in enumerate(NAMES)
    ]
    return {"images": [{**row, "split": "test"} for row in rows]}


@pytest.mark.parametrize("place", ["images/val2014", "images"])
@pytest.mark.parametrize(
    ("task", "name", "content"),
    [
        (CocoCaption(), "dataset_coco.json", karpathy()),
        (CocoCaption(), "annotations/coco_karpathy_test.json", captions()),
        (Flickr30k(), "flickr30k_test.json", captions()),
    ],
)
def test_lists_of_lavis_and_folders_of_karpathy(
    task: Any, name: str, content: Any, place: str, tmp_path: Path
) -> None:
    """Both name the folder in which COCO has an image; some keep all of them in one."""
    images(tmp_path / place, NAMES)
    dump(tmp_path / name, content)

    examples = task.examples(tmp_path, task.profiles[0], None)

    assert [example.sample.id for example in examples] == NAMES
    assert [example.references for example in examples] == [(text,) for text in CAPTIONS[:2]]
    assert [e.sample.image for e in examples] == [tmp_path / place / name for name in NAMES]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"image": "a.jpg"}, r"\[0\]: field 'caption' is missing; it has image"),
        ({"image": "a.jpg", "caption": "one"}, r"field 'caption' is 'one', not of type list"),
        ({"image": "a.jpg", "caption": []}, r"field 'caption' is \[\], not a list of texts"),
        ("a.jpg", r"\[0\]: an object is needed, not 'a.jpg'"),
    ],
)
def test_a_faulty_entry_of_a_list_is_named(entry: Any, message: str, tmp_path: Path) -> None:
    dump(tmp_path / "annotations" / "coco_karpathy_test.json", [entry])

    with pytest.raises(DataError, match=message):
        CocoCaption().examples(tmp_path, CocoCaption().profiles[0], None)


def test_an_image_is_one_in_upper_case_too(tmp_path: Path) -> None:
    images(tmp_path / "dog", ["a.jpg", "b.JPG", "c.Jpeg", "d.PNG"])
    for ignored in (".DS_Store", "Thumbs.db"):
        (tmp_path / "dog" / ignored).touch()
    (tmp_path / ".cache").mkdir()

    found = read_class_folders(tmp_path)

    assert [path.name for path, _ in found.images] == ["a.jpg", "b.JPG", "c.Jpeg", "d.PNG"]
    assert found.names == ["dog"]


def test_what_is_no_image_is_named_not_left_out(tmp_path: Path) -> None:
    images(tmp_path / "dog", ["a.jpg"])
    for number in range(7):
        (tmp_path / "dog" / f"{number}.webp").touch()

    named = r"dog/0.webp, dog/1.webp, .* and 2 more is no image \(.jpg, .jpeg, .png\); take it out"
    with pytest.raises(DataError, match=named):
        read_class_folders(tmp_path)
