"""SparseGPT as released, by its authors and in ECoFLaP's copy.

IST-DASLab/sparsegpt, sparsegpt.py: the Gram matrix is H = (2 / n) sum x x^T over n sequences; an
input that is always zero gets 1 on H's diagonal, loses its weights and counts in the damping of
0.01 mean diag H; a block of 128 columns loses all up to and including the score at index int(m s)
of its m, so one weight more than its share.

ylsung/ECoFLaP, LAVIS/lavis/compression/pruners/sparsegpt_pruner.py, damps H only where it has no
Cholesky factor, as often as it takes, and does the same to its inverse; infinite entries are
replaced by quantiles; padding counts, and all blocks are called like the first.
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import ClassVar

import torch
from torch import Tensor

from harness.plugin import (
    LayerJob,
    LayerResult,
    LocalPruner,
    PartError,
    Recipe,
    Statistic,
    hookimpl,
    keep_largest,
)
from harness_plugins.methods.official.first_call import ReplaysFirstCall
from harness_plugins.methods.official.inclusive import keep_above_index
from harness_plugins.methods.official.padding import CountsPadding
from harness_plugins.methods.sparsegpt import Inverse, sweep

COLUMNS = 128
DAMPING = 0.01
#: The released loop damps without end; this many steps raise the diagonal by its own mean.
MOST_STEPS = 100


class SparseGPTOfficial:
    """Damped once, one weight more of every block of columns."""

    name: ClassVar[str] = "sparsegpt-official"
    statistics: ClassVar[AbstractSet[Statistic]] = frozenset({"gram"})
    changes_weights: ClassVar[bool] = True
    exact: ClassVar[bool] = False

    def prune(self, job: LayerJob) -> LayerResult:
        return _prune(job, _damped_once)


class SparseGPTECoFLaP(CountsPadding, ReplaysFirstCall):
    """Damped only where it must be."""

    name: ClassVar[str] = "sparsegpt-ecoflap-official"
    statistics: ClassVar[AbstractSet[Statistic]] = frozenset({"gram"})
    changes_weights: ClassVar[bool] = True
    exact: ClassVar[bool] = False

    def prune(self, job: LayerJob) -> LayerResult:
        return _prune(job, _damped_if_need_be)


def _prune(job: LayerJob, factorise: Callable[[Tensor, str], Tensor]) -> LayerResult:
    rows, drop, pattern = job.info.shape[0], job.info.numel - job.keep_count, job.pattern

    def inclusive(_: int, weight: Tensor, diagonal: Tensor) -> Tensor:
        share = weight.numel() * drop // job.info.numel
        return keep_above_index((weight / diagonal).square(), share)

    def by_pattern(_: int, weight: Tensor, diagonal: Tensor) -> Tensor:
        assert pattern is not None
        scores = (weight / diagonal).square()
        return keep_largest(scores, rows * pattern.keep, compare="row", pattern=pattern)

    hessian = job.stats.gram * (2 / job.stats.samples)
    dead = hessian.diagonal() == 0
    hessian.diagonal()[dead] = 1
    factor = Inverse(factorise(hessian, job.info.name), dead, DAMPING)
    if pattern is None:
        return sweep(job, factor, COLUMNS, COLUMNS, inclusive)
    return sweep(job, factor, COLUMNS, pattern.of, by_pattern)


def _damped_once(hessian: Tensor, where: str) -> Tensor:
    """U (in, in), upper, with U^T U = (H + 0.01 mean diag H I)^-1."""
    hessian.diagonal().add_(DAMPING * hessian.diagonal().mean())
    lower, failed = torch.linalg.cholesky_ex(hessian)
    if not failed:
        upper: Tensor
        upper, failed = torch.linalg.cholesky_ex(torch.cholesky_inverse(lower), upper=True)
        if not failed:
            return upper
    raise PartError(f"{where}: the released SparseGPT finds no Cholesky factor")


def _damped_if_need_be(hessian: Tensor, where: str) -> Tensor:
    """U (in, in), upper, with U^T U = H^-1, both damped as often as they have no factor."""
    inverse = torch.cholesky_inverse(_insist(_finite(hessian), where))
    return _insist(_finite(inverse), where).t()


def _insist(matrix: Tensor, where: str) -> Tensor:
    """The lower Cholesky factor; the diagonal grows by 0.01 of its mean until there is one."""
    step = DAMPING * matrix.diagonal().abs().mean()
    for _ in range(MOST_STEPS):
        lower: Tensor
        lower, failed = torch.linalg.cholesky_ex(matrix)
        if not failed and not bool(lower.isnan().any()):
            return lower
        matrix.diagonal().add_(step)
    raise PartError(f"{where}: {MOST_STEPS} times damped, still no Cholesky factor")


def _finite(matrix: Tensor) -> Tensor:
    """Infinite entries become the 0.999 and 0.001 quantiles."""
    for infinite, quantile in ((torch.inf, 0.999), (-torch.inf, 0.001)):
        where = matrix == infinite
        if bool(where.any()):
            matrix[where] = torch.quantile(matrix, quantile)
    return matrix


SPARSEGPT_OFFICIAL = Recipe(
    name="sparsegpt-official",
    paper="SparseGPT as released in IST-DASLab/sparsegpt (sparsegpt.py), uniform.",
    local=("sparsegpt-official",),
)


@hookimpl
def harness_local_pruners() -> list[type[LocalPruner]]:
    return [SparseGPTOfficial, SparseGPTECoFLaP]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [SPARSEGPT_OFFICIAL]
