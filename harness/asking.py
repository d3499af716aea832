"""Ask a live model in batches of similar length, resuming from the log of a killed run."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from harness.plugin import (
    Classifies,
    Embeds,
    Generates,
    Generation,
    Judges,
    LoadedModel,
    Matches,
    Perplexity,
    Ranks,
    Sample,
    check_finite,
)
from harness.resume import ResumeLog
from harness.session import Progress

T = TypeVar("T")
TOP = 5


class BatchedAsker:
    """The `Asker` that tasks get."""

    def __init__(
        self, model: LoadedModel, *, batch_size: int, log: ResumeLog, progress: Progress
    ) -> None:
        self.model = model
        self._batch_size = batch_size
        self._log = log
        self._progress = progress

    def generate(self, samples: Sequence[Sample], generation: Generation) -> list[str]:
        model = self.model
        assert isinstance(model, Generates)
        return self.in_batches(
            "generate",
            samples,
            lambda batch: model.generate(batch, generation),
            by_image(samples),
        )

    def classify(self, samples: Sequence[Sample]) -> list[list[int]]:
        model = self.model
        assert isinstance(model, Classifies)
        return self.in_batches(
            "classify", samples, lambda batch: best_classes(model.classify(batch), batch), _length
        )

    def token_losses(self, samples: Sequence[Sample]) -> list[float]:
        model = self.model
        assert isinstance(model, Perplexity)
        return self.in_batches("losses", samples, model.token_losses, _length)

    def embed_images(self, samples: Sequence[Sample]) -> Tensor:
        model = self.model
        assert isinstance(model, Embeds)
        return _unpack(
            self.in_batches(
                "images", samples, lambda batch: _pack(model.embed_images(batch)), _length
            )
        )

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        model = self.model
        assert isinstance(model, Embeds)
        return _unpack(
            self.in_batches("texts", texts, lambda batch: _pack(model.embed_texts(batch)), len)
        )

    def match(self, samples: Sequence[Sample]) -> list[float]:
        model = self.model
        assert isinstance(model, Matches)
        return self.in_batches("match", samples, lambda batch: model.match(batch).tolist(), _length)

    def judge(self, samples: Sequence[Sample]) -> list[bool]:
        model = self.model
        assert isinstance(model, Judges)
        return self.in_batches("judge", samples, model.judge, _length)

    def rank(self, samples: Sequence[Sample], answers: Sequence[str], *, tried: int) -> list[str]:
        model = self.model
        assert isinstance(model, Ranks)
        return self.in_batches(
            "rank", samples, lambda batch: model.rank(batch, answers, tried=tried), _length
        )

    def in_batches(
        self,
        stage: str,
        items: Sequence[T],
        ask: Callable[[Sequence[T]], Sequence[Any]],
        key: Callable[[T], Any],
    ) -> list[Any]:
        missing = [index for index in range(len(items)) if (stage, index) not in self._log]
        missing.sort(key=lambda index: key(items[index]))
        done = len(items) - len(missing)
        for start in range(0, len(missing), self._batch_size):
            indices = missing[start : start + self._batch_size]
            outputs = ask([items[index] for index in indices])
            self._log.add(stage, self._batch_size, indices, outputs)
            done += len(indices)
            self._progress(done, len(items), stage)
        return [self._log[stage, index] for index in range(len(items))]


def _length(sample: Sample) -> int:
    return len(sample.prompt) + len(sample.tokens)


def by_image(samples: Sequence[Sample]) -> Callable[[Sample], Any]:
    """A sorting key: what is asked of one image stands together, and images by what is longest.

    A model then looks once at an image for all that a batch asks of it.
    """
    longest: dict[Path | None, int] = {}
    for sample in samples:
        longest[sample.image] = max(longest.get(sample.image, 0), _length(sample))
    first = {image: place for place, image in enumerate(longest)}
    return lambda sample: (longest[sample.image], first[sample.image], _length(sample))


def best_classes(logits: Tensor, samples: Sequence[Sample]) -> list[list[int]]:
    """Up to five classes per row of (samples, classes), best first, lower index first if equal.

    Raises:
        RunError: The best logit of a sample is not finite.
    """
    check_finite(logits.amax(dim=1), samples)
    order = torch.sort(logits.float(), dim=1, descending=True, stable=True).indices
    best: list[list[int]] = order[:, :TOP].tolist()
    return best


def _pack(features: Tensor) -> list[list[Any]]:
    """Per row its shape and its float32 bytes in base64."""
    rows = features.detach().float().cpu().numpy()
    return [[list(row.shape), base64.b64encode(row.tobytes()).decode()] for row in rows]


def _unpack(packed: Sequence[Sequence[Any]]) -> Tensor:
    rows = [
        np.frombuffer(base64.b64decode(content), dtype=np.float32).reshape(shape)
        for shape, content in packed
    ]
    return torch.from_numpy(np.stack(rows))
