"""The official files of every task: whatever reading lets pass can be asked and scored."""

import json
from collections.abc import Sequence
from math import log
from pathlib import Path
from random import Random

import torch
from torch import Tensor

from harness.asking import BatchedAsker
from harness.data.images import missing_images
from harness.errors import DataError
from harness.plugin import Example, Profile, Sample, Task, read_image
from harness.plugin.manager import Plugins
from harness.resume import ResumeLog
from tests.fuzz.judging import Area, Attempt
from tests.fuzz.nasty import TEXTS, a_changed_json_file, change_bytes, change_json, json_bytes
from tests.tasks.test_ceilings import CASES, Case

TEXTUAL = (".json", ".jsonl", ".txt", ".raw")
PARTS = 4
"""Parts of the first features' dimension."""


class Fixed:
    """A model that says the same of everything."""

    context = 64

    def generate(self, samples: Sequence[Sample], _: object) -> list[str]:
        return ["yes"] * len(samples)

    def rank(self, samples: Sequence[Sample], answers: Sequence[str], *, tried: int) -> list[str]:
        return [answers[0]] * len(samples)

    def judge(self, samples: Sequence[Sample]) -> list[bool]:
        return [True] * len(samples)

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        return [ord(letter) for letter in text]

    def token_losses(self, samples: Sequence[Sample]) -> list[float]:
        return [log(7)] * len(samples)

    def classify(self, samples: Sequence[Sample]) -> Tensor:
        return torch.eye(PARTS)[[0] * len(samples)]

    def embed_images(self, samples: Sequence[Sample]) -> Tensor:
        return torch.ones(len(samples), 1, PARTS)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        return torch.ones(len(texts), PARTS)

    def match(self, samples: Sequence[Sample]) -> Tensor:
        return torch.ones(len(samples))


class Worlds:
    """A folder for each task, with one file at a time changed and put back."""

    def __init__(self, root: Path, plugins: Plugins) -> None:
        self.plugins = plugins
        self.cases = list({case.task: case for case in CASES}.values())
        self.folders = {case.task: root / case.task for case in self.cases}
        for case in self.cases:
            case.write(self.folders[case.task])
        self.written = [
            case
            for case in self.cases
            if any(path.suffix in TEXTUAL for path in self.folders[case.task].rglob("*"))
        ]

    def attempt(self, draw: Random) -> Attempt:
        case = draw.choice(self.written if draw.random() < 0.95 else self.cases)
        folder = self.folders[case.task]
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        texts = [path for path in files if path.suffix in TEXTUAL]
        path = draw.choice(texts if texts and draw.random() < 0.9 else files)
        before = path.read_bytes()
        after = changed(draw, path, before)
        where = f"{path.relative_to(folder.parent)} {after[:200] if after else after!r}"

        def give() -> str:
            try:
                path.unlink()
                if after is not None:
                    path.write_bytes(after)
                if after is not None and path.suffix not in TEXTUAL:
                    read_image(path)
                return self.score(case, folder)
            finally:
                path.unlink(missing_ok=True)
                path.write_bytes(before)

        return where, give

    def score(self, case: Case, folder: Path) -> str:
        """Read, ask and score as a run does; what reading should have refused."""
        task: Task = self.plugins.tasks.get(case.task).given()
        profile = next(profile for profile in task.profiles if profile.name == case.profile)
        examples = list(task.examples(folder, profile, Fixed().encode))
        if lost := missing_images(examples):
            raise DataError(lost[0], "no such image")
        if not examples:
            raise DataError(folder, "no items left")
        ask_and_score(task, profile, examples, folder.parent / "answers.jsonl")
        ids = [example.sample.id for example in examples]
        if len(set(ids)) < len(ids):
            return "two items have one id"
        outside = [
            image
            for example in examples
            for image in (example.sample.image, example.sample.second_image)
            if image is not None and not image.resolve().is_relative_to(folder.resolve())
        ]
        return f"an image outside the folder: {outside[0]}" if outside else ""


def ask_and_score(task: Task, profile: Profile, examples: Sequence[Example], resume: Path) -> None:
    resume.unlink(missing_ok=True)
    with ResumeLog(resume) as answers:
        asker = BatchedAsker(Fixed(), batch_size=3, log=answers, progress=lambda *_: None)
        outputs = task.ask(asker, examples, profile)
    task.score(examples, json.loads(json.dumps(outputs)), profile)


def changed(draw: Random, path: Path, content: bytes) -> bytes | None:
    """The file's next content; None = it is not there."""
    if draw.random() < 0.02:
        return None
    if path.suffix not in TEXTUAL:
        return change_bytes(draw, content)
    if path.suffix == ".json" and is_json(content):
        return a_changed_json_file(draw, content)
    if path.suffix == ".json" and draw.random() < 0.7:  # JSON lines
        lines = content.splitlines()
        place = draw.randrange(len(lines))
        lines[place] = json_bytes(change_json(draw, json.loads(lines[place])))
        return b"\n".join(lines)
    if draw.random() < 0.1:
        return draw.choice(TEXTS).encode(errors="surrogatepass")
    return change_bytes(draw, content)


def is_json(content: bytes) -> bool:
    """Whether all of it is one value."""
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


def areas(root: Path, plugins: Plugins) -> list[Area]:
    return [Area("official data", Worlds(root, plugins).attempt, 15)]
