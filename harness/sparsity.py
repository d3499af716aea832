"""Counts of weights as records keep them: what masks took out, and what is zero."""

from __future__ import annotations

from typing import Any

from pydantic import SerializerFunctionWrapHandler, model_serializer

from harness.entry import Entry


class GroupSparsity(Entry):
    """Counts over a stated set of prunable weights."""

    name: str
    numel: int
    keep: int
    """Weights that the masks keep, zero or not."""
    zeros: int | None = None
    """Weights that are zero, whatever made them so; None in a record from before they were
    counted."""

    @model_serializer(mode="wrap")
    def _as_it_was_read(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A record without zeros is written without them: digests of old records still hold."""
        return {k: value for k, value in write(self).items() if (k, value) != ("zeros", None)}

    @property
    def nonzero(self) -> int:
        """Weights that are not zero, or at least not masked where zeros were not counted."""
        return self.keep if self.zeros is None else self.numel - self.zeros

    @property
    def sparsity(self) -> float:
        """Share of the weights that are zero."""
        return 1 - self.nonzero / self.numel

    @property
    def masked(self) -> float:
        """Share of the weights that the masks take out."""
        return 1 - self.keep / self.numel


class SparsityReport(Entry):
    """Zeros counted in the live weights, per layer, block, tower and model."""

    model: GroupSparsity
    towers: tuple[GroupSparsity, ...]
    blocks: tuple[GroupSparsity, ...]
    layers: tuple[GroupSparsity, ...]
    zeros_of_dense: int
    """Weights that are zero and that no mask took out: most were zero before pruning."""

    @property
    def by_masks(self) -> SparsityReport:
        """What the masks alone say: zeros are left out."""

        def without(groups: tuple[GroupSparsity, ...]) -> tuple[GroupSparsity, ...]:
            return tuple(group.model_copy(update={"zeros": None}) for group in groups)

        return SparsityReport(
            model=without((self.model,))[0],
            towers=without(self.towers),
            blocks=without(self.blocks),
            layers=without(self.layers),
            zeros_of_dense=0,
        )
