"""Image-text retrieval: recall at k, with ties shared and without a dense matrix.

An image and a text are as similar as the largest dot product over the image's queries. Ranking and
re-ranking are LAVIS's (salesforce/LAVIS, lavis/models/blip2_models/blip2.py, compute_sim_matrix;
lavis/tasks/retrieval.py) but for equal scores. LAVIS leaves their order to the sorting routine, so
a model that was pruned until every pair has one score is as good as that routine likes.

Features are rounded to multiples of 2^-26. Dot products of unit vectors are then exact in float64,
and neither chunks nor threads nor the order of the items change a bit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb
from typing import NamedTuple

import torch
from torch import Tensor

from harness.plugin import InputError, RunError

_GRID = 2.0**26
#: Features may have been normalised in bfloat16.
_LENGTH_TOLERANCE = 0.01
#: Similarities held at a time: 128 MiB of them.
AT_ONCE = 2**24


class Rank(NamedTuple):
    """Place of a query's best right item; equal scores have no order, so all orders count alike.

    `above` items score higher than it. `tied` items score as high, itself among them, and `right`
    of these are right.
    """

    above: int
    tied: int
    right: int

    @property
    def middle(self) -> float:
        """Mid-rank, from 1: mean place of the first right item over all orders of the tied ones.

        >>> Rank(above=2, tied=3, right=1).middle
        4.0
        """
        return self.above + (self.tied + 1) / (self.right + 1)

    def hit(self, k: int) -> float:
        """Share of these orders, in [0, 1], that put a right item among the first k.

        >>> Rank(above=0, tied=1000, right=1).hit(10)
        0.01
        """
        places = min(max(k - self.above, 0), self.tied)
        missed, orders = comb(self.tied - self.right, places), comb(self.tied, places)
        return (orders - missed) / orders


class Ranks(NamedTuple):
    """`texts`: per image, of the best of its texts; `images`: per text, of its image."""

    texts: list[Rank]
    images: list[Rank]


def recall(ranks: Sequence[Rank], k: int) -> float:
    """Mean of the hits at k, in percent."""
    return 100 * sum(rank.hit(k) for rank in ranks) / len(ranks)


def recalls(ranks: Ranks) -> dict[str, float]:
    """``TR@1`` … ``IR@10`` in percent."""
    named = {"TR": ranks.texts, "IR": ranks.images}
    return {f"{name}@{k}": recall(of, k) for name, of in named.items() for k in (1, 5, 10)}


def ranks_from_features(
    images: Tensor, texts: Tensor, owner: Sequence[int], at_once: int = AT_ONCE
) -> Ranks:
    """Rank by similarity alone (ITC).

    Args:
        images: Features (images, queries, dim) of unit length.
        texts: Features (texts, dim) of unit length.
        owner: Which image each text belongs to; every image has at least one.
        at_once: How many similarities are held at a time.

    Raises:
        InputError: An image has no text.
        RunError: Features are not numbers, or not of unit length.
    """
    images, texts = _exact(images, "image"), _exact(texts[:, None], "text")
    of_images, of_texts = _labels(owner, len(images))

    def ranks(queries: Tensor, items: Tensor, own: Tensor, of: Tensor) -> list[Rank]:
        chunks = _similarities(queries, items, at_once)
        return [rank for ids, scores in chunks for rank in _rank(own[ids], of, of, scores)]

    return Ranks(
        texts=ranks(images, texts, of_images, of_texts),
        images=ranks(texts, images, of_texts, of_images),
    )


class Best(NamedTuple):
    """Per query, its best items, best first, both (queries, k)."""

    ids: Tensor
    scores: Tensor


@dataclass(frozen=True, slots=True)
class Candidates:
    """What is worth matching: texts for each image, images for each text."""

    texts: Best
    images: Best

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Every (image, text) that is a candidate either way, once, in ascending order."""
        texts = len(self.images.ids)
        return [divmod(code, texts) for code in self._codes()[0].tolist()]

    def ranks(self, matching: Sequence[float], owner: Sequence[int]) -> Ranks:
        """Rank by matching score (ITM) plus similarity; all that are no candidates tie behind.

        Args:
            matching: Matching scores of `pairs`.
            owner: Which image each text belongs to; every image has at least one.

        Raises:
            InputError: An image has no text.
            RunError: A matching score is not a number.
        """
        scores = torch.tensor(matching, dtype=torch.float64)
        _check_numbers(scores, "matching scores")
        of_images, of_texts = _labels(owner, len(self.texts.ids))
        known, of_text_lists, of_image_lists = self._codes()

        def ranks(best: Best, codes: Tensor, own: Tensor, of: Tensor) -> list[Rank]:
            both = scores[torch.searchsorted(known, codes)] + best.scores
            return _rank(own, of[best.ids], of, both)

        return Ranks(
            texts=ranks(self.texts, of_text_lists, of_images, of_texts),
            images=ranks(self.images, of_image_lists, of_texts, of_images),
        )

    def _codes(self) -> tuple[Tensor, Tensor, Tensor]:
        """``image * texts + text`` of all pairs, ascending, and of either side's lists."""
        images, texts = len(self.texts.ids), len(self.images.ids)
        of_texts = torch.arange(images)[:, None] * texts + self.texts.ids
        of_images = self.images.ids * texts + torch.arange(texts)[:, None]
        ordered = torch.cat((of_texts.flatten(), of_images.flatten())).sort().values
        return torch.unique_consecutive(ordered), of_texts, of_images


