"""Which class a logit stands for: by WordNet ids, by names, or refused."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from harness.errors import DataError, InputError
from harness.plugin import Example, NamesClasses, Sample
from harness_tasks.calibration.labelled_images import ImageFolder
from harness_tasks.class_order import Class, classes_of_logits
from harness_tasks.image_folder import read_class_folders, read_image_folder
from harness_tasks.imagenet import ImageNet
from harness_tasks.labelled_sets import read_split
from harness_tasks.wnids import WNIDS
from tests.tasks.worlds import dump, images

UNNAMED = [f"LABEL_{logit}" for logit in range(1000)]
TEN = "tench|black swan|terrier|beetle|gown|dwelling|hook|towel|slot|tower".split("|")
#: Index among the 1,000 -> name, in no order.
PLACES = [0, 999, 100, 5, 42, 500, 777, 8, 301, 12]
IMAGENETTE = [Class(WNIDS[place], name) for place, name in zip(PLACES, TEN, strict=True)]


def test_the_thousand_ids_are_those_of_imagenet_in_order() -> None:
    """Of tench, goldfish and toilet tissue, by ILSVRC2012's list."""
    assert len(set(WNIDS)) == 1000
    assert list(WNIDS) == sorted(WNIDS)
    assert (WNIDS[0], WNIDS[1], WNIDS[999]) == ("n01440764", "n01443537", "n15075141")


def logits_of(labels: Sequence[str], classes: Sequence[Class]) -> list[int]:
    """The logit of every class of the list."""
    found = classes_of_logits(labels, classes)
    assert len(found) == len(labels)
    return [found.index(place) for place in range(len(classes))]


@pytest.mark.parametrize("labels", [UNNAMED, [""] * 1000, list(WNIDS)])
def test_ten_classes_of_imagenet_are_found_among_a_thousand_logits(labels: list[str]) -> None:
    assert logits_of(labels, IMAGENETTE) == PLACES
    assert classes_of_logits(labels, IMAGENETTE).count(None) == 990


def test_the_order_of_the_list_moves_no_class_of_imagenet() -> None:
    backwards = [Class(wnid) for wnid in reversed(WNIDS)]

    assert logits_of(UNNAMED, backwards) == list(range(999, -1, -1))


def test_a_class_that_is_missing_shifts_no_other() -> None:
    without = [Class(wnid) for wnid in WNIDS if wnid != WNIDS[3]]

    assert logits_of(UNNAMED, without) == [place for place in range(1000) if place != 3]


def test_names_of_the_models_config_go_before_any_order() -> None:
    ids = [found.key for found in IMAGENETTE]
    for labels in (ids[::-1], TEN[::-1], [f"{name.upper()}, or so" for name in TEN[::-1]]):
        assert logits_of(labels, IMAGENETTE) == list(range(9, -1, -1))
    assert logits_of(["cat", "dog", "bird"], [Class("dog"), Class("a", "cat")]) == [1, 0]


def test_a_name_that_two_classes_of_imagenet_share_is_told_by_its_id() -> None:
    """Two of its classes are called crane, and two maillot."""
    labels = [f"thing {logit}" for logit in range(1000)]
    labels[134] = labels[517] = "crane"
    classes = [Class(WNIDS[517], "crane"), Class(WNIDS[134], "crane")]

    assert logits_of(labels, classes) == [517, 134]


def test_as_many_classes_as_logits_without_names_are_in_the_lists_order() -> None:
    assert logits_of(UNNAMED[:10], IMAGENETTE) == list(range(10))
    assert logits_of(UNNAMED[:3], [Class(name) for name in "cab"]) == [0, 1, 2]
    assert logits_of(["crane", "crane"], [Class("a", "crane"), Class("b", "crane")]) == [0, 1]


@pytest.mark.parametrize(
    ("labels", "classes", "told"),
    [
        (UNNAMED[:7], IMAGENETTE, "7 logits, the data 10 classes, and its config names none"),
        (UNNAMED, [*IMAGENETTE, Class("n00000000")], "1,000 logits, the data 11 classes, and its"),
        ([*UNNAMED, "x"], [Class(w) for w in WNIDS], r"1,001 logits, .* class n01440764 is call"),
        (
            ["cat", "dog"],
            [Class("a", "cat"), Class("b", "cow")],
            r"class b \(cow\) is called so by",
        ),
        (["cat", "cat", "dog"], [Class("cat"), Class("dog")], "3 logits, the data 2 classes"),
        (["dog", "cat", "cat"], [Class(n) for n in ("cat", "dog", "cat ")], "class cat is logit 1"),
    ],
)
def test_classes_that_do_not_match_the_logits_are_refused(
    labels: list[str], classes: list[Class], told: str
) -> None:
    with pytest.raises(InputError, match=told) as caught:
        classes_of_logits(labels, classes)
    assert "\n" not in str(caught.value)


def test_a_thousand_logits_in_another_order_are_refused_or_followed() -> None:
    names = [f"thing {place}" for place in range(1000)]
    shifted = [*names[1:], names[0]]
    classes = [Class(wnid, name) for wnid, name in zip(WNIDS, names, strict=True)]

    assert logits_of(shifted, classes) == [999, *range(999)]
    twins = [*classes[:998], Class(WNIDS[998], "twin"), Class(WNIDS[999], "twin")]
    with pytest.raises(InputError, match=r"class n01440764 \(thing 0\) is logit 999, 'thing 0'"):
        classes_of_logits([*shifted[:997], "twin", "twin", names[0]], twins)


