"""Official files are read; whatever is wrong in them is named with file, row and field."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.plugin import DataError, Encode, Example, Profile, Sample
from harness.testing import check_task
from harness_tasks.captioning import CocoCaption, NoCaps
from harness_tasks.flickr30k import Flickr30k
from harness_tasks.gqa import GQA
from harness_tasks.imagenet import ImageNet
from harness_tasks.lavis import ask, clean_question
from harness_tasks.perplexity import PennTreebank, WikiText
from harness_tasks.vqav2 import VQAv2
from tests.tiny import make_samples

Edit = Callable[[Any], None]
QUESTIONS, ANNOTATIONS = VQAv2.questions, VQAv2.annotations


def dump(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def images(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for sample, name in zip(make_samples("vit", folder, len(names)), names, strict=True):
        assert sample.image is not None
        sample.image.rename(folder / name)


@pytest.fixture
def vqa(tmp_path: Path) -> Path:
    """Three questions on two images; annotators agree on the first only."""
    images(tmp_path / "val2014", [f"COCO_val2014_{i:012d}.jpg" for i in (7, 9)])
    questions = [
        {"image_id": 7, "question_id": 70, "question": "What color is it?"},
        {"image_id": 7, "question_id": 71, "question": "How many?"},
        {"image_id": 9, "question_id": 90, "question": "Is it (really) red?"},
    ]
    answers = {70: ["red"] * 10, 71: ["2"] * 9 + ["3"], 90: ["yes"] * 3 + ["no"] * 7}
    kinds = {70: "other", 71: "number", 90: "yes/no"}
    annotations = [
        {
            "image_id": q["image_id"],
            "question_id": q["question_id"],
            "question_type": "what",
            "answer_type": kinds[q["question_id"]],
            "multiple_choice_answer": answers[q["question_id"]][0],
            "answers": [
                {"answer": a, "answer_confidence": "yes", "answer_id": i}
                for i, a in enumerate(answers[q["question_id"]], 1)
            ],
        }
        for q in questions
    ]
    dump(tmp_path / QUESTIONS, {"questions": questions})
    dump(tmp_path / ANNOTATIONS, {"annotations": annotations})
    return tmp_path


def test_vqa_is_read_asked_and_scored(vqa: Path) -> None:
    """1 + 1 + 0.9: three of ten annotators said yes."""
    check_task(VQAv2(), vqa, ["red", "two", "yes"], (1 + 1 + 0.9) / 3)

    examples = VQAv2().examples(vqa, VQAv2().profiles[0], None)
    assert examples[0].sample.prompt == "Question: what color is it? Short answer:"
    assert examples[2].sample.prompt == "Question: is it really red? Short answer:"
    assert [example.cluster for example in examples] == ["7", "7", "9"]
    assert [example.label for example in examples] == ["other", "number", "yes/no"]


def test_the_profiles_of_vqa_differ(vqa: Path) -> None:
    """With ten equal answers the official tool normalises nothing."""
    task = VQAv2()
    scores = {
        profile.name: task.score(
            task.examples(vqa, profile, None)[:1], ["Red."], profile
        ).per_sample[0]
        for profile in task.profiles
        if "rank" not in profile.needs
    }

    assert scores["lavis"] == 1.0
    assert scores["official"] == 0.0


def edit(path: Path, change: Edit) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (
            QUESTIONS,
            lambda c: c["questions"][1].pop("question"),
            rf"{QUESTIONS}, questions\[1\]: field 'question' is missing; it has image_id",
        ),
        (
            ANNOTATIONS,
            lambda c: c["annotations"][2]["answers"][4].pop("answer"),
            rf"{ANNOTATIONS}, annotations\[2\].answers\[4\]: field 'answer' is missing",
        ),
        (
            ANNOTATIONS,
            lambda c: c["annotations"][0].update(image_id="7"),
            r"annotations\[0\]: field 'image_id' is '7', not of type int",
        ),
        (QUESTIONS, lambda c: c.pop("questions"), "an object with a list 'questions' is needed"),
        (QUESTIONS, lambda c: c["questions"].pop(0), "has no question 70"),
    ],
)
def test_a_faulty_question_file_is_named(vqa: Path, file: str, change: Edit, message: str) -> None:
    edit(vqa / file, change)

    with pytest.raises(DataError, match=message):
        VQAv2().examples(vqa, VQAv2().profiles[0], None)


def test_a_missing_image_is_named(vqa: Path) -> None:
    (vqa / "val2014" / "COCO_val2014_000000000009.jpg").unlink()

    *_, example = VQAv2().examples(vqa, VQAv2().profiles[0], None)

    with pytest.raises(DataError, match="COCO_val2014_000000000009.jpg: no such image"):
        example.sample.input_digest()


def test_a_file_that_is_no_json_is_named(vqa: Path) -> None:
    (vqa / QUESTIONS).write_text('{"questions": [')

    with pytest.raises(DataError, match="not readable as JSON"):
        VQAv2().examples(vqa, VQAv2().profiles[0], None)


def test_gqa(tmp_path: Path) -> None:
    images(tmp_path / "images", ["n1.jpg"])
    question = {"question": "What is it?", "answer": "t-shirt", "imageId": "n1"}
    dump(
        tmp_path / "testdev_balanced_questions.json",
        {"1": {**question, "types": {"structural": "query"}}, "2": {**question, "answer": "dog"}},
    )

    check_task(GQA(), tmp_path, ["a T-shirt", "The dog."], 0.5)


COCO = {
    "images": [
        {"id": 5, "file_name": "a.jpg", "domain": "in-domain"},
        {"id": 6, "file_name": "b.jpg", "domain": "out-domain"},
    ],
    "annotations": [
        {"image_id": 5, "id": 0, "caption": "a red cat sits on a mat"},
        {"image_id": 6, "id": 1, "caption": "two blue birds fly over the sea"},
        {"image_id": 5, "id": 2, "caption": "the cat is on the mat"},
    ],
}


def test_nocaps(tmp_path: Path) -> None:
    images(tmp_path / "images", ["a.jpg", "b.jpg"])
    dump(tmp_path / "nocaps_val_4500_captions.json", COCO)

    examples = NoCaps().examples(tmp_path, NoCaps().profiles[0], None)

    assert [example.label for example in examples] == ["in-domain", "out-domain"]
    assert examples[0].references == ("a red cat sits on a mat", "the cat is on the mat")
    assert examples[0].sample.prompt == "a photo of"


def test_coco_and_karpathy_files(tmp_path: Path) -> None:
    images(tmp_path / "coco" / "val2017", ["a.jpg", "b.jpg"])
    dump(tmp_path / "coco" / "annotations" / "captions_val2017.json", COCO)
    images(tmp_path / "flickr" / "images", ["a.jpg", "b.jpg"])
    rows = [
        {"filename": name, "split": split, "sentences": [{"raw": f"{name} one"}, {"raw": "two"}]}
        for name, split in (("a.jpg", "train"), ("b.jpg", "test"))
    ]
    dump(tmp_path / "flickr" / "dataset_flickr8k.json", {"images": rows})

    coco = CocoCaption().examples(tmp_path / "coco", CocoCaption().profiles[0], None)
    flickr = CocoCaption().examples(tmp_path / "flickr", CocoCaption().profiles[0], None)

    assert [example.sample.id for example in coco] == ["5", "6"]
    assert [example.references for example in flickr] == [("b.jpg one", "two")]


def test_an_image_without_captions_is_named(tmp_path: Path) -> None:
    images(tmp_path / "images", ["a.jpg", "b.jpg"])
    dump(
        tmp_path / "nocaps_val_4500_captions.json",
        {**COCO, "annotations": COCO["annotations"][:1]},
    )

    with pytest.raises(DataError, match="image 6 has no caption"):
        NoCaps().examples(tmp_path, NoCaps().profiles[0], None)


def test_an_image_whose_captions_hold_no_word_is_named(tmp_path: Path) -> None:
    """One that has a word among others without stays: pycocoevalcap scores it."""
    images(tmp_path / "images", ["a.jpg", "b.jpg"])
    content = json.loads(json.dumps(COCO))
    path = tmp_path / "nocaps_val_4500_captions.json"
    content["annotations"][0]["caption"] = " . "
    dump(path, content)
    assert len(NoCaps().examples(tmp_path, NoCaps().profiles[0], None)) == 2

    content["annotations"][2]["caption"] = "?"
    dump(path, content)

    with pytest.raises(DataError, match=r"image 5: none of its captions has a word: ' \. ', '\?'"):
        NoCaps().examples(tmp_path, NoCaps().profiles[0], None)


@pytest.mark.parametrize(
    ("references", "why"),
    [
        ([("a dog runs", "the dog")], "undefined on one image"),
        ([("a dog",), ("a dog",), ("a dog", "a dog")], "the references of all 3 images have the"),
    ],
)
def test_cider_of_images_that_no_word_tells_apart_is_undefined(
    references: list[tuple[str, ...]], why: str
) -> None:
    """Every n-gram of theirs weighs log 1: all captions would score 0, the right one too."""
    task = CocoCaption()
    examples = [
        Example(sample=Sample(id=str(place)), references=texts)
        for place, texts in enumerate(references)
    ]

    scores = task.score(examples, [texts[0] for texts in references], task.profiles[0])

    assert (scores.per_sample, "CIDEr-D" in scores.metrics) == ([], False)
    assert why in scores.absent["CIDEr-D"]
    assert scores.metrics["BLEU-1"] == pytest.approx(1)


def test_cider_needs_one_word_that_tells_images_apart() -> None:
    task = CocoCaption()
    texts = ["a dog", "a cat"]
    examples = [Example(sample=Sample(id=text), references=(text,)) for text in texts]

    scores = task.score(examples, texts, task.profiles[0])

    assert "CIDEr-D" not in scores.absent
    assert min(scores.per_sample) > 0


def test_an_empty_caption_scores_nothing() -> None:
    """As in pycocoevalcap: 0 by every metric, not undefined."""
    task = CocoCaption()
    examples = [
        Example(sample=Sample(id=text), references=(f"{text} runs here now",)) for text in "abc"
    ]

    scores = task.score(examples, [""] * 3, task.profiles[0])

    assert list(scores.per_sample) == [0, 0, 0]
    assert set(scores.metrics.values()) == {0}


def test_recall_in_a_gallery_of_one_image_is_undefined() -> None:
    """Its texts are all there is to find: 100 % whatever the model says."""
    task = Flickr30k()
    examples = [Example(sample=Sample(id=str(place))) for place in range(2)]
    outputs = [[[0, 1, 1], [[0, 1, 1]]]] * 2

    one = task.score(examples[:1], outputs[:1], task.profiles[0])
    two = task.score(examples, outputs, task.profiles[0])

    assert (one.per_sample, one.metrics) == ((), {})
    assert one.absent.keys() == {"mean recall", *two.metrics}
    assert (two.per_sample, two.absent) == ([1, 1], {})


@pytest.fixture
def imagenet(tmp_path: Path) -> Path:
    for wnid in ("n02", "n01"):
        images(tmp_path / "val" / wnid, ["x.JPEG", "y.jpg"])
    return tmp_path


def test_imagenet_takes_the_given_class_order(imagenet: Path) -> None:
    (imagenet / "LOC_synset_mapping.txt").write_text("n02 second\nn01 first\n")

    examples = ImageNet().examples(imagenet, ImageNet().profiles[0], None)

    assert [(e.sample.id, e.references) for e in examples][:2] == [
        ("n01/x.JPEG", ("1",)),
        ("n01/y.jpg", ("1",)),
    ]
    check_task(ImageNet(), imagenet, [[1, 0], [0, 1], [0, 1], [2, 1]], 0.5)
    scores = ImageNet().score(examples, [[1], [0, 1], [0], [2, 1]], ImageNet().profiles[0])
    assert scores.metrics == {"top-5": 75.0}


def test_an_uncertain_class_order_is_refused(imagenet: Path) -> None:
    with pytest.raises(DataError, match="2 class folders, not 1000; put LOC_synset_mapping.txt"):
        ImageNet().examples(imagenet, ImageNet().profiles[0], None)


def test_an_unlisted_class_folder_is_refused(imagenet: Path) -> None:
    dump(imagenet / "classes.json", [["n01", "first"]])

    with pytest.raises(DataError, match="n02: is no class of the list"):
        ImageNet().examples(imagenet, ImageNet().profiles[0], None)


BOS = 1


def by_letters(text: str, *, special: bool = False) -> list[int]:
    return [*[BOS] * special, *map(ord, text)]


letters = Encode(by_letters)


def told(tokens: Sequence[int]) -> str:
    return "".join(map(chr, tokens))


def test_windows_of_running_text(tmp_path: Path) -> None:
    (tmp_path / "wiki.test.raw").write_text("abcdefghij")
    (tmp_path / "ptb.test.txt").write_text("ab")
    w4 = Profile(name="w4", window=4)

    examples = WikiText().examples(tmp_path, w4, letters)

    assert [told(example.sample.tokens) for example in examples] == ["\x01abc", "defg"]
    assert (WikiText.profiles[0].name, WikiText.profiles[0].window) == ("w2048", 2048)
    with pytest.raises(DataError, match=r"ptb.test.txt: 3 tokens, not one window of 4"):
        PennTreebank().examples(tmp_path, w4, letters)


@pytest.mark.parametrize(
    ("task", "papers"),
    [
        # Rows keep their line ends, blank ones are empty; U+2028 ends no line.
        (WikiText(), "\x01\n\n = A = \n\n\n\n\n b\u2028c \n"),
        (PennTreebank(), "\x01 = A =  b\u2028c"),
    ],
)
def test_the_papers_join_rows_and_the_raw_profile_reads_the_file(
    task: WikiText | PennTreebank, papers: str, tmp_path: Path
) -> None:
    text = " \n = A = \n \n b\u2028c \n"
    (tmp_path / task.manifest.files[0].path).write_text(text)

    def read(name: str, window: int) -> str:
        [example] = task.examples(tmp_path, Profile(name=name, window=window), letters)
        return told(example.sample.tokens)

    assert read("w9", len(papers)) == papers
    assert read("raw-w9", len(text)) == text


def test_questions_are_cleaned_as_lavis_does() -> None:
    assert clean_question('What is "this": a (dog)?!') == "what is this a dog?"
    assert ask("{words}", "Is it so?") == "is it so"


@pytest.mark.parametrize(
    "task", [VQAv2(), GQA(), NoCaps(), CocoCaption(), ImageNet(), WikiText(), PennTreebank()]
)
def test_a_missing_folder_is_named_and_instructions_say_where_to_get_it(
    task: Any, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="no such"):
        task.examples(tmp_path / "none", task.profiles[0], letters)
    assert "folder" in task.manifest.instructions()
