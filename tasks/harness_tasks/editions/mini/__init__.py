"""The edition ``mini``: a generated world of coloured shapes, in the official file formats."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from harness.plugin import CalibrationSource, Edition, EditionInfo, Sample, hookimpl
from harness_tasks import lavis
from harness_tasks.editions.mini.cache import VERSION, made_once
from harness_tasks.editions.mini.text import sources as text

TASKS = ("vqav2", "nocaps")
#: Answer types in the order in which every image has a question of each.
TYPES = ("yes/no", "number", "other")
#: Images of the train stream; seconds to make.
TRAIN_IMAGES = 2000


class Mini:
    """Folders made on first use under the cache folder, always the same ones."""

    name: ClassVar[str] = "mini"

    def provide(self, task: str, cache: Path) -> EditionInfo | None:
        path = _task_folder(task, cache)
        return None if path is None else EditionInfo(path=path, label="mini", version=VERSION)


def _task_folder(task: str, cache: Path) -> Path | None:
    """The task's folder, made on first use; tasks that came later each have a root of their own."""
    from harness_tasks.editions.mini.further import SPLITS, write_split

    if task in TASKS:
        return mini_root(cache) / task
    if task in SPLITS:
        return made_once(cache, f"mini-{VERSION}-{task}", partial(write_split, task))
    if task in text.TASKS:
        return text.text_root(cache) / task
    return None


class MiniCalibration:
    """Captions and questions in turn, on scenes of their own."""

    name: ClassVar[str] = "mini"

    def samples(
        self, path: Path | None, cache: Path, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Sample]:
        folder = mini_root(cache) / "calibration"
        questions = _questions(folder)
        one_per_image = [
            question
            for (image, number), question in questions.items()
            if number == image % len(TYPES)
        ]
        return _captions(folder) + one_per_image


class MiniTrain:
    """The first images of the split that the bundled models learnt from, all their texts."""

    name: ClassVar[str] = "mini-train"

    def samples(
        self, path: Path | None, cache: Path, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Sample]:
        folder = mini_train_root(cache) / "train"
        return _captions(folder) + list(_questions(folder).values())


class MiniCaptions:
    """The captions of ``mini`` alone, for models that compare images with texts."""

    name: ClassVar[str] = "mini-captions"

    def samples(
        self, path: Path | None, cache: Path, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Sample]:
        return _captions(mini_root(cache) / "calibration")


class MiniTrainCaptions:
    """The captions of ``mini-train`` alone."""

    name: ClassVar[str] = "mini-train-captions"

    def samples(
        self, path: Path | None, cache: Path, encode: Callable[[str], list[int]] | None
    ) -> Sequence[Sample]:
        return _captions(mini_train_root(cache) / "train")


def _captions(folder: Path) -> list[Sample]:
    captions = json.loads((folder / "captions_train2014.json").read_text())["annotations"]
    return [
        Sample(
            id=f"caption {entry['id']}",
            image=_image(folder, entry["image_id"]),
            prompt=lavis.CAPTION_PROMPT,
            target=entry["caption"],
        )
        for entry in captions
    ]


def _questions(folder: Path) -> dict[tuple[int, int], Sample]:
    """(image, number of the question) -> question; answer types take turns."""
    asked = json.loads((folder / "v2_OpenEnded_mscoco_train2014_questions.json").read_text())
    texts = {entry["question_id"]: entry["question"] for entry in asked["questions"]}
    answered = json.loads((folder / "v2_mscoco_train2014_annotations.json").read_text())
    return {
        (entry["image_id"], entry["question_id"] % 1000): Sample(
            id=f"question {entry['question_id']}",
            image=_image(folder, entry["image_id"]),
            prompt=lavis.QUESTION_PROMPT.format(lavis.clean_question(texts[entry["question_id"]])),
            target=entry["multiple_choice_answer"],
        )
        for entry in answered["annotations"]
    }


def _image(folder: Path, image_id: int) -> Path:
    return folder / "train2014" / f"COCO_train2014_{image_id:012d}.png"


def mini_root(cache: Path) -> Path:
    """The folder of all mini tasks."""
    from harness_tasks.editions.mini.folders import write_evaluation

    return made_once(cache, f"mini-{VERSION}", write_evaluation)


def mini_train_root(cache: Path) -> Path:
    """The folder that holds ``train``."""
    from harness_tasks.editions.mini.training import write_train_split

    write = partial(write_train_split, count=TRAIN_IMAGES)
    return made_once(cache, f"mini-{VERSION}-train", write)


@hookimpl
def harness_editions() -> list[type[Edition]]:
    return [Mini]


@hookimpl
def harness_calibration_sources() -> list[type[CalibrationSource]]:
    return [
        MiniCalibration,
        MiniTrain,
        MiniCaptions,
        MiniTrainCaptions,
        text.MiniText,
        text.MiniTextTrain,
    ]
