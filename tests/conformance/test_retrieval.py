"""Recall against LAVIS's retrieval task, by features and by pair scores."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from harness_tasks.metrics.recall import Ranks, candidates, ranks_from_features, recalls

NAMES = {"TR": "txt", "IR": "img"}


@pytest.fixture(scope="module")
def cases(conformance: Path) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = json.loads((conformance / "retrieval.json").read_text())
    assert content
    return content


def check(ranks: Ranks, expected: dict[str, float]) -> None:
    for name, value in recalls(ranks).items():
        of, k = name.split("@")
        assert value == pytest.approx(expected[f"{NAMES[of]}_r{k}"]), name


def owners(case: dict[str, Any], scores: Tensor) -> list[int]:
    return [text // case["captions_per_image"] for text in range(scores.shape[1])]


def test_from_features(cases: list[dict[str, Any]]) -> None:
    """Unit features whose dot products are the scores, all divided by one number."""
    for case in cases:
        scores = torch.tensor(case["scores_i2t"], dtype=torch.float64)
        shares = scores / scores.norm(dim=1).max()
        rest = (1 - shares.square().sum(1, keepdim=True)).clamp(min=0).sqrt()
        texts = torch.eye(scores.shape[1], scores.shape[1] + 1, dtype=torch.float64)

        ranks = ranks_from_features(
            torch.cat((shares, rest), 1)[:, None], texts, owners(case, scores)
        )

        check(ranks, case["metrics"])


def test_from_pair_scores(cases: list[dict[str, Any]]) -> None:
    """All features are the same, so that only matching tells the pairs apart."""
    for case in cases:
        scores = torch.tensor(case["scores_i2t"])
        images, texts = scores.shape
        found = candidates(torch.ones(images, 1, 1), torch.ones(texts, 1), k=texts)

        ranks = found.ranks([float(scores[pair]) for pair in found.pairs], owners(case, scores))

        check(ranks, case["metrics"])
