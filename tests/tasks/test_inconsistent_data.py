"""Data that contradict themselves are refused when they are opened, with file, row and field."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.data.examples import check_examples
from harness.plugin import DataError, Example, Sample
from harness_tasks.captioning import CocoCaption, NoCaps
from harness_tasks.flickr30k import Flickr30k
from harness_tasks.gqa import GQA
from harness_tasks.imagenet import ImageNet
from harness_tasks.labelled_sets import UCF101, FGVCAircraft
from harness_tasks.nlvr2 import NLVR2
from harness_tasks.okvqa import OKVQA
from harness_tasks.vqav2 import VQAv2
from tests.tasks.worlds import (
    dump,
    write_coco_caption,
    write_flickr30k,
    write_gqa,
    write_imagenet,
    write_nlvr2,
    write_nocaps,
    write_okvqa,
    write_vqav2,
)

Edit = Callable[[Any], Any]
QUESTIONS, ANNOTATIONS = VQAv2.questions, VQAv2.annotations
GQA_FILE = "testdev_balanced_questions.json"
NOCAPS = "nocaps_val_4500_captions.json"
COCO = "annotations/captions_val2017.json"
KARPATHY = "dataset_flickr30k.json"


def write_lavis(folder: Path) -> None:
    rows = [{"image": f"val2014/{i}.jpg", "caption": [f"thing {i}"]} for i in range(4)]
    dump(folder / "annotations" / "coco_karpathy_test.json", rows)
    (folder / "images").mkdir()


def write_coop(folder: Path) -> None:
    rows = [[f"{name}/{i}.jpg", i, name] for i, name in enumerate(("archery", "diving"))]
    dump(folder / "split_zhou_UCF101.json", {"test": rows})
    (folder / "UCF-101-midframes").mkdir()


def write_aircraft(folder: Path) -> None:
    (folder / "images").mkdir(parents=True)
    (folder / "images_variant_test.txt").write_text("1 707-320\n2 A300B4\n")


def edit(path: Path, change: Edit) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def again(rows: list[Any], **changes: Any) -> None:
    rows.append({**rows[1], **changes})


def put(content: Any, *keys: Any, value: Any) -> None:
    for key in keys[:-1]:
        content = content[key]
    content[keys[-1]] = value


LONE = "What \ud83d"
CASES = [
    # (task, its files, the file at fault, what is done to it, what is said)
    (VQAv2, write_vqav2, QUESTIONS, lambda c: again(c["questions"]),
     r"questions\[4\]: field 'question_id' is 10, as that of questions\[1\]"),
    (VQAv2, write_vqav2, QUESTIONS, lambda c: again(c["questions"], question="Is it not?"),
     r"questions\[4\]: field 'question_id' is 10, as that of questions\[1\]"),
    (VQAv2, write_vqav2, QUESTIONS, lambda c: put(c, "questions", 1, "question", value=LONE),
     r"questions\[1\]: field 'question' holds half of a surrogate pair"),
    (VQAv2, write_vqav2, QUESTIONS, lambda c: put(c, "questions", 1, "question_id", value=True),
     r"questions\[1\]: field 'question_id' is True, not of type int"),
    (VQAv2, write_vqav2, ANNOTATIONS, lambda c: again(c["annotations"]),
     r"annotations\[4\]: field 'question_id' is 10, as that of annotations\[1\]"),
    (VQAv2, write_vqav2, ANNOTATIONS, lambda c: put(c, "annotations", 2, "image_id", value=0),
     r"annotations\[2\]: field 'image_id' is 0, that of its question 2"),
    (VQAv2, write_vqav2, ANNOTATIONS, lambda c: c["annotations"].__delitem__(slice(1, 3)),
     rf"{QUESTIONS}, questions\[1\]: question_id 10 has no annotation in .*; 1 more have none"),
    (VQAv2, write_vqav2, ANNOTATIONS, lambda c: put(c, "annotations", 3, "question_id", value=7),
     rf"annotations\[3\]: {QUESTIONS} has no question 7"),
    (VQAv2, write_vqav2, ANNOTATIONS, lambda c: put(c, "annotations", 1, "answers", value=[]),
     r"annotations\[1\]: field 'answers' has 0 entries, not 10"),
    (OKVQA, write_okvqa, OKVQA.annotations, lambda c: c["annotations"][1]["answers"].pop(),
     r"annotations\[1\]: field 'answers' has 9 entries, not 10"),
    (OKVQA, write_okvqa, OKVQA.annotations,
     lambda c: put(c, "annotations", 0, "answers", 4, "answer", value="\udc80"),
     r"annotations\[0\].answers\[4\]: field 'answer' holds half of a surrogate pair"),
    (OKVQA, write_okvqa, OKVQA.annotations,
     lambda c: put(c, "annotations", 0, "answers", 4, value="yes"),
     r"annotations\[0\].answers\[4\]: an object is needed, not 'yes'"),
    (GQA, write_gqa, GQA_FILE, lambda c: put(c, "q1", "imageId", value=1),
     r"question 'q1': field 'imageId' is 1, not of type str"),
    (GQA, write_gqa, GQA_FILE, lambda c: put(c, "q1", "answer", value=None),
     r"question 'q1': field 'answer' is None, not of type str"),
    (NoCaps, write_nocaps, NOCAPS, lambda c: again(c["images"], file_name="9.jpg"),
     r"images\[4\]: field 'id' is 1, as that of images\[1\]"),
    (NoCaps, write_nocaps, NOCAPS, lambda c: again(c["images"], id=9),
     r"images\[4\]: field 'file_name' is '1.jpg', as that of images\[1\]"),
    (CocoCaption, write_coco_caption, COCO, lambda c: put(c, "annotations", 1, "image_id", value=9),
     r"annotations\[1\]: field 'image_id' is 9; there is no such image"),
    (CocoCaption, write_coco_caption, COCO,
     lambda c: c["annotations"].extend([{"id": 5, "image_id": 1, "caption": "a dog"}] * 2),
     r"annotations\[5\]: field 'id' is 5, as that of annotations\[4\]"),
    (CocoCaption, write_coco_caption, COCO, lambda c: c["annotations"].__delitem__(slice(2)),
     r"images\[0\]: image 0 has no caption"),
    (CocoCaption, write_coco_caption, COCO,
     lambda c: put(c, "annotations", 0, "caption", value=" ? \u2028 . "),
     r"image 0: none of its captions has a word: ' \? .*u2028 . '"),
    (Flickr30k, write_flickr30k, KARPATHY, lambda c: again(c["images"], split="train"),
     r"images\[5\]: field 'filename' is '1.jpg', as that of images\[1\]"),
    (Flickr30k, write_flickr30k, KARPATHY, lambda c: put(c, "images", 1, "sentences", value=[]),
     r"images\[1\]: field 'sentences' is empty"),
    (CocoCaption, write_lavis, "annotations/coco_karpathy_test.json",
     lambda c: c.append({"image": "test2015/1.jpg", "caption": ["x"]}),
     r"\[4\]: field 'image' is '1.jpg', as that of \[1\]"),
    (CocoCaption, write_lavis, "annotations/coco_karpathy_test.json",
     lambda c: put(c, 1, "caption", value=[]),
     r"\[1\]: field 'caption' is \[\], not a list of texts"),
    (UCF101, write_coop, "split_zhou_UCF101.json", lambda c: c["test"].append(c["test"][0]),
     r"test\[2\]: field 'image' is .*archery/0.jpg'\)?, as that of test\[0\]"),
    (UCF101, write_coop, "split_zhou_UCF101.json", lambda c: put(c, "test", 1, 1, value=True),
     r"test\[1\]: field 'label' is True, not of type int"),
    (ImageNet, write_imagenet, "classes.json", lambda c: put(c, 0, 1, value=["x" * 9999]),
     r"classes.json, \[0\]: \['n4', \['xxx.* is not \[folder, name\]"),
]  # fmt: skip


@pytest.mark.parametrize(("task", "write", "file", "change", "message"), CASES)
def test_what_contradicts_itself_is_named(
    task: Any,
    write: Callable[[Path], None],
    file: str,
    change: Edit,
    message: str,
    tmp_path: Path,
) -> None:
    write(tmp_path)
    examine(task(), tmp_path)
    edit(tmp_path / file, change)

    with pytest.raises(DataError, match=message) as refused:
        examine(task(), tmp_path)

    assert str(tmp_path) in str(refused.value)
    assert len(str(refused.value)) - len(str(tmp_path)) <= 300
    assert str(refused.value).isprintable()


def examine(task: Any, folder: Path) -> list[Example]:
    examples = list(task.examples(folder, task.profiles[0], None))
    check_examples(examples, folder)
    return examples


@pytest.mark.parametrize(
    ("task", "write", "file"),
    [
        (VQAv2, write_vqav2, QUESTIONS),
        (VQAv2, write_vqav2, ANNOTATIONS),
        (GQA, write_gqa, GQA_FILE),
        (CocoCaption, write_coco_caption, COCO),
        (CocoCaption, write_lavis, "annotations/coco_karpathy_test.json"),
        (UCF101, write_coop, "split_zhou_UCF101.json"),
        (ImageNet, write_imagenet, "classes.json"),
        (NLVR2, write_nlvr2, "test1.json"),
        (FGVCAircraft, write_aircraft, "images_variant_test.txt"),
    ],
)
def test_a_mark_of_byte_order_is_none_of_the_content(
    task: Any, write: Callable[[Path], None], file: str, tmp_path: Path
) -> None:
    write(tmp_path)
    before = examine(task(), tmp_path)
    path = tmp_path / file
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())

    assert examine(task(), tmp_path) == before


@pytest.mark.parametrize(
    ("task", "write", "file", "old", "new", "key"),
    [
        (GQA, write_gqa, GQA_FILE, '"q2":', '"q1":', "'q1'"),
        (GQA, write_gqa, GQA_FILE, '"imageId": "1"', '"imageId": "1", "answer": "no"', "'answer'"),
        (VQAv2, write_vqav2, QUESTIONS, '{"questions"', '{"questions": [], "questions"', "'quest"),
        (VQAv2, write_vqav2, ANNOTATIONS, '{"answer": "red"}', '{"answer": "red", "answer": "x"}',
         "'answer'"),
        (CocoCaption, write_coco_caption, COCO, '"id": 1,', '"id": 1, "id": 1,', "'id'"),
        (ImageNet, write_imagenet, "classes.json", "[", '[{"a": 1, "a": 2}, ', "'a'"),
        (NLVR2, write_nlvr2, "test1.json", '"label"', '"label": "True", "label"', "'label'"),
    ],
)  # fmt: skip
def test_a_key_twice_in_one_object_is_refused(
    task: Any,
    write: Callable[[Path], None],
    file: str,
    old: str,
    new: str,
    key: str,
    tmp_path: Path,
) -> None:
    write(tmp_path)
    path = tmp_path / file
    path.write_text(path.read_text().replace(old, new, 1))

    with pytest.raises(DataError, match=rf"JSON \(key {key}.* stands twice in one object"):
        examine(task(), tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[", "nul", "{}x", '{"questions": [}', '{"questions": [,]}', '{"questions": [{}',
        '{"questions" []}', '{"questions": []', '{"questions": []} []', '{"questions": [] "a": 1}',
        "{1: 2}", '{"questions": {}}', '[{"questions": []}]', "[" * 100_000,
        '{"questions": ' * 9999, '{"questions": [' + "9" * 5000 + "]}", '{"a": "\\u12"}',
        "\ufeff\ufeff{}",
    ],
)  # fmt: skip
def test_what_is_no_json_is_told_in_one_line(text: str, tmp_path: Path) -> None:
    write_vqav2(tmp_path)
    (tmp_path / QUESTIONS).write_text(text)

    with pytest.raises(DataError, match=QUESTIONS) as refused:
        examine(VQAv2(), tmp_path)

    assert len(str(refused.value)) - len(str(tmp_path)) <= 300
    assert str(refused.value).isprintable()


def test_a_file_is_read_in_pieces_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_vqav2(tmp_path)
    whole = examine(VQAv2(), tmp_path)
    path = tmp_path / ANNOTATIONS
    path.write_text(json.dumps(json.loads(path.read_text()), indent=3))
    for size in (1, 2, 7, 100):
        monkeypatch.setattr("harness_tasks.json_text.PIECE", size)

        assert examine(VQAv2(), tmp_path) == whole


ENDS = "\u2028 \u2029 \x85 \x0b \x0c \x1c \x1d \x1e"


def test_what_python_takes_for_line_ends_is_text(tmp_path: Path) -> None:
    """In sentences of JSON lines, in names of classes, in the lines of a list."""
    write_nlvr2(tmp_path / "nlvr2")
    path = tmp_path / "nlvr2" / "test1.json"
    rows = [json.loads(line) for line in path.read_text().split("\n") if line]
    rows[1]["sentence"] = f"A {ENDS} B."
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_bytes(("\n".join(lines) + "\n").encode())
    assert f"A {ENDS} B." in examine(NLVR2(), tmp_path / "nlvr2")[1].sample.prompt

    write_imagenet(tmp_path / "imagenet")
    (tmp_path / "imagenet" / "classes.json").unlink()
    mapping = "".join(f"n{i} a\u2028b\x85c {i}, d\n" for i in range(1, 5))
    (tmp_path / "imagenet" / "LOC_synset_mapping.txt").write_bytes(mapping.encode())
    assert examine(ImageNet(), tmp_path / "imagenet")[0].choices[0] == "n1\ta\u2028b\x85c 1"

    write_aircraft(tmp_path / "aircraft")
    list_ = tmp_path / "aircraft" / "images_variant_test.txt"
    list_.write_bytes("1 707\u2028320\n2 A300\x85B4\r\n".encode())
    assert examine(FGVCAircraft(), tmp_path / "aircraft")[0].choices == (
        "707\u2028320",
        "A300\x85B4",
    )


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("1 707\n1 A300\n", r"test.txt, line 2: field 'image' is '1', as that of line 1"),
        ("1 707\n2\n", r"test.txt, line 2: an image and its class are needed, not '2'"),
        ("../1 707\n", r"test.txt, line 1: field 'image': file name '../1.jpg' leads outside"),
    ],
)
def test_a_list_of_images_is_checked_line_by_line(lines: str, message: str, tmp_path: Path) -> None:
    write_aircraft(tmp_path)
    (tmp_path / "images_variant_test.txt").write_text(lines)

    with pytest.raises(DataError, match=message):
        examine(FGVCAircraft(), tmp_path)


def test_a_sentence_twice_and_one_without_a_pair_are_refused(tmp_path: Path) -> None:
    write_nlvr2(tmp_path)
    path = tmp_path / "test1.json"
    line = path.read_text().partition("\n")[0]
    path.write_text(f"{line}\n\n{line}\n")
    with pytest.raises(DataError, match=r"line 3: field 'identifier' is 'test1-0-0-1', as that of"):
        examine(NLVR2(), tmp_path)

    path.write_text(line.replace("test1-0-0-1", "sentence"))
    with pytest.raises(DataError, match=r"line 1: field 'identifier' is 'sentence', not PAIR-NUM"):
        examine(NLVR2(), tmp_path)


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([Example(sample=Sample(id="a"))] * 2, "two items are called 'a'; each needs its own id"),
        ([Example(sample=Sample(id="a", prompt="\ud800"))], "item 'a': not Unicode"),
        ([Example(sample=Sample(id="a"), references=("x", "\ud800"))], "item 'a': not Unicode"),
        ([Example(sample=Sample(id="\udcff"))], r"item '\\udcff': not Unicode"),
        ([Example(sample=Sample(id="a"), choices=("\ud800",))], "the choices are not Unicode"),
    ],
)
def test_examples_of_any_task_are_each_their_own_and_unicode(
    examples: list[Example], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        check_examples(examples, tmp_path)
