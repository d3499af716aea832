"""Mini folders that came later: pinned, apart from all others, in the official formats."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.plugin import Example
from harness.plugin.manager import Plugins
from harness_tasks.editions.mini import Mini
from harness_tasks.editions.mini.further import SPLITS, write_further
from harness_tasks.editions.mini.labelled import LABELLINGS, class_names
from harness_tasks.editions.mini.scene import Draw, Scene, Thing, draw_scene
from harness_tasks.editions.mini.splits import taken
from harness_tasks.gqa import GQA
from harness_tasks.imagenet import ImageNet
from harness_tasks.metrics.vqa_accuracy import vqa_accuracy
from tests.tasks.digests import digest_of

#: Pixels and texts of each folder; a change is a new VERSION of the edition.
PINNED = {
    "imagenet": "cf84289c2770f0db577bc9b096bdc9dd10f4b07a13b66dcbce54b30512cf7072",
    "caltech101": "ad2cc501b7589c436cb03655fcdbc963b282005e486e16543e6da0a965595b2f",
    "oxford_pets": "93be273723b05d1e9a78a68945ae8267128125a7966cd908265e33274f09e40a",
    "stanford_cars": "74d789ae86d59f61fd009d69f2122e2fe096c3477b00cdd03ceaf776e36c0b5e",
    "oxford_flowers": "bf355238d59574dcc0277f1dbe871ab12e147179b7df1e1cdbb9d99428916bd5",
    "food101": "dd19c014788fe6a9714380c03103a1acb7927d26319af054f3376dd4cc209f12",
    "fgvc_aircraft": "e3fe16dbfee2079e3e2523aa2c781424a32eb0704bd0e8de5e935fe0625ea91a",
    "sun397": "f0b5a73e36c04bef5e7f0805cd8e8ba3ddab07ca44f007ca73dcbeecd5078d1b",
    "dtd": "c818bebd86d42ca10905e213a21f6a1f0d3774826524a3096447e9035a30046a",
    "eurosat": "003201a8b1149a9b6e9c6d30ddfa01c9bff6898fef45db96faa3a2bde598b9bf",
    "ucf101": "93d3b289e939caa2d0e6f9063953328a5da2677922f6de4bd413227ada957204",
    "flickr30k": "1dc97abc67e2aec25dc745821297d52d633dc42e96748fa2a1fad198b3f8bb12",
    "coco-caption": "92dedf117176d0dbaefcb028f2283b7c3870b5fe464938d016b8f0d512dd349f",
    "okvqa": "17ddaac394e177ad026792c89e86194ea9deffbca77f85627e5f17526427f533",
    "gqa": "edaa2dfd46fb242c124fddc25ce693fd9c3d2eb770fa4a36695013599e065194",
    "nlvr2": "47f08dc59c31d2125e93b4414d2d786287b13cfb3ff8dd5f856f83faa772eff4",
}
SCENES = {"flickr30k": 200, "coco-caption": 200, "okvqa": 200, "gqa": 150, "nlvr2": 400}
EXAMPLES = {**SCENES, "gqa": 300, "nlvr2": 200}


def images_of(task: str) -> int:
    """Images of a labelled set."""
    return LABELLINGS[task].images * len(LABELLINGS[task].names)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("mini")
    write_further(root)
    return {task: root / task for task in SPLITS}


def read(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.mark.parametrize("task", SPLITS)
def test_every_split_is_pinned(task: str, folders: dict[str, Path]) -> None:
    assert digest_of(folders[task]) == PINNED[task]


def test_a_folder_is_made_alone(tmp_path: Path) -> None:
    info = Mini().provide("dtd", tmp_path)

    assert info is not None
    assert [path.name for path in tmp_path.iterdir()] == [info.path.name]
    assert digest_of(info.path) == PINNED["dtd"]
    assert Mini().provide("no-task", tmp_path) is None


def test_no_scene_is_in_two_splits_or_in_training() -> None:
    seen = taken()
    for task, split in SPLITS.items():
        before = len(seen)
        split.draw(seen)
        wanted = SCENES[task] if task in SCENES else images_of(task)
        assert len(seen) - before == wanted, task


def test_okvqa_has_the_official_fields_and_a_right_answer(folders: dict[str, Path]) -> None:
    folder = folders["okvqa"]
    questions = read(folder / "OpenEnded_mscoco_val2014_questions.json")["questions"]
    content = read(folder / "mscoco_val2014_annotations.json")

    assert [q["question_id"] for q in questions] == [
        a["question_id"] for a in content["annotations"]
    ]
    for entry in content["annotations"]:
        assert entry["answer_type"] == "other"
        assert entry["question_type"] in content["question_types"]
        assert set(entry["answers"][0]) == {
            "answer_id",
            "raw_answer",
            "answer_confidence",
            "answer",
        }
        answers = [answer["answer"] for answer in entry["answers"]]
        best = Counter(answers).most_common(1)[0][0]
        assert vqa_accuracy(best, answers, "lavis") == 1
        assert all(count % 2 == 0 for count in Counter(answers).values())
        image = folder / "val2014" / f"COCO_val2014_{entry['image_id']:012d}.png"
        assert image.is_file()


def test_gqa_asks_all_structural_types_evenly(folders: dict[str, Path]) -> None:
    task = GQA()
    examples = task.examples(folders["gqa"], task.profiles[0], None)
    rows = read(folders["gqa"] / "testdev_balanced_questions.json").values()

    assert Counter(example.label for example in examples) == dict.fromkeys(
        ("query", "verify", "logical", "compare", "choose"), 60
    )
    binary = Counter(row["answer"] for row in rows if row["answer"] in {"yes", "no"})
    assert min(binary.values()) / binary.total() > 0.45
    for row in rows:
        for index, step in enumerate(row["semantic"]):
            assert all(earlier < index for earlier in step["dependencies"])
        assert row["semanticStr"].count("->") == len(row["semantic"]) - 1


def test_flickr30k_is_a_karpathy_file_of_five_different_sentences(
    folders: dict[str, Path],
) -> None:
    images = read(folders["flickr30k"] / "dataset_flickr30k.json")["images"]
    raw = [sentence["raw"] for image in images for sentence in image["sentences"]]
    ids = [sentence["sentid"] for image in images for sentence in image["sentences"]]

    assert {image["split"] for image in images} == {"test"}
    assert all(image["sentids"] == ids[5 * i : 5 * i + 5] for i, image in enumerate(images))
    assert len(set(raw)) == len(raw) == 1000
    assert all(row["raw"][-1] == "." for image in images for row in image["sentences"])


def test_imagenet_lists_its_own_class_order(folders: dict[str, Path]) -> None:
    task = ImageNet()
    zero_shot = next(profile for profile in task.profiles if profile.name == "zero-shot")
    examples = task.examples(folders["imagenet"], zero_shot, None)

    assert Counter(example.references[0] for example in examples) == {
        str(index): 4 for index in range(64)
    }
    assert all(row.references[0] == str(row.choices.index(kind(row))) for row in examples[::16])


def kind(example: Example) -> str:
    """The class's name by its folder, n9 and its index."""
    names = sorted(LABELLINGS["imagenet"].names)
    return names[int(example.sample.id.split("/")[0].removeprefix("n9"))]