def candidates(images: Tensor, texts: Tensor, k: int, at_once: int = AT_ONCE) -> Candidates:
    """Each image's `k` most similar texts and each text's `k` most similar images.

    Arguments and errors are those of `ranks_from_features`; of equally similar ones the first are
    taken. A gallery that is smaller than `k` is taken whole.
    """
    images, texts = _exact(images, "image"), _exact(texts[:, None], "text")
    return Candidates(
        texts=_best(images, texts, k, at_once), images=_best(texts, images, k, at_once)
    )


def _rank(own: Tensor, items: Tensor, gallery: Tensor, scores: Tensor) -> list[Rank]:
    """Ranks of some queries; an item is right if its label is the query's own.

    Args:
        own: Labels of the queries (queries,).
        items: Labels of the items that have a score, (items,) or (queries, items).
        gallery: Labels of all items; those without a score tie behind the others.
        scores: (queries, items).
    """
    right = items == own[:, None]
    best = scores.masked_fill(~right, -torch.inf).amax(1, keepdim=True)
    tied = scores == best
    found = right.any(1)
    behind = len(gallery) - scores.shape[1]
    rows = (
        (scores > best).sum(1),
        tied.sum(1).where(found, behind),
        (tied & right).sum(1).where(found, gallery.bincount()[own]),
    )
    return [Rank(*row) for row in torch.stack(rows, 1).tolist()]


def _similarities(queries: Tensor, items: Tensor, at_once: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Chunks of the queries: their places (chunk,), their similarities (chunk, items)."""
    columns = items.flatten(0, 1).T
    chunk = max(1, at_once // (queries.shape[1] * columns.shape[1]))
    for start in range(0, len(queries), chunk):
        ids = torch.arange(start, min(start + chunk, len(queries)))
        dots = queries[ids].flatten(0, 1) @ columns
        yield ids, dots.view(len(ids), queries.shape[1], len(items), -1).amax((1, 3))


def _best(queries: Tensor, items: Tensor, k: int, at_once: int) -> Best:
    lists = []
    for _, scores in _similarities(queries, items, at_once):
        ordered = scores.sort(dim=1, descending=True, stable=True)
        lists.append((ordered.indices[:, :k], ordered.values[:, :k]))
    ids, values = zip(*lists, strict=True)
    return Best(torch.cat(ids), torch.cat(values))


def _exact(features: Tensor, what: str) -> Tensor:
    """Features (…, dim) on the grid, float64, in main memory.

    Raises:
        RunError: They are not numbers, or not of unit length.
    """
    features = features.detach().cpu().double()
    _check_numbers(features, f"{what} features")
    off = float((features.norm(dim=-1) - 1).abs().max())
    if off > _LENGTH_TOLERANCE:
        raise RunError(f"{what} features are of unit length ± {off:.3g}, not within 0.01")
    return (features * _GRID).round() / _GRID


def _check_numbers(values: Tensor, what: str) -> None:
    bad = int((~values.isfinite()).sum())
    if bad:
        raise RunError(f"{bad} of {values.numel()} {what} are NaN or infinite; nothing to rank")


def _labels(owner: Sequence[int], images: int) -> tuple[Tensor, Tensor]:
    """Labels of images and of texts: an image and its texts share one."""
    if set(owner) != set(range(images)):
        raise InputError(f"every one of the {images} images needs a text, and every text an image")
    return torch.arange(images), torch.tensor(owner)
