"""DSnoT's candidates in lists that are made once, before the first exchange.

zyxxmu/DSnoT, lib/prune.py, prune_DSnoT. Every row has two lists, and a cycle takes the next entry
of each: for a positive error what grows from the end and what is pruned from the start, for a
negative one the other way round. So

- once the weights of the wanted sign are used up, the lists go on into those of the other sign,
  and growing into weights that are kept: a row's error rises, or its count changes;
- a row that is done still moves along and undoes what it comes by: the entry to grow is pruned and
  the entry to prune is kept, which matters where it meets what it exchanged from the other end;
- kept weights that add nothing stand in their list as the one of the lowest Wanda score;
- a variance of zero divides by zero.

With n:m what goes is the lowest Wanda score in the group of what grows, whatever its sign, and a
row stops before its error would turn, without a switch. Where a list is at its end the released
code ends with an index error, and where a group is used up it breaks n:m; here the layer then ends
with the cycle before (note ``ran_out``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from harness.plugin import LayerJob, LayerResult, LocalPruner, hookimpl
from harness_plugins.methods.dsnot import DSnoT, expected_parts

#: (column that grows (rows, 1), error (rows, 1)) -> column to prune (rows, 1), None = none is left.
Choose = Callable[[Tensor, Tensor], Tensor | None]


class Exchanged(NamedTuple):
    """What the exchanges made of a layer."""

    keep: Tensor
    """bool (out, in)."""
    before: Tensor
    """Expected error of each row (out,)."""
    after: Tensor
    """The same (out,), as it was summed up on the way."""
    swaps: int
    cycles: int
    ran_out: bool


@dataclass(frozen=True)
class DSnoTListsOfficial(DSnoT):
    """DSnoT with this quirk alone."""

    name: ClassVar[str] = "dsnot-lists-official"
    exact: ClassVar[bool] = False

    def prune(self, job: LayerJob) -> LayerResult:
        made = self.exchange(job)
        notes = {
            "swaps": float(made.swaps),
            "cycles": float(made.cycles),
            "ran_out": float(made.ran_out),
            "expected_error_before": float(made.before.abs().sum()),
            "expected_error": float(made.after.abs().sum()),
        }
        return LayerResult(keep=made.keep, notes=notes)

    def exchange(self, job: LayerJob) -> Exchanged:
        """Run the cycles on all rows that have something to grow and something to prune."""
        assert job.keep is not None
        rows = job.keep.any(dim=1) & ~job.keep.all(dim=1)
        kept, parts = job.keep.clone(), expected_parts(job)
        before = parts.masked_fill(kept, 0).sum(dim=1)
        after, keep, parts = before.clone(), kept[rows], parts[rows]
        wanda = (job.weight.abs() * job.stats.input_sq.sqrt())[rows]
        gain = parts.masked_fill(keep, 0)
        if self.power:
            gain = gain / self.variance(job) ** self.power
        columns = torch.full((len(keep),), keep.shape[1], device=keep.device)
        growing = _Lists(gain.argsort(dim=1, stable=True), columns)
        if job.pattern is None:
            choose = _by_sign(parts, wanda, keep)
        else:
            choose = _in_group(wanda, keep, job.pattern.of)
        stops_at_turn = self.same_sign or job.pattern is not None

        error = before[rows].unsqueeze(1)
        first, active = error.sign(), torch.ones_like(error, dtype=torch.bool)
        cycles, swaps, ran_out = 0, 0, False
        while bool(active.any()) and cycles < self.cycles:
            grown = growing.take(error > 0)
            pruned = None if grown is None else choose(grown, error)
            if grown is None or pruned is None:
                ran_out = True
                break
            turned = error + parts.gather(1, pruned) - parts.gather(1, grown)
            active &= error.abs() > self.threshold
            if stops_at_turn:
                active &= turned.sign() == first
            keep.scatter_(1, pruned, ~active)
            keep.scatter_(1, grown, active)
            error = torch.where(active, turned, error)
            cycles, swaps = cycles + 1, swaps + int(active.sum())
        kept[rows], after[rows] = keep, error.squeeze(1)
        return Exchanged(kept, before, after, swaps, cycles, ran_out)


class _Lists:
    """A list of columns for every row, taken from its start or from its end."""

    def __init__(self, columns: Tensor, length: Tensor) -> None:
        self._columns = columns
        self._length = length.unsqueeze(1)
        self._next = torch.cat([torch.zeros_like(self._length), self._length - 1], dim=1)

    def take(self, from_end: Tensor) -> Tensor | None:
        """The next column of every row (rows, 1), or None where some row has none left."""
        end = from_end.long()
        place = self._next.gather(1, end)
        if bool(((place < 0) | (place >= self._length)).any()):
            return None
        self._next.scatter_add_(1, end, 1 - 2 * end)
        return self._columns.gather(1, place)


def _by_sign(parts: Tensor, wanda: Tensor, keep: Tensor) -> Choose:
    """Kept weights by Wanda's score: the lowest negative part first, the lowest positive last."""
    order = wanda.masked_fill(~keep, torch.inf).argsort(dim=1, stable=True)
    kept, part = keep.gather(1, order), parts.gather(1, order)
    columns = keep.shape[1]
    rank = torch.arange(columns, device=keep.device).expand_as(order)
    place = torch.where(part < 0, rank, columns)
    place = torch.where(part > 0, 3 * columns - rank, place)
    place = place.masked_fill(~kept, 4 * columns)
    order = torch.where(kept & (part == 0), order[:, :1], order)
    lists = _Lists(order.gather(1, place.argsort(dim=1, stable=True)), keep.sum(dim=1))
    return lambda _, error: lists.take(error < 0)


def _in_group(wanda: Tensor, keep: Tensor, width: int) -> Choose:
    """The lowest score in the group of what grows, once; what has grown is not among them."""
    lowest = wanda.masked_fill(~keep, torch.inf)
    within = torch.arange(width, device=keep.device)

    def choose(grown: Tensor, _: Tensor) -> Tensor | None:
        group = grown - grown % width + within
        least = lowest.gather(1, group).min(dim=1, keepdim=True)
        if bool(least.values.isinf().any()):
            return None
        pruned = group.gather(1, least.indices)
        lowest.scatter_(1, pruned, torch.inf)
        return pruned

    return choose


@hookimpl
def harness_local_pruners() -> list[type[LocalPruner]]:
    return [DSnoTListsOfficial]
