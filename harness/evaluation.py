"""Ask a model all examples of a task and score the answers together."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import RunError
from harness.model import Model
from harness.plugin import Classifies, Example, Generates, Perplexity, Scores
from harness.record import canonical
from harness.resume import ResumeLog
from harness.session import Progress
from harness.statistics import Items, make_items
from harness.tasks import OpenTask

TOP = 5


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Outputs and scores of one model on one task, in the order of the examples."""

    outputs: Sequence[Any]
    scores: Scores
    items: Items

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
    images = list(dict.fromkeys(example.sample.image for example in examples))
    random.Random("blind").shuffle(images)
    following = dict(zip(images, images[1:] + images[:1], strict=True))
    return [
        dataclasses.replace(
            example,
            sample=dataclasses.replace(example.sample, image=following[example.sample.image]),
        )
        for example in examples
    ]


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
        RunError: A score is NaN, or the task returns another number of scores.
    """
    asked = blind(task.examples) if is_blind else task.examples
    batches = make_batches(asked, batch_size)
    outputs: list[Any] = [None] * len(asked)
    done = 0
    with ResumeLog(resume) as log:
        for number, indices in enumerate(batches):
            found = log.get(number, len(indices))
            if found is None:
                found = _answer(model, task, [asked[index] for index in indices])
                log.add(number, found)
            for index, output in zip(indices, found, strict=True):
                outputs[index] = output
            done += len(indices)
            progress(done, len(asked), task.name)
    scores = task.task.score(task.examples, outputs, task.profile)
    return Evaluation(outputs=outputs, scores=scores, items=_items(task, scores))


def make_batches(examples: Sequence[Example], size: int) -> list[list[int]]:
    """Indices of the examples, similar lengths together, so that little is padding."""
    order = sorted(
        range(len(examples)),
        key=lambda i: (len(examples[i].sample.prompt) + len(examples[i].sample.tokens), i),
    )
    return [order[start : start + size] for start in range(0, len(order), size)]


def _answer(model: Model, task: OpenTask, examples: Sequence[Example]) -> list[Any]:
    samples = [example.sample for example in examples]
    loaded = model.loaded
    if task.task.needs == "generate":
        assert isinstance(loaded, Generates)
        return list(loaded.generate(samples, task.profile.generation))
    if task.task.needs == "classify":
        assert isinstance(loaded, Classifies)
        logits = loaded.classify(samples)
        best: list[Any] = logits.topk(min(TOP, logits.shape[1]), dim=1).indices.tolist()
        return best
    assert isinstance(loaded, Perplexity)
    return list(loaded.token_losses(samples))


def _items(task: OpenTask, scores: Scores) -> Items:
    metric = task.task.metric
    if len(scores.per_sample) != len(task.examples):
        raise RunError(
            f"task {task.name} gave {len(scores.per_sample)} scores for {len(task.examples)} items"
        )
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
