"""Every task, asked through the machine: who knows all scores the ceiling, who says one thing less.

The fake model sees through files: it knows an image by its name.
"""

import dataclasses
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from harness.asking import BatchedAsker
from harness.plugin import Example, Generation, Profile, RunError, Sample, Scores, Task
from harness.plugin.manager import Plugins
from harness.resume import ResumeLog
from tests.tasks import worlds
from tests.tasks.worlds import CAPTIONS, CLASSES, COUNT


@dataclass
class Knowing:
    """Answers by functions of a sample; a feature is a one-hot vector of a place in the world."""

    text: Callable[[Sample], str]
    place: Callable[[str], int]
    """Of an image's name or of a text; negative = every place alike."""
    verdict: Callable[[Sample], bool]
    loss: float = log(7)
    context: int = 64

    def generate(self, samples: Sequence[Sample], generation: Generation) -> list[str]:
        return [self.text(sample) for sample in samples]

    def rank(self, samples: Sequence[Sample], answers: Sequence[str], *, tried: int) -> list[str]:
        assert tried == 128
        return [answers[answers.index(self.text(sample))] for sample in samples]

    def judge(self, samples: Sequence[Sample]) -> list[bool]:
        return [self.verdict(sample) for sample in samples]

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        return [ord(letter) for letter in text]

    def token_losses(self, samples: Sequence[Sample]) -> list[float]:
        return [self.loss for _ in samples]

    def classify(self, samples: Sequence[Sample]) -> Tensor:
        return self.embed_images(samples)[:, 0]

    def embed_images(self, samples: Sequence[Sample]) -> Tensor:
        return self._features([sample.image.stem for sample in samples])[:, None]

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        return self._features(texts)

    def match(self, samples: Sequence[Sample]) -> Tensor:
        images = self._features([sample.image.stem for sample in samples])
        return (images * self._features([sample.prompt for sample in samples])).sum(dim=1)

    def _features(self, names: Sequence[str]) -> Tensor:
        flat = torch.full((COUNT,), 0.5)
        rows = [self.place(name) for name in names]
        return torch.stack([torch.eye(COUNT)[row] if row >= 0 else flat for row in rows])


def place_of(name: str) -> int:
    """Of an image file, or of a text that holds a caption or a class name."""
    for index, (caption, label) in enumerate(zip(CAPTIONS, CLASSES, strict=True)):
        if name.startswith(caption) or label in name or name == f"n{COUNT - index}":
            return index
    return int(name)


@dataclass(frozen=True)
class Case:
    task: str
    write: Callable[[Path], None]
    profile: str
    ceiling: float
    constant: float
    """What the text yes, the verdict true or features that are all alike score."""
    texts: tuple[str, ...] = ("yes", "no", "no", "yes")


def score_of(plugins: Plugins, case: Case, folder: Path, model: Knowing, seed: int = 0) -> float:
    task: Task = plugins.tasks.get(case.task).given()
    profile = next(profile for profile in task.profiles if profile.name == case.profile)
    examples = list(task.examples(folder, profile, model.encode))
    random.Random(seed).shuffle(examples)
    return main_score(task, profile, examples, model, folder / f"log{seed}{model.loss}")


def main_score(
    task: Task, profile: Profile, examples: Sequence[Example], model: Any, log_path: Path
) -> float:
    log_path.unlink(missing_ok=True)
    with ResumeLog(log_path) as file:
        asker = BatchedAsker(model, batch_size=3, log=file, progress=lambda *_: None)
        outputs = json.loads(json.dumps(task.ask(asker, examples, profile)))
    scores: Scores = task.score(examples, outputs, profile)
    mean = sum(scores.per_sample) / len(scores.per_sample)
    return task.metric.scale * (exp(mean) if task.metric.transform == "exp" else mean)


def all_alike_recall() -> float:
    """Eight texts tie, two of them right; four images tie, one of them right."""
    texts = (2 / 8 + (1 - 6 / 56) + 1) / 3
    images = (1 / 4 + 1 + 1) / 3
    return 100 * (texts + images) / 2


