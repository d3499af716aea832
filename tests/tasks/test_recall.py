"""Retrieval: ties counted by hand, chance for a model that knows nothing, NaN refused."""

import pytest
import torch
from torch import Tensor

from harness.plugin import InputError, RunError
from harness_tasks.metrics.recall import (
    Rank,
    Ranks,
    candidates,
    ranks_from_features,
    recall,
    recalls,
)


def unit(*shape: int, seed: int = 0) -> Tensor:
    numbers = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(numbers, dim=-1)


def features_of(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Unit features whose similarities are the scores (images, texts), all divided by 16."""
    shares = scores.double() / 16
    rest = (1 - shares.square().sum(1, keepdim=True)).sqrt()
    texts = torch.eye(scores.shape[1], scores.shape[1] + 1, dtype=torch.float64)
    return torch.cat((shares, rest), 1)[:, None], texts


def test_ties_share_their_places() -> None:
    """Image 0: its text 1 ties with texts 2 and 3 and nothing stands above; all of image 1 tie."""
    scores = torch.tensor([[0.0, 3.0, 3.0, 3.0], [2.0, 2.0, 2.0, 2.0]])

    ranks = ranks_from_features(*features_of(scores), owner=[0, 0, 1, 1])

    assert ranks.texts == [Rank(0, 3, 1), Rank(0, 4, 2)]
    assert [rank.middle for rank in ranks.texts] == [2, 5 / 3]
    assert [rank.hit(1) for rank in ranks.texts] == [1 / 3, 1 / 2]
    assert [rank.hit(2) for rank in ranks.texts] == [2 / 3, 1 - 1 / 6]
    assert ranks.images == [Rank(1, 1, 1), Rank(0, 1, 1), Rank(1, 1, 1), Rank(1, 1, 1)]
    assert recalls(ranks) == pytest.approx(
        {"TR@1": 125 / 3, "TR@5": 100, "TR@10": 100, "IR@1": 25, "IR@5": 100, "IR@10": 100}
    )


def test_the_best_query_of_an_image_counts() -> None:
    images = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.6, 0.8], [0.6, 0.8]]])
    texts = torch.tensor([[0.0, 1.0], [0.6, 0.8]])

    ranks = ranks_from_features(images, texts, owner=[0, 1])

    assert ranks == Ranks(texts=[Rank(0, 1, 1)] * 2, images=[Rank(0, 1, 1)] * 2)


@pytest.mark.parametrize(("right", "chance"), [(1, [5, 25, 50]), (5, [5, 25, 50])])
def test_a_model_without_a_clue_gets_chance(right: int, chance: list[float]) -> None:
    """Of 20 images every one is equally likely at every place."""
    images, texts = torch.ones(20, 1, 1), torch.ones(20 * right, 1)
    owner = [text // right for text in range(20 * right)]

    alone = ranks_from_features(images, texts, owner)
    matched = candidates(images, texts, 20 * right)
    again = matched.ranks([0.5] * len(matched.pairs), owner)

    assert [recall(alone.images, k) for k in (1, 5, 10)] == pytest.approx(chance)
    assert recall(alone.texts, 1) == pytest.approx(5)
    assert again == alone
    assert alone.images[0].middle == 10.5


def test_chunks_and_order_change_not_a_bit() -> None:
    images, texts = unit(13, 4, 48), unit(26, 48, seed=1)
    owner = [text // 2 for text in range(26)]
    order = torch.randperm(13, generator=torch.Generator().manual_seed(2))
    place = {int(image): new for new, image in enumerate(order)}

    whole = candidates(images, texts, 5)
    for at_once in (1, 300, 2**24):
        part = candidates(images, texts, 5, at_once)
        assert torch.equal(part.texts.scores, whole.texts.scores)
        assert torch.equal(part.images.scores, whole.images.scores)
        assert part.pairs == whole.pairs
    shuffled = ranks_from_features(images[order], texts, [place[image] for image in owner])
    ranks = ranks_from_features(images, texts, owner, at_once=1)
    assert shuffled.images == ranks.images
    assert [shuffled.texts[place[image]] for image in range(13)] == ranks.texts
    assert 0 < recall(ranks.images, 5) < 100


def test_matching_reorders_the_candidates_and_nothing_else() -> None:
    """Image 0's own text is its second candidate, image 1's is none of its two."""
    scores = torch.tensor([[2.0, 3.0, 0.0], [2.0, 3.0, 1.0]])
    found = candidates(*features_of(scores), k=2)

    assert found.texts.ids.tolist() == [[1, 0], [1, 0]]
    assert found.pairs == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    ranks = found.ranks([1.0, 0.0, 9.0, 0.0, 0.0, 0.0], owner=[0, 1, 1])
    assert ranks.texts == [Rank(0, 1, 1), Rank(0, 1, 1)]
    assert ranks.images == [Rank(0, 1, 1), Rank(0, 2, 1), Rank(1, 1, 1)]
    behind = found.ranks([1.0, 0.0, 9.0, 0.0, 0.0, 0.0], owner=[0, 0, 1])
    assert behind.texts == [Rank(0, 1, 1), Rank(2, 1, 1)]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused(value: float) -> None:
    images, texts = unit(3, 1, 8), unit(3, 8)
    bad = texts.clone()
    bad[1, 2] = value
    found = candidates(images, texts, 3)

    with pytest.raises(RunError, match="1 of 24 text features are NaN or infinite"):
        ranks_from_features(images, bad, [0, 1, 2])
    with pytest.raises(RunError, match="1 of 9 matching scores are NaN or infinite"):
        found.ranks([0.0] * 8 + [value], [0, 1, 2])


def test_wrong_input_is_told() -> None:
    images, texts = unit(3, 1, 8), unit(3, 8)

    with pytest.raises(RunError, match="image features are of unit length ± 1, not within 0.01"):
        ranks_from_features(images * 2, texts, [0, 1, 2])
    with pytest.raises(InputError, match="every one of the 3 images needs a text"):
        ranks_from_features(images, texts, [0, 1, 1])
