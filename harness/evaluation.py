"""Ask a model all examples of a task and score the answers together."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import random
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.asking import BatchedAsker
from harness.composition import title_of
from harness.contract import blamed, check_outputs, check_verdict
from harness.errors import RunError
from harness.model import Model
from harness.plugin import Example, Profile, Resizes, Sample, Scores
from harness.record import canonical
from harness.resume import ResumeLog
from harness.session import Progress
from harness.statistics import Items, make_items
from harness.tasks import OpenTask

Shown = tuple[Path | None, Path | None]
NOTHING: Shown = (None, None)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Outputs and scores of one model on one task, in the order of the examples."""

    outputs: Sequence[Any]
    scores: Scores
    items: Items
    batch_sizes: Mapping[int, int]
    """Batch size -> outputs made at it; more than one after a resumed run."""

    def log(self, open_task: OpenTask) -> list[dict[str, Any]]:
        """One row per example."""
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
                self.items.scores.tolist(),
                self.items.weights.tolist(),
                strict=True,
            )
        ]


def log_digest(log: Sequence[dict[str, Any]]) -> str:
    """Hash of a per-sample log."""
    return hashlib.sha256("\n".join(canonical(row) for row in log).encode()).hexdigest()


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
) -> Evaluation:
    """Ask everything, then score everything.

    Args:
        resume: Append-only log of finished batches; what it holds is not asked again.

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
    with blamed(title_of(task.part)):
        check_outputs(outputs, len(asked))
        scores = task.task.score(task.examples, outputs, task.profile)
        check_verdict(scores, len(asked), task.task.metric)
    return Evaluation(outputs=outputs, scores=scores, items=_items(task, scores), batch_sizes=sizes)


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


def breakdown(task: OpenTask, items: Items) -> tuple[dict[str, float], dict[str, int]]:
    """Main score and number of items per label."""
    labels = [example.label for example in task.examples]
    scores, counts = {}, {}
    for label in sorted(set(labels) - {""}):
        chosen = [index for index, found in enumerate(labels) if found == label]
        part = make_items(
            items.scores[chosen].tolist(),
            [str(index) for index in chosen],
            weights=items.weights[chosen].tolist(),
            transform=items.transform,
            scale=items.scale,
        )
        scores[label], counts[label] = part.main(), len(chosen)
    return scores, counts
