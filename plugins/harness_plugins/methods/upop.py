"""UPop: one ranking of all towers' units, pruned a little more at every step of a search.

Shi, Tao, Jin, Yang, Yuan, Wang, "UPop: Unified and Progressive Pruning for Compressing
Vision-Language Transformers", ICML 2023 (arXiv:2301.13741). Reference: sdc17/UPop,
compress_*.py and models/*.py.

Units are dimensions of attention heads, one for all heads of a layer, and hidden units of
feed-forward networks; each has a gate, a factor of what its rows give, at first 1. While the whole
model trains on the task's loss, every few steps t of T

- gate gradients are standardised among attention gates and among feed-forward gates of all towers
  (*unified*) and ranked together, largest first: closing such a gate lowers the loss most;
- from the top, units go until their share of the total cost (rows per unit: 36 for q, k and v of
  twelve heads, 1 for a hidden unit) is pi_t = p sqrt((1 - cos(pi t / T)) / 2);
- gates of those are set to 1 - pi_t / p (*progressive*), all others to 1.

Then units with a closed gate are taken out, and what is left is trained on.

The reference treats gate gradients in two ways: in full precision they add up over the whole
search, since no optimizer clears them; under AMP an optimizer of learning rate zero does, and only
the last step counts. Here they add up. Its penalty on the sum of the gates is left out: gates are
not trained, so that it adds the same number to all gradients of a kind, which standardising takes
away again.

The reference closes down to the rank whose cumulative cost is nearest to pi_t; here a unit that
costs more than is left stays, and cheaper ones behind it may go, so that pi_t is never exceeded.
The last cut counts weights instead of rows, so that the row meets the sparsity it is ranked at.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from harness.plugin import (
    Recipe,
    Searcher,
    Target,
    Training,
    TrainSession,
    UnitGroup,
    hookimpl,
)

Positive = Annotated[int, Field(gt=0)]
Unit = tuple[int, int]
"""(position of its group, position in the group)."""


@dataclass(frozen=True)
class UPop:
    """Progressive search over all units at once, then retraining."""

    name: ClassVar[str] = "upop"

    steps: Positive = 150
    """Of the search."""
    every: Positive = 10
    """Steps from one ranking to the next."""
    retraining_steps: Positive = 250
    learning_rate: Annotated[float, Field(gt=0)] = 3e-4
    batch_size: Positive = 16
    weight_decay: Annotated[float, Field(ge=0)] = 0.05

    @property
    def retraining(self) -> Training:
        return self._training(self.retraining_steps)

    def _training(self, steps: int) -> Training:
        return Training(
            steps=steps,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            weight_decay=self.weight_decay,
        )

    def search(self, session: TrainSession, target: Target) -> Mapping[str, Tensor]:
        groups = session.unit_groups
        gates = [session.gate(group) for group in groups]
        for step, _ in enumerate(session.train(self._training(self.steps)), start=1):
            if step % self.every == 0 and step < self.steps:
                progress = pruned_share(step / self.steps)
                costs = [group.cost for group in groups]
                share = progress * target.sparsity * _total(groups, costs)
                closing = cut(groups, rank(groups, gates), costs, share)
                for gate, closes in zip(gates, closing, strict=True):
                    gate.data.copy_(torch.where(closes.to(gate.device), 1 - progress, 1.0))
        weights = [session.weights_per_unit(group) for group in groups]
        budget = target.numel - target.keep
        gone = cut(groups, rank(groups, gates), weights, budget)
        return {group.name: ~units for group, units in zip(groups, gone, strict=True)}


def pruned_share(time: float) -> float:
    """pi_t / p at time t / T in [0, 1]: 0 at the start, 1 at the end."""
    return math.sqrt((1 - math.cos(math.pi * time)) / 2)


def rank(groups: Sequence[UnitGroup], gates: Sequence[Tensor]) -> list[Unit]:
    """All units by the standardised gradient of their gate, largest first."""
    gradients = [
        torch.zeros(group.units) if gate.grad is None else gate.grad.cpu()
        for group, gate in zip(groups, gates, strict=True)
    ]
    of_kind: dict[str, list[int]] = {}
    for position, group in enumerate(groups):
        of_kind.setdefault(group.kind, []).append(position)
    scores: dict[Unit, float] = {}
    for positions in of_kind.values():
        pooled = torch.cat([gradients[position] for position in positions])
        spread = pooled.std().clamp_min(torch.finfo(pooled.dtype).tiny)
        for position in positions:
            standard = (gradients[position] - pooled.mean()) / spread
            scores |= {(position, unit): score for unit, score in enumerate(standard.tolist())}
    return sorted(scores, key=lambda unit: (-scores[unit], unit))


def cut(
    groups: Sequence[UnitGroup], ranked: Sequence[Unit], costs: Sequence[int], budget: float
) -> list[Tensor]:
    """Which units go, bool (units,) per group: from the top, as long as the budget lasts.

    A unit that would empty its group, or that costs more than is left, stays.
    """
    gone = [torch.zeros(group.units, dtype=torch.bool) for group in groups]
    left = [group.units for group in groups]
    for position, unit in ranked:
        if left[position] > 1 and costs[position] <= budget:
            gone[position][unit] = True
            left[position] -= 1
            budget -= costs[position]
    return gone


def _total(groups: Sequence[UnitGroup], costs: Sequence[int]) -> int:
    return sum(group.units * cost for group, cost in zip(groups, costs, strict=True))


UPOP = Recipe(
    name="upop",
    paper="Shi et al., ICML 2023 (arXiv:2301.13741): structured, searched and retrained.",
    local=(),
    search="upop",
)


@hookimpl
def harness_searchers() -> list[type[Searcher]]:
    return [UPop]


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [UPOP]
