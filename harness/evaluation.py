"""Ask a model all examples of a task and score the answers together."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.asking import BatchedAsker
from harness.composition import title_of
from harness.contract import blamed, check_outputs, check_verdict
from harness.errors import RunError
from harness.items import Items, make_items
from harness.model import Model
from harness.plugin import Example, Profile, Resizes, Sample, Scores
from harness.resume import ResumeLog
from harness.session import Progress
from harness.tasks import OpenTask

Shown = tuple[Path | None, Path | None]
NOTHING: Shown = (None, None)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Outputs and scores of one model on one task, in the order of the examples."""

    outputs: Sequence[Any]
    scores: Scores
    items: Items | None
    """None = the main score is undefined; `scores.absent` says why under the metric's name."""
    batch_sizes: Mapping[int, int]
    """Batch size -> outputs made at it; more than one after a resumed run."""
    damaged: int = 0
    """Batches of an earlier run that were asked again, as their line of the log is damaged."""

    def log(self, open_task: OpenTask) -> list[dict[str, Any]]:
        """One row per example; without score and weight where the main score is undefined."""
        unscored = [None] * len(self.outputs)
        return [
            {
                "id": example.sample.id,
                "cluster": example.cluster,
                "label": example.label,
                "output": output,
                "references": list(example.references),
                "score": score,
                "weight": weight,
            }
            for example, output, score, weight in zip(
                open_task.examples,
                self.outputs,
                self.items.scores.tolist() if self.items else unscored,
                self.items.weights.tolist() if self.items else unscored,
                strict=True,
            )
        ]


def blind(examples: Sequence[Example]) -> list[Example]:
    """Show every example the image of another: all images move on by one in a shuffled circle.

    A model that answers as well as before does not look.
    """
    pairs = dict.fromkeys(map(_shown, examples))
    images = [pair for pair in pairs if pair != NOTHING]
    random.Random("blind").shuffle(images)
    following = {NOTHING: NOTHING, **dict(zip(images, images[1:] + images[:1], strict=True))}
    return [
        dataclasses.replace(example, sample=_showing(example.sample, *following[_shown(example)]))
        for example in examples
    ]


def _shown(example: Example) -> Shown:
    return example.sample.image, example.sample.second_image


def _showing(sample: Sample, image: Path | None, second: Path | None) -> Sample:
    return dataclasses.replace(sample, image=image, second_image=second)


def evaluate(
    model: Model,
    task: OpenTask,
    *,
    batch_size: int,
    is_blind: bool,
    resume: Path,
    progress: Progress,
    measuring: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Evaluation:
    """Ask everything, then score everything.

    Args:
        resume: Append-only log of finished batches; what it holds is not asked again.
        measuring: Entered while the answers are scored, which may take its time.

    Raises:
        RunError: A score is NaN.
        PartError: The task returns what is no output or score of each item.
    """
    if model.backend is not None:
        model.backend.take_weights()
    asked = blind(task.examples) if is_blind else task.examples
    with ResumeLog(resume) as log, _sized(model, task.profile):
        asker = BatchedAsker(
            model.answers,
            batch_size=batch_size,
            log=log,
            progress=lambda done, total, stage: progress(done, total, f"{task.name} {stage}"),
        )
        outputs = task.task.ask(asker, asked, task.profile)
        sizes = log.batch_sizes
    with measuring(), blamed(title_of(task.part)):
        check_outputs(outputs, len(asked))
        scores = task.task.score(task.examples, outputs, task.profile)
        check_verdict(scores, len(asked), task.task.metric)
    scores = _without_nan(scores)
    items = None if task.task.metric.name in scores.absent else _items(task, scores)
    if items is not None and not items.weights.sum():
        why = f"the weights of its {items.count} items are all 0"
        scores = _without(scores, {task.task.metric.name: why})
        items = None
    return Evaluation(
        outputs=outputs, scores=scores, items=items, batch_sizes=sizes, damaged=log.damaged
    )


def _without_nan(scores: Scores) -> Scores:
    """Further metrics that are no number are absent."""
    bad = [name for name, value in scores.metrics.items() if math.isnan(value)]
    return _without(scores, dict.fromkeys(bad, "undefined here: its value is NaN"))


def _without(scores: Scores, absent: Mapping[str, str]) -> Scores:
    left = {name: value for name, value in scores.metrics.items() if name not in absent}
    return dataclasses.replace(scores, metrics=left, absent={**scores.absent, **absent})


def _sized(model: Model, profile: Profile) -> AbstractContextManager[None]:
    """Inside it, images are prepared at the profile's size."""
    if profile.image_size is None:
        return nullcontext()
    assert isinstance(model.answers, Resizes)
    return model.answers.images_at(profile.image_size)


def _items(task: OpenTask, scores: Scores) -> Items:
    metric = task.task.metric
    bad = [
        e.sample.id for e, s in zip(task.examples, scores.per_sample, strict=True) if math.isnan(s)
    ]
    if bad:
        raise RunError(f"task {task.name}: the score of {len(bad)} items is NaN, first {bad[0]}")
    return make_items(
        scores.per_sample,
        [example.cluster for example in task.examples],
        weights=scores.weights,
        transform=metric.transform,
        scale=metric.scale,
    )


def breakdown(task: OpenTask, items: Items | None) -> tuple[dict[str, float], dict[str, int]]:
    """Main score, where it is defined, and number of items per label."""
    labels = np.array([example.label for example in task.examples])
    counts = {str(label): int(np.sum(labels == label)) for label in np.unique(labels) if label}
    if items is None:
        return {}, counts
    parts = {label: items.part(labels == label) for label in counts}
    return {label: part.main() for label, part in parts.items() if part.weights.any()}, counts
