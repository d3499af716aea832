"""The text of the miniature world: always the same, true of its scenes, train and test apart."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.plugin import Encode
from harness_tasks.editions.mini import Mini
from harness_tasks.editions.mini.questions import PLACES
from harness_tasks.editions.mini.scene import COLORS, SHAPES, SIZES, TEXTURES, Draw, Scene, Thing
from harness_tasks.editions.mini.splits import evaluation_splits, training_scenes
from harness_tasks.editions.mini.text.claims import NUMBERS, claims
from harness_tasks.editions.mini.text.reports import dispatch, paragraph
from harness_tasks.editions.mini.text.sources import MiniText, MiniTextTrain
from harness_tasks.editions.mini.text.splits import text_splits, text_training_scenes
from harness_tasks.perplexity import PennTreebank, WikiText

#: Texts, items and task files; a change of them is a new VERSION of the text side.
PINNED = "418d730297d088c9345290a352dff51e5039a30469311bd777af71cd118b47e6"
ITEMS = {"mini_completion": 200, "mini_yes_no": 200, "mini_cloze": 200, "mini_report": 200}


def word_ids(text: str, *, special: bool = False) -> list[int]:
    """A stand-in for a tokenizer: one id per word or mark."""
    return [int(hashlib.sha256(word.encode()).hexdigest()[:6], 16) for word in text.split()]


by_words = Encode(word_ids)


@pytest.fixture(scope="module")
def root(cache: Path) -> Path:
    info = Mini().provide("wikitext", cache)
    assert info is not None
    assert info.label == "mini"
    return info.path.parent


def items(root: Path, task: str, part: str = "test") -> list[dict[str, object]]:
    lines = (root / "lm_eval" / task / f"{part}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_the_texts_are_pinned(root: Path) -> None:
    hasher = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        hasher.update(path.relative_to(root).as_posix().encode())
        hasher.update(path.read_text().replace(str(root), "ROOT").encode())

    assert hasher.hexdigest() == PINNED


def test_no_scene_is_in_two_splits_of_text_or_images() -> None:
    splits = [*text_splits().values(), list(text_training_scenes(5000))]
    told = [scene.digest for split in splits for scene in split]
    shown = {scene.digest for split in evaluation_splits().values() for scene in split}
    shown |= {scene.digest for scene in training_scenes(24_000)}

    assert len(told) == len(set(told))
    assert not shown & set(told)


PLACE = "|".join(sorted(PLACES, key=len, reverse=True))
NAME = rf"the (?:(\w+) )?({'|'.join(SHAPES)}|thing)(?: (?:at|in) the ({PLACE}))?"


def named(words: str, scene: Scene) -> Thing:
    """The one thing that a name fits."""
    found = re.fullmatch(NAME, words)
    assert found, words
    adjective, noun, place = found.groups()
    fitting = [
        thing
        for thing in scene.things
        if adjective in (None, thing.color, thing.size)
        and noun in ("thing", thing.shape)
        and place in (None, PLACES[thing.cell])
    ]
    assert len(fitting) == 1, f"{words}: {fitting}"
    return fitting[0]


def count_is(scene: Scene, kind: str, number: str) -> bool:
    kind = {f"{shape}s": shape for shape in SHAPES if shape != "cross"}.get(kind, kind)
    kind = "cross" if kind == "crosses" else kind
    return NUMBERS[sum(kind in (t.shape, t.color, t.size) for t in scene.things)] == number


def attribute_is(scene: Scene, attribute: str, name: str, word: str) -> bool:
    thing = named(name, scene)
    told = {"color": thing.color, "size": thing.size, "surface": thing.texture}
    return told[attribute] == word


def only_is(scene: Scene, word: str, shape: str) -> bool:
    (only,) = [t for t in scene.things if word in (t.size, t.texture, t.color)]
    return only.shape == shape


def twin_is(scene: Scene, name: str, shape: str) -> bool:
    thing = named(name, scene)
    (twin,) = [t for t in scene.things if t.color == thing.color and t != thing]
    return twin.shape == shape


def colors_are(scene: Scene, first: str, second: str, how: str) -> bool:
    return (named(first, scene).color == named(second, scene).color) == (how == "the same")


def stands_to(scene: Scene, first: str, how: str, second: str) -> bool:
    a, b = named(first, scene), named(second, scene)
    return {
        "left of": a.column < b.column,
        "right of": a.column > b.column,
        "above": a.row < b.row,
        "below": a.row > b.row,
        "larger than": (a.size, b.size) == ("large", "small"),
        "smaller than": (a.size, b.size) == ("small", "large"),
        "as large as": a.size == b.size,
    }[how]


DIRECTIONS = "left of|right of|above|below|larger than|smaller than|as large as"
READINGS: dict[str, Callable[..., bool]] = {
    r"the background is (\w+)": lambda scene, word: scene.background == word,
    r"the number of (\w+)(?: things)? is (\w+)": count_is,
    r"the (color|size|surface) of (the .+) is (\w+)": attribute_is,
    rf"(the .+) stands (?:at|in) the ({PLACE})": lambda scene, name, place: (
        PLACES[named(name, scene).cell] == place
    ),
    r"the only (\w+) thing is an? (\w+)": only_is,
    r"the thing of the same color as (the .+) is an? (\w+)": twin_is,
    r"(the .+) and (the .+) have (the same|different) colors?": colors_are,
    rf"(the .+) is ({DIRECTIONS}) (the .+)": stands_to,
    r"(the .+) is an? (\w+)": lambda scene, name, shape: named(name, scene).shape == shape,
}


def holds(sentence: str, scene: Scene) -> bool:
    """Whether a claim is true, by readings that share nothing with the writer."""
    for pattern, is_true in READINGS.items():
        if found := re.fullmatch(pattern, sentence):
            return is_true(scene, *found.groups())
    raise AssertionError(sentence)


def test_claims_are_true_and_their_other_fillers_are_not() -> None:
    draw = Draw("claims")
    for scene in text_splits()["report"]:
        for claim in claims(scene, draw, 8):
            assert holds(claim.saying(claim.answer), scene), claim
            assert claim.others
            assert not any(holds(claim.saying(other), scene) for other in claim.others), claim


KNOWN = (("size", SIZES), ("texture", TEXTURES), ("color", COLORS), ("shape", SHAPES))


def read_back(text: str) -> tuple[str, set[tuple[str, ...]]]:
    """Background and things, (place, size, texture, color, shape), that a report tells of."""
    background = re.search(r"(\w+) background", text)
    assert background
    things: list[dict[str, str]] = []
    for sentence in text.lower().split(" . "):
        place = re.search(rf"(?:at|in) the ({PLACE})\b", sentence)
        if place:
            words = sentence.split()
            told = {"place": place[1]}
            told |= {key: word for word in words for key, known in KNOWN if word in known}
            if "of the same color" in sentence:
                told["color"] = things[-1]["color"]
            things.append(told)
        elif sentence.startswith("it is"):
            things[-1]["texture"] = sentence.split()[2]
    order = ("place", "size", "texture", "color", "shape")
    return background[1], {tuple(thing[key] for key in order) for thing in things}


def test_a_report_tells_of_everything() -> None:
    draw = Draw("reports")
    for scene in text_splits()["report"]:
        told = read_back(paragraph(scene, draw))

        assert told == (
            scene.background,
            {(PLACES[t.cell], t.size, t.texture, t.color, t.shape) for t in scene.things},
        )


def test_a_dispatch_is_in_lower_case_and_the_past_tense_without_punctuation() -> None:
    scene = Scene(
        "gray",
        (
            Thing(0, "star", "red", "large", "plain", 0, 0),
            Thing(2, "arrow", "red", "small", "striped", 0, 0),
        ),
    )
    text = dispatch(scene, Draw("one dispatch"))

    assert not re.search(r"[^a-z \n]", text)
    assert not {"is", "are", "have", "stands", "lie"} & set(text.split())
    assert {"was", "red", "star", "arrow", "gray"} <= set(text.split())


@pytest.mark.parametrize("task", [WikiText(), PennTreebank()])
def test_the_perplexity_tasks_read_their_files(root: Path, task: WikiText | PennTreebank) -> None:
    examples = task.examples(
        root / task.name, next(p for p in task.profiles if p.name == "w256"), by_words
    )

    assert 60 <= len(examples) <= 90
    assert all(len(example.sample.tokens) == 256 for example in examples)


def test_windows_of_calibration_and_training_show_nothing_of_the_tests(
    root: Path, cache: Path
) -> None:
    calibration = MiniText(window=128).samples(None, cache, by_words)
    training = MiniTextTrain().samples(None, cache, by_words)
    passages = {item["passage"] for item in items(root, "mini_yes_no")}

    assert len(calibration) >= 512
    assert all(len(sample.tokens) == 128 for sample in calibration)
    assert len(training) >= 1000
    assert all(len(sample.tokens) == 256 for sample in training)
    for path in (root / "calibration" / "calibration.txt", *cache.rglob("reports.txt")):
        told = path.read_text()
        assert not [passage for passage in passages if str(passage) in told]
    with pytest.raises(InputError, match="mini-text needs a model with a tokenizer"):
        MiniText().samples(None, cache, None)


def test_items_cannot_be_guessed_by_position_or_answer(root: Path) -> None:
    labels = Counter(item["label"] for item in items(root, "mini_completion"))
    answers = Counter(item["label"] for item in items(root, "mini_yes_no"))
    words = Counter(item["answer"] for item in items(root, "mini_cloze"))

    assert set(labels) == {0, 1, 2, 3}
    assert max(labels.values()) <= 70
    assert set(answers) == {0, 1}
    assert max(answers.values()) <= 115
    assert max(words.values()) <= 60