class Seer:
    """Knows the class of an image by the name of its folder; its logits are those given."""

    def __init__(self, keys: Sequence[str], names: Sequence[str] | None = None) -> None:
        self.keys = list(keys)
        if names is not None:
            self.class_names = names

    def classify(self, samples: Sequence[Sample]) -> Tensor:
        places = [self.keys.index(sample.image.parent.name) for sample in samples]
        return torch.eye(len(self.keys))[places]


def answered(model: Seer, examples: Sequence[Example]) -> list[float]:
    """Whether each image is named rightly, by the task's own asking and scoring."""

    def classify(samples: Sequence[Sample]) -> list[list[int]]:
        return model.classify(samples).argsort(dim=1, descending=True, stable=True)[:, :5].tolist()

    task, asker = ImageNet(), SimpleNamespace(model=model, classify=classify)
    outputs = task.ask(asker, examples, task.profiles[0])
    return list(task.score(examples, outputs, task.profiles[0]).per_sample)


def folder_of(path: Path, classes: Sequence[Class], listed: Sequence[Class] | None) -> Path:
    for found in classes:
        images(path / "val" / found.key, ["x.jpg"])
    if listed is not None:
        dump(path / "classes.json", [[found.key, found.name] for found in listed])
    return path


@pytest.mark.parametrize("listed", [IMAGENETTE, IMAGENETTE[::-1], None])
@pytest.mark.parametrize(
    "model",
    [Seer(WNIDS), Seer(WNIDS, UNNAMED), Seer(WNIDS[::-1], WNIDS[::-1])],
    ids=["stranger's", "unnamed", "named"],
)
def test_a_model_that_sees_everything_is_right_about_ten_classes(
    model: Seer, listed: list[Class] | None, tmp_path: Path
) -> None:
    assert isinstance(model, NamesClasses) == hasattr(model, "class_names")
    folder = folder_of(tmp_path, IMAGENETTE, listed)

    examples = ImageNet().examples(folder, ImageNet().profiles[0], None)

    assert answered(model, examples) == [1.0] * 10


def test_an_answer_outside_the_list_is_wrong_and_no_class(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, IMAGENETTE[:1], IMAGENETTE)
    examples = ImageNet().examples(folder, ImageNet().profiles[0], None)
    model = Seer([WNIDS[1], WNIDS[0], *WNIDS[2:]], list(WNIDS))

    assert answered(model, examples) == [0.0]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([["n1", "a"], ["n2", "b"], ["n1", "c"]], "class n1 stands there 2 times"),
        ({"n1": "a"}, r"a list of \[folder, name\] is needed, not dict"),
        ([["n1", "a"], "n2"], r"\[1\]: 'n2' is not \[folder, name\]"),
        ([["n1"]], r"\[0\]: \['n1'\] is not \[folder, name\]"),
    ],
)
def test_a_list_of_classes_that_cannot_be_right_is_refused(
    content: Any, told: str, tmp_path: Path
) -> None:
    images(tmp_path / "val" / "n1", ["x.jpg"])
    images(tmp_path / "test" / "n1", ["x.jpg"])
    dump(tmp_path / "classes.json", content)

    for read in (
        lambda: read_image_folder(tmp_path),
        lambda: read_class_folders(tmp_path / "test"),
    ):
        with pytest.raises(DataError, match=told):
            read()


def test_kaggles_list_may_not_have_a_class_twice(tmp_path: Path) -> None:
    images(tmp_path / "val" / "n1", ["x.jpg"])
    (tmp_path / "LOC_synset_mapping.txt").write_text("n1 first\nn2 second\nn2 third\n")

    with pytest.raises(DataError, match="class n2 stands there 2 times"):
        read_image_folder(tmp_path)


def test_a_class_without_a_folder_can_still_be_chosen(tmp_path: Path) -> None:
    for name in ("ant", "cow"):
        images(tmp_path / "test" / name, ["x.jpg"])
    assert read_class_folders(tmp_path / "test").names == ["ant", "cow"]

    dump(tmp_path / "classes.json", [[name, name] for name in ("ant", "bee", "cow")])
    labelled = read_class_folders(tmp_path / "test")

    assert labelled.names == ["ant", "bee", "cow"]
    assert [label for _, label in labelled.images] == [0, 2]
    dump(tmp_path / "classes.json", [["ant", "ant"]])
    with pytest.raises(DataError, match="cow: is no class of the list"):
        read_class_folders(tmp_path / "test")


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([["a.jpg", 0, "ant"], ["b.jpg", 0, "bee"]], r"test\[1\]: class 0 is 'ant' before and 'be"),
        ([["a.jpg", 0, "ant"], ["b.jpg", 1, "ant"]], "class ant stands there 2 times"),
        ([["a.jpg", 0, "ant"], ["b.jpg", 2, "bee"]], "class indices are not 0 to 1"),
    ],
)
def test_a_split_file_names_each_class_once(rows: list[Any], told: str, tmp_path: Path) -> None:
    dump(tmp_path / "split.json", {"test": rows})

    with pytest.raises(DataError, match=told):
        read_split(tmp_path / "split.json", tmp_path)


def test_calibration_numbers_classes_as_imagenets_logits(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, IMAGENETTE, IMAGENETTE)

    def targets(**options: Any) -> dict[str, Any]:
        pool = ImageFolder(**options).samples(folder, tmp_path, None)
        return {s.image.parent.name: s.target for s in pool.draw(range(pool.size))}

    assert targets() == {i.key: place for i, place in zip(IMAGENETTE, PLACES, strict=True)}
    assert targets(order="list") == {i.key: place for place, i in enumerate(IMAGENETTE)}
