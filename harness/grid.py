"""The cells of a run: the dense controls and every pruner at every sparsity with every seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.budget import make_target
from harness.composition import Composition, compose
from harness.errors import InputError
from harness.model import Model
from harness.plugin import Pattern, Target
from harness.plugin.manager import Plugins
from harness.spec import PrunerSpec, RunSpec

DENSE = PrunerSpec(recipe="dense")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One row of the board to be: dense, dense shown wrong images (blind), or pruned."""

    row: str
    pruner: PrunerSpec
    composition: Composition
    sparsity: float
    seed: int | None
    """None where the seed cannot change anything."""
    pattern: Pattern | None = None
    is_blind: bool = False

    @property
    def is_pruned(self) -> bool:
        return not self.composition.is_dense

    @property
    def p_max(self) -> float | None:
        return self.composition.cap(self.sparsity)

    @property
    def label(self) -> str:
        if not self.is_pruned:
            return self.row
        seed = "" if self.seed is None else f" seed {self.seed}"
        return f"{self.row} {self.sparsity:g}{seed}"

    def target(self, model: Model) -> Target:
        return make_target(model.layers, self.sparsity, self.p_max, self.pattern)


def make_variants(spec: RunSpec, plugins: Plugins) -> list[Variant]:
    """All variants in the order they run: dense, blind, then the grid; none of them twice.

    Raises:
        InputError: An unknown recipe, part or option, or a part that cannot do what is asked.
    """
    dense = compose(DENSE, plugins)
    variants = [
        Variant(row="dense", pruner=DENSE, composition=dense, sparsity=0, seed=None),
        Variant(row="blind", pruner=DENSE, composition=dense, sparsity=0, seed=None, is_blind=True),
    ]
    seen = set()
    for variant in _grid(spec, plugins):
        key = (variant.row, variant.sparsity, variant.seed)
        if variant.is_pruned and key not in seen:
            seen.add(key)
            variants.append(variant)
    return variants


def _grid(spec: RunSpec, plugins: Plugins) -> Iterator[Variant]:
    pattern = Pattern(spec.pattern.keep, spec.pattern.of) if spec.pattern else None
    for pruner in spec.pruners:
        composition = compose(pruner, plugins)
        suffix = f" {pattern}" if pattern and not composition.is_dense else ""
        for sparsity in spec.sparsities:
            cap = composition.cap(sparsity)
            if cap is not None and cap < sparsity:
                raise InputError(
                    f"pruner {composition.label}: p_max {cap:g} is below sparsity {sparsity:g}; "
                    f"no budget can meet both"
                )
            for seed in spec.seeds:
                yield Variant(
                    row=composition.label + suffix,
                    pruner=pruner,
                    composition=composition,
                    sparsity=sparsity,
                    seed=seed if composition.is_seeded else None,
                    pattern=pattern,
                )