GQA_TEXTS = ("yes", "yes", "yes", "no")
#: Ten times yes, twice ten times no, and seven yes of ten, each matching six of the other nine.
YES = 100 * (1 + 0 + 0 + 1) / 4
CASES = (
    *(
        Case("vqav2", worlds.write_vqav2, profile, 100.0, YES)
        for profile in ("lavis", "official", "lmms-eval", "vlmevalkit")
    ),
    Case("vqav2", worlds.write_vqav2, "lavis-rank-480", 100.0, YES),
    *(
        Case("okvqa", worlds.write_okvqa, profile, 100.0, YES)
        for profile in ("official", "lmms-eval")
    ),
    *(
        Case("gqa", worlds.write_gqa, profile, 100.0, 75.0, GQA_TEXTS)
        for profile in ("lavis", "official", "lmms-eval", "vlmevalkit")
    ),
    Case("nocaps", worlds.write_nocaps, "lavis", 10.0, 0.0, CAPTIONS),
    Case("nocaps", worlds.write_nocaps, "lmms-eval", 10.0, 0.0, CAPTIONS),
    Case("coco-caption", worlds.write_coco_caption, "lavis", 10.0, 0.0, CAPTIONS),
    Case("flickr30k", worlds.write_flickr30k, "itc", 100.0, all_alike_recall()),
    Case("flickr30k", worlds.write_flickr30k, "itc+itm", 100.0, all_alike_recall()),
    *(
        Case("imagenet", worlds.write_imagenet, profile, 100.0, 25.0)
        for profile in ("classifier", "zero-shot", "zero-shot-1")
    ),
    *(
        Case(name, worlds.write_class_folders, "coop", 100.0, 25.0)
        for name in (
            "caltech101",
            "oxford_pets",
            "stanford_cars",
            "oxford_flowers",
            "food101",
            "fgvc_aircraft",
            "sun397",
            "dtd",
            "eurosat",
            "ucf101",
        )
    ),
    Case("nlvr2", worlds.write_nlvr2, "lavis", 100.0, 75.0),
    Case("nlvr2", worlds.write_nlvr2, "side-by-side", 100.0, 75.0, ("yes", "yes", "True.", "no")),
    Case("wikitext", worlds.write_text("wiki.test.raw"), "w64", 1.0, 7.0),
    Case("ptb", worlds.write_text("ptb.test.txt"), "w64", 1.0, 7.0),
)
CONSTANT = Knowing(text=lambda _: "yes", place=lambda _: -1, verdict=lambda _: True)


def knowing(case: Case) -> Knowing:
    def number(sample: Sample) -> int:
        name = sample.image.stem
        return int(name.split("-")[1] if name.startswith("test1") else name.rpartition("_")[2])

    return Knowing(
        text=lambda sample: case.texts[number(sample)],
        place=place_of,
        verdict=lambda sample: number(sample) < 3,
        loss=0.0,
    )


@pytest.fixture(autouse=True)
def _no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    """METEOR takes seconds to start, and is not what is tested."""
    monkeypatch.setenv("PATH", "")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.task}/{case.profile}")
def test_ceiling_and_constant(case: Case, plugins: Plugins, tmp_path: Path) -> None:
    case.write(tmp_path)

    assert score_of(plugins, case, tmp_path, knowing(case)) == pytest.approx(case.ceiling, 1e-6)
    for seed in range(3):  # the order of the items is another each time
        score = score_of(plugins, case, tmp_path, CONSTANT, seed)
        assert score == pytest.approx(case.constant, 1e-6)


def test_every_bundled_task_has_its_ceiling(plugins: Plugins) -> None:
    profiles = {
        (provider.name, profile.name)
        for provider in plugins.tasks
        if provider.origin.distribution == "pruning-harness" and provider.name != "lm_eval"
        for profile in provider.given().profiles
    }
    others = {f"{raw}w{2**n}" for raw in ("", "raw-") for n in range(6, 13)} - {"w64"}
    windows = {(name, window) for name in ("wikitext", "ptb") for window in others}
    shared = {("coco-caption", "lmms-eval"), ("okvqa", "lavis")}  # told apart elsewhere
    resized = {(task, name) for task, name in profiles if name.endswith(("-364", "-384"))}

    assert {(case.task, case.profile) for case in CASES} == profiles - windows - shared - resized


def test_features_that_are_no_numbers_fail_the_cell(plugins: Plugins, tmp_path: Path) -> None:
    broken = dataclasses.replace(CONSTANT)
    nan = torch.full((COUNT,), float("nan"))
    broken._features = lambda names: torch.stack([nan for _ in names])
    for case in CASES:
        if case.task == "flickr30k" or case.profile == "coop":
            folder = tmp_path / f"{case.task}-{case.profile}"
            case.write(folder)
            with pytest.raises(RunError, match="not finite|NaN"):
                score_of(plugins, case, folder, broken)
