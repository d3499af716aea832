"""The miniature world: always the same, in the official formats, train and test apart."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from harness_tasks.captioning import NoCaps
from harness_tasks.editions.mini import Mini, MiniCalibration, MiniCaptions
from harness_tasks.editions.mini.raster import SIZE, rasterise
from harness_tasks.editions.mini.scene import SHAPES, Draw, Scene, Thing, draw_scene
from harness_tasks.editions.mini.splits import evaluation_splits, training_scenes
from harness_tasks.metrics.captions import score_captions
from harness_tasks.metrics.vqa_accuracy import vqa_accuracy
from harness_tasks.vqav2 import VQAv2
from tests.tasks.digests import digest_of

#: Pixels and texts of the evaluation splits; a change of them is a new VERSION of the edition.
PINNED = "fddb9e5a4923a6829e1155193d39cce9abd8e68be6f23a00dac7406c9327b6b8"


@pytest.fixture(scope="module")
def root(cache: Path) -> Path:
    info = Mini().provide("vqav2", cache)
    assert info is not None
    return info.path.parent


def test_the_evaluation_splits_are_pinned(root: Path) -> None:
    assert digest_of(root) == PINNED


def test_no_scene_is_in_two_splits() -> None:
    splits = {name: [s.digest for s in scenes] for name, scenes in evaluation_splits().items()}
    held_out = [digest for digests in splits.values() for digest in digests]
    train = {scene.digest for scene in training_scenes(24_000)}

    assert len(held_out) == len(set(held_out))
    assert not train & set(held_out)


def test_there_are_enough_questions_of_every_type(root: Path) -> None:
    task = VQAv2()
    examples = task.examples(root / "vqav2", task.profiles[0], None)

    assert Counter(e.label for e in examples) == {"yes/no": 400, "number": 400, "other": 400}
    assert all(len(example.references) == 10 for example in examples)
    disagreeing = sum(len(set(example.references)) > 1 for example in examples)
    assert 0.3 < disagreeing / len(examples) < 0.9


def test_the_right_answer_scores_100_under_every_profile(root: Path) -> None:
    path = root / "vqav2" / "v2_mscoco_val2014_annotations.json"
    for entry in json.loads(path.read_text())["annotations"]:
        answers = [answer["answer"] for answer in entry["answers"]]
        for rule in ("official", "lavis"):
            assert vqa_accuracy(entry["multiple_choice_answer"], answers, rule) == 1


def test_no_answer_can_be_guessed_from_the_question_alone(root: Path) -> None:
    """The most common answer to the very same words, as a blind model could learn it."""
    task = VQAv2()
    answers: dict[str, Counter[str]] = {}
    for example in task.examples(root / "vqav2", task.profiles[0], None):
        common = Counter(example.references).most_common(1)[0][0]
        answers.setdefault(example.sample.prompt.split()[1], Counter())[common] += 1

    guessed = sum(max(counts.values()) for counts in answers.values())
    assert guessed / 1200 < 0.45


def test_a_third_of_the_captioned_images_is_out_of_domain(root: Path) -> None:
    task = NoCaps()
    examples = task.examples(root / "nocaps", task.profiles[0], None)

    assert Counter(e.label for e in examples) == {
        "in-domain": 120,
        "near-domain": 120,
        "out-domain": 120,
    }
    for example in examples:
        assert len(example.references) == 10
        assert all(8 <= len(text.split()) <= 14 for text in example.references)


def test_one_more_writer_against_the_ten_scores_what_people_do(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    task = NoCaps()
    examples = task.examples(root / "nocaps", task.profiles[0], None)
    oracle = json.loads((root / "nocaps" / "oracle_captions.json").read_text())
    texts = {str(entry["image_id"]): entry["caption"] for entry in oracle}

    scores = score_captions(
        [texts[e.sample.id] for e in examples], [e.references for e in examples]
    )

    assert 1.5 <= sum(scores.cider) / len(scores.cider) <= 3


def test_calibration_mixes_captions_and_questions(cache: Path) -> None:
    samples = MiniCalibration().samples(None, cache, None)
    captions = [s for s in samples if s.prompt == "a photo of"]
    answers = Counter(s.target for s in samples if s.prompt != "a photo of")

    assert len(captions) > 100
    assert len(samples) - len(captions) == 256
    assert {"yes", "no", "1", "2"} <= set(answers)
    assert len({sample.id for sample in samples}) == len(samples)


def test_dual_encoders_calibrate_on_the_captions_alone(cache: Path) -> None:
    both = MiniCalibration().samples(None, cache, None)

    assert MiniCaptions().samples(None, cache, None) == [
        sample for sample in both if sample.prompt == "a photo of"
    ]


def test_scenes_and_pixels_do_not_depend_on_library_versions() -> None:
    scenes = [draw_scene(draw) for draw in [Draw(7)] for _ in range(20)]
    things = tuple(
        Thing(cell, shape, "red", "large", "striped" if cell % 2 else "plain", 1, -1)
        for cell, shape in enumerate(SHAPES)
    )
    pixels = rasterise(Scene("gray", things))

    drawn = "".join(scene.digest for scene in scenes)
    assert hashlib.sha256(drawn.encode()).hexdigest()[:16] == "0259cc3c02147175"
    assert pixels.shape == (SIZE, SIZE, 3)
    assert hashlib.sha256(pixels.tobytes()).hexdigest()[:16] == "b6da568ee38dac24"
