"""SparseGPT: prune column by column, and let the columns to come make up for it.

Frantar, Alistarh, "SparseGPT: Massive Language Models Can Be Accurately Pruned in One-Shot",
ICML 2023 (arXiv:2301.00774), Algorithm 1. Reference: IST-DASLab/sparsegpt, sparsegpt.py.

With the Gram matrix G = sum_t x_t x_t^T of a layer's inputs and U the upper Cholesky factor of
its damped inverse (G^-1 = U^T U), removing weight w_ij costs

    (w_ij / U_jj)^2

of squared output error, and the columns k > j of its row take over by - (w_ij / U_jj) U_jk. The
columns are swept from left to right in blocks of 128; a block's mask is chosen when the sweep
reaches it, by the weights as updated by then, over all rows at once.

Departures from the reference: each block keeps its exact share of the layer's count (the reference
prunes one more), and an input that is always zero counts in the damping as an average one, so that
scaling the inputs changes nothing.
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from harness.plugin import (
    LayerJob,
    LayerResult,
    LocalPruner,
    PartError,
    Recipe,
    Statistic,
    columns_share,
    hookimpl,
    keep_largest,
)

#: A failing factorisation is tried again with ten times the damping, from here up to this.
LEAST_DAMPING, MOST_DAMPING = 1e-6, 1e3

#: (first column, weights (out, width), diagonal of U (width,)) -> keep (out, width).
Choose = Callable[[int, Tensor, Tensor], Tensor]


class Inverse(NamedTuple):
    """The factor of an inverse Gram matrix, and what it took to get it."""

    upper: Tensor
    """U (in, in) with U^T U = (G + damping * mean diagonal * I)^-1."""
    dead: Tensor
    """bool (in,): inputs that are always zero."""
    damping: float
    """The share of the mean diagonal that was added; the one asked for unless that failed."""


@dataclass(frozen=True)
class SparseGPT:
    """Mask and update together, over blocks of columns."""

    name: ClassVar[str] = "sparsegpt"
    statistics: ClassVar[AbstractSet[Statistic]] = frozenset({"gram"})
    changes_weights: ClassVar[bool] = True

    columns: Annotated[int, Field(gt=0)] = 128
    """Columns per block; all rows of a block compete."""
    damping: Annotated[float, Field(ge=0)] = 0.01
    """Added to the diagonal of G, as a share of its mean."""

    def prune(self, job: LayerJob) -> LayerResult:
        rows, inputs = job.weight.shape
        pattern = job.pattern
        factor = invert(job.stats.gram, self.damping, job.info.name)

        def by_share(start: int, weight: Tensor, diagonal: Tensor) -> Tensor:
            stop = start + weight.shape[1]
            share = columns_share(job.keep_count, start, stop, inputs)
            return keep_largest((weight / diagonal).square(), share, compare="layer")

        def by_pattern(_: int, weight: Tensor, diagonal: Tensor) -> Tensor:
            assert pattern is not None
            scores = (weight / diagonal).square()
            return keep_largest(scores, rows * pattern.keep, compare="row", pattern=pattern)

        if pattern is None:
            return sweep(job, factor, self.columns, self.columns, by_share)
        block = self.columns - self.columns % pattern.of or pattern.of  # no group is cut in two
        return sweep(job, factor, block, pattern.of, by_pattern)


@dataclass(frozen=True)
class OBS:
    """The update alone, for the mask that the pruner before it in the chain chose.

    Hassibi, Stork, "Second Order Derivatives for Network Pruning: Optimal Brain Surgeon", NIPS
    1992, with SparseGPT's left-to-right order.
    """

    name: ClassVar[str] = "obs"
    statistics: ClassVar[AbstractSet[Statistic]] = frozenset({"gram"})
    changes_weights: ClassVar[bool] = True
    refines: ClassVar[bool] = True

    columns: Annotated[int, Field(gt=0)] = 128
    """Columns per lazily applied update; changes speed, not the outcome."""
    damping: Annotated[float, Field(ge=0)] = 0.01

    def prune(self, job: LayerJob) -> LayerResult:
        mask = job.keep
        assert mask is not None

        def given(start: int, weight: Tensor, _: Tensor) -> Tensor:
            return mask[:, start : start + weight.shape[1]]

        factor = invert(job.stats.gram, self.damping, job.info.name)
        return sweep(job, factor, self.columns, self.columns, given)


def sweep(job: LayerJob, factor: Inverse, block: int, width: int, choose: Choose) -> LayerResult:
    """Algorithm 1 with a given factor of the inverse Gram matrix.

    `choose` is asked for the mask of every `width` columns when they are reached. The note
    ``error`` is the squared output error over all calibration tokens, sum (w / U_jj)^2.
    """
    weight = job.weight.clone()
    weight[:, factor.dead] = 0
    keep = torch.empty_like(weight, dtype=torch.bool)
    error = 0.0
    for start in range(0, weight.shape[1], block):
        stop = min(start + block, weight.shape[1])
        inner, kept = weight[:, start:stop], keep[:, start:stop]  # views: both are written to
        upper = factor.upper[start:stop, start:stop]
        diagonal = upper.diagonal()
        errors = torch.zeros_like(inner)
        for i in range(stop - start):
            if i % width == 0:
                ahead = slice(i, min(i + width, stop - start))
                kept[:, ahead] = choose(start + i, inner[:, ahead], diagonal[ahead])
            pruned = inner[:, i].masked_fill(kept[:, i], 0) / diagonal[i]
            inner[:, i:] -= torch.outer(pruned, upper[i, i:])
            errors[:, i] = pruned
        weight[:, stop:] -= errors @ factor.upper[start:stop, stop:]
        error += float(errors.square().sum())
    weight.masked_fill_(~keep, 0)
    notes = {"error": error, "damping": factor.damping, "dead_inputs": float(factor.dead.sum())}
    return LayerResult(keep=keep, weight=weight, notes=notes)


def invert(gram: Tensor, damping: float, where: str) -> Inverse:
    """Factorise the inverse of a Gram matrix (in, in).

    Where rounding makes the matrix indefinite, the damping is raised tenfold until it is not.
    Where all inputs are zero, any diagonal will do, as in the reference: no weight is left.

    Raises:
        PartError: No damping helps.
    """
    gram = gram.clone()
    diagonal = gram.diagonal()
    dead = diagonal == 0
    mean = gram.new_ones(()) if bool(dead.all()) else diagonal[~dead].mean()
    diagonal[dead] = mean
    wanted = damping
    while damping <= MOST_DAMPING:
        damped = gram + torch.eye(len(gram), device=gram.device) * (damping * mean)
        lower, failed = torch.linalg.cholesky_ex(damped)
        if not failed:
            upper, failed = torch.linalg.cholesky_ex(torch.cholesky_inverse(lower), upper=True)
            if not failed and bool(torch.isfinite(upper).all()):
                return Inverse(upper, dead, damping)
        damping = max(10 * damping, LEAST_DAMPING)
    raise PartError(f"{where}: the inputs' Gram matrix has no Cholesky factor (damping {wanted:g})")


SPARSEGPT = Recipe(
    name="sparsegpt",
    paper="Frantar and Alistarh, ICML 2023 (arXiv:2301.00774).",
    local=("sparsegpt",),
)


@hookimpl
def harness_local_pruners() -> list[type[LocalPruner]]:
    return [SparseGPT, OBS]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [SPARSEGPT]
