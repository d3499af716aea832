"""ECoFLaP: global scores set each block's budget, Wanda prunes to it.

Sung, Yoon, Bansal, "ECoFLaP: Efficient Coarse-to-Fine Layer-Wise Pruning for Vision-Language
Models", ICLR 2024 (arXiv:2310.02998). Reference: ylsung/ECoFLaP,
LAVIS/lavis/compression/pruners/layer_single_base_pruner.py.

Coarse stage, zeroth order (Fig. 3): for every weight matrix W and calibration sample d,

    s_W = sum_d | L(W + eps z; d) - L(W - eps z; d) | / (2 eps),   z ~ N(0, I),

with only W perturbed: two forward passes, no gradient, no memory beyond one copy of W. Blocks add
up their matrices' scores. Budget: every block keeps at least n (1 - p_max) weights, the others are
handed out in proportion to the scores; where no block fills up this is

    sparsity_b = p_max - (p_max - p) (N / n_b) (s_b / sum s).

Departures from the released code, which undoes its perturbation by arithmetic in half precision,
draws one noise per batch of eight, and overshoots the total: here W is put back bit for bit, every
sample has a draw of its own, and the total is exact.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from harness.plugin import (
    Batch,
    BudgetAllocator,
    Granularity,
    Group,
    InfeasibleError,
    LayerInfo,
    PartError,
    Recipe,
    ScoreEstimator,
    ScoreSession,
    ScoreTable,
    Target,
    apportion,
    floor_of,
    hookimpl,
    split_evenly,
    tower_targets,
)


@dataclass(frozen=True)
class ZerothOrder:
    """Mean over calibration samples of the absolute central difference along a random direction."""

    name: ClassVar[str] = "zeroth-order"
    granularity: ClassVar[Granularity] = "layer"

    samples: Annotated[int, Field(gt=0)] = 32
    batch_size: Annotated[int, Field(gt=0)] = 1
    noises: Annotated[int, Field(gt=0)] = 1
    """Directions per batch; more of them do not use up more samples."""
    eps: Annotated[float, Field(gt=0)] = 1e-3

    def score(self, session: ScoreSession) -> Iterator[tuple[str, Tensor | float]]:
        batches = session.batches(self.samples, size=self.batch_size)
        totals = dict.fromkeys((layer.name for layer in session.layers), 0.0)
        steps = len(batches) * len(totals)
        for number, batch in enumerate(batches):
            for position, layer in enumerate(session.layers):
                session.progress(number * len(totals) + position, steps, layer.name)
                for _ in range(self.noises):
                    seed = int(torch.randint(2**31, (), generator=session.rng))
                    difference = central_difference(session, layer, batch, seed=seed, eps=self.eps)
                    totals[layer.name] += abs(difference)
        draws = len(batches) * self.noises
        yield from ((name, total / draws) for name, total in totals.items())


def central_difference(
    session: ScoreSession, layer: LayerInfo, batch: Batch, *, seed: int, eps: float
) -> float:
    """(L(W + eps z) - L(W - eps z)) / (2 eps) with z drawn on the CPU from that seed."""
    z = torch.randn(layer.shape, generator=torch.Generator().manual_seed(seed))
    with session.perturbed(layer) as weight:
        clean = weight.to(torch.promote_types(weight.dtype, torch.float32))
        step = (eps * z).to(weight.device)
        losses = []
        for moved in (clean + step, clean - step):
            weight.copy_(moved)
            losses.append(float(session.loss(batch)))
    return (losses[0] - losses[1]) / (2 * eps)


@dataclass(frozen=True)
class CappedProportional:
    """Each group keeps what its cap demands and a share of the rest in proportion to its score."""

    name: ClassVar[str] = "capped-proportional"

    granularity: Granularity = "block"
    aggregate: Literal["sum", "mean"] = "sum"
    """``mean`` divides a group's score by its number of weights (the released FlanT5 setting)."""
    scope: Literal["joint", "tower"] = "joint"
    """``tower``: each tower meets the target by itself (there ``prune_per_model``)."""

    def allocate(
        self, scores: ScoreTable | None, layers: Sequence[LayerInfo], target: Target
    ) -> Mapping[str, int]:
        if scores is None:
            raise PartError("budget=capped-proportional needs score=NAME")
        if self.scope == "joint":
            return self._share_out(scores, scores.groups, target)
        keep: dict[str, int] = {}
        for tower, own in tower_targets(layers, target).items():
            keep |= self._share_out(scores, [g for g in scores.groups if g.tower == tower], own)
        return keep

    def _share_out(
        self, scores: ScoreTable, groups: Sequence[Group], target: Target
    ) -> dict[str, int]:
        """Meet a target with these groups alone."""
        value = scores.total if self.aggregate == "sum" else scores.mean
        shares = [value(group) for group in groups]
        if min(shares) < 0:
            raise PartError(
                f"budget=capped-proportional needs scores whose sums are >= 0, "
                f"one is {min(shares):g}"
            )
        if not any(shares):
            where = "" if self.scope == "joint" else f" of tower {groups[0].tower}"
            raise InfeasibleError(
                f"all scores{where} are zero; they say nothing about where to prune"
            )
        keep = apportion(
            target.keep,
            shares,
            floors=[floor_of(group, target) for group in groups],
            ceilings=[group.numel for group in groups],
        )
        return split_evenly(groups, keep, target)


#: A contrastive loss needs several pairs; 16 is what the released CLIP script takes.
PAIRS = {"score.batch_size": 16}

ECOFLAP = Recipe(
    name="ecoflap",
    paper="Sung et al., ICLR 2024 (arXiv:2310.02998), zeroth order, p_max = p + 0.1.",
    score="zeroth-order",
    budget="capped-proportional",
    local=("wanda",),
    headroom=0.1,
    family_settings={"t5": {"budget.aggregate": "mean"}, "clip": PAIRS},
)


ECOFLAP_SPARSEGPT = Recipe(
    name="ecoflap-sparsegpt",
    paper="Sung et al., ICLR 2024 (arXiv:2310.02998), zeroth order, then SparseGPT.",
    score="zeroth-order",
    budget="capped-proportional",
    local=("sparsegpt",),
    headroom=0.1,
    family_settings={"clip": PAIRS},
)


@hookimpl
def harness_score_estimators() -> list[type[ScoreEstimator]]:
    return [ZerothOrder]


@hookimpl
def harness_budget_allocators() -> list[type[BudgetAllocator]]:
    return [CappedProportional]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [ECOFLAP, ECOFLAP_SPARSEGPT]
