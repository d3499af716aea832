"""Batches, order and resuming of what a model is asked."""

from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.asking import BatchedAsker, best_classes, by_image
from harness.plugin import RunError, Sample
from harness.resume import ResumeLog

A = Sample(id="a")


def ask_all(path: Path, texts: list[str], batch_size: int) -> tuple[list[Any], list[list[str]]]:
    """Ask for the lengths of texts; also returns the batches that were asked."""
    batches: list[list[str]] = []

    def lengths(batch: Any) -> list[int]:
        batches.append(list(batch))
        return [len(text) for text in batch]

    with ResumeLog(path) as log:
        asker = BatchedAsker(None, batch_size=batch_size, log=log, progress=lambda *_: None)
        return asker.in_batches("lengths", texts, lengths, len), batches


def test_batches_hold_similar_lengths_and_outputs_keep_the_order(tmp_path: Path) -> None:
    outputs, batches = ask_all(tmp_path / "log", ["aaaa", "b", "cc", "ddddd", "e"], 2)

    assert outputs == [4, 1, 2, 5, 1]
    assert batches == [["b", "e"], ["cc", "aaaa"], ["ddddd"]]


def test_what_was_answered_is_not_asked_again_whatever_the_batch_size(tmp_path: Path) -> None:
    texts = ["aaaa", "b", "cc", "ddddd", "e"]
    ask_all(tmp_path / "log", texts, 2)
    lines = (tmp_path / "log").read_text().splitlines(keepends=True)
    (tmp_path / "log").write_text(lines[0] + '["lengths", 2, [[2, ')

    outputs, batches = ask_all(tmp_path / "log", texts, 3)

    assert outputs == [4, 1, 2, 5, 1]
    assert batches == [["cc", "aaaa", "ddddd"]]


class Embedder:
    """Features that are the ids and lengths of what is embedded."""

    def embed_images(self, samples: Any) -> torch.Tensor:
        return torch.tensor([[[float(s.id), 0.1], [0.5, float(s.id)]] for s in samples])

    def embed_texts(self, texts: Any) -> torch.Tensor:
        return torch.tensor([[len(text) / 3, 1.0] for text in texts])


@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_features_pass_the_log_unchanged(tmp_path: Path, batch_size: int) -> None:
    samples = [Sample(id=str(index)) for index in range(5)]
    model = Embedder()
    for _ in range(2):  # asked, then found
        with ResumeLog(tmp_path / "log") as log:
            asker = BatchedAsker(model, batch_size=batch_size, log=log, progress=lambda *_: None)
            images, texts = asker.embed_images(samples), asker.embed_texts(["abc", "a"])

        assert torch.equal(images, Embedder().embed_images(samples))
        assert torch.equal(texts, torch.tensor([[1.0, 1.0], [1 / 3, 1.0]]))


def test_equal_logits_give_the_lower_class_first() -> None:
    assert best_classes(torch.tensor([[1.0, 3.0, 3.0, 0.0, 3.0, 2.0]]), [A]) == [[1, 2, 4, 5, 0]]
    assert best_classes(torch.zeros(1, 3), [A]) == [[0, 1, 2]]


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32])
def test_logits_that_are_no_numbers_name_no_class(kind: torch.dtype) -> None:
    numbers = [1.0, 3.0, -inf]
    for bad, told in (([1.0, nan, 3.0], "nan"), ([inf, 1, 2], "inf"), ([-inf] * 3, "-inf")):
        with pytest.raises(RunError, match=rf"logits of item 'b' are not finite \({told}\)"):
            best_classes(torch.tensor([numbers, bad], dtype=kind), [A, Sample(id="b")])

    assert best_classes(torch.tensor([numbers], dtype=kind), [A]) == [[1, 0, 2]]


def test_questions_on_one_image_stand_together() -> None:
    asked = [("a", "long one"), ("b", "q"), ("a", "q"), ("b", "q2"), ("c", "qqq")]
    samples = [
        Sample(id=f"{image} {prompt}", image=Path(image), prompt=prompt) for image, prompt in asked
    ]

    ordered = sorted(samples, key=by_image(samples))

    assert [sample.id for sample in ordered] == ["b q", "b q2", "c qqq", "a q", "a long one"]