@pytest.mark.parametrize("task", SPLITS)
def test_every_folder_is_read_by_its_task(
    task: str, folders: dict[str, Path], plugins: Plugins
) -> None:
    reader = plugins.tasks.get(task).given()
    examples = reader.examples(folders[task], reader.profiles[0], None)

    assert len(examples) == (EXAMPLES[task] if task in EXAMPLES else images_of(task))
    assert all(example.sample.image.is_file() for example in examples)
    assert len({example.sample.id for example in examples}) == len(examples)


@pytest.mark.parametrize("task", [name for name in LABELLINGS if name != "imagenet"])
def test_class_folders_are_those_of_the_list(task: str, folders: dict[str, Path]) -> None:
    listed = read(folders[task] / "classes.json")
    found = {path.name: len(list(path.iterdir())) for path in (folders[task] / "test").iterdir()}

    assert [folder for folder, _ in listed] == sorted(found)
    assert sorted(name for _, name in listed) == sorted(LABELLINGS[task].names)
    assert set(found.values()) == {LABELLINGS[task].images}


def test_every_labelling_names_a_scene_by_hand() -> None:
    star = Scene("teal", (Thing(4, "star", "red", "small", "striped", 0, 0),))
    two = Scene(
        "navy",
        (
            Thing(0, "square", "red", "small", "striped", 0, 0),
            Thing(2, "circle", "red", "large", "plain", 0, 0),
        ),
    )

    assert class_names(star) == [
        *("red star", "star", "red object", "small star", "striped red star"),
        *("teal background", "striped", "1 object"),
    ]
    assert class_names(two) == [
        *("circle and square", "navy background", "2 objects", "circle right of square"),
    ]


def test_every_name_that_a_scene_gets_is_a_class() -> None:
    draw = Draw("names")
    names = {name for labelling in LABELLINGS.values() for name in labelling.names}

    assert {name for _ in range(2000) for name in class_names(draw_scene(draw))} <= names


def test_nlvr2_says_the_same_of_a_true_and_of_a_false_pair(folders: dict[str, Path]) -> None:
    lines = (folders["nlvr2"] / "test1.json").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    labels: dict[str, list[str]] = {}
    for row in rows:
        number = row["identifier"].split("-")[1]
        labels.setdefault(f"{number} {row['sentence']}", []).append(row["label"])
        for side in (0, 1):
            stem = row["identifier"].rsplit("-", 1)[0]
            assert (folders["nlvr2"] / "test1" / f"{stem}-img{side}.png").is_file()

    assert len(labels) == 100
    assert all(sorted(pair) == ["False", "True"] for pair in labels.values())
    assert Counter(row["label"] for row in rows[::2]) == {"True": 50, "False": 50}
    assert rows[0]["identifier"] == "test1-0-0-0"
