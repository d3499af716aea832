"""The cells of a run: the dense controls and every pruner at every sparsity with every seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.budget import make_target
from harness.composition import Composition, compose
from harness.errors import InputError
from harness.model import Model
from harness.plugin import Pattern, Target, Training
from harness.plugin.manager import Plugins
from harness.record import PruneRecord
from harness.spec import FinetuneSpec, PrunerSpec, RunSpec

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
    finetune: Training | None = None
    saved: PruneRecord | None = None
    """Of a model that was loaded pruned."""

    @property
    def is_pruned(self) -> bool:
        return not self.composition.is_dense

    @property
    def p_max(self) -> float | None:
        return self.composition.cap(self.sparsity)

    @property
    def label(self) -> str:
        if not self.is_pruned and self.saved is None:
            return self.row
        seed = "" if self.seed is None else f" seed {self.seed}"
        return f"{self.row} {self.sparsity:g}{seed}"

    @property
    def needs_training(self) -> bool:
        return self.finetune is not None or self.composition.searcher is not None

    @property
    def reads_scores(self) -> bool:
        """Whether scores can matter: a pattern leaves budgets nothing to decide by them."""
        tags = self.composition.estimator_tags
        return tags is not None and (
            self.pattern is None or tags.granularity == "weight" or tags.changes_weights
        )

    @property
    def changes_weights(self) -> bool:
        """Whether weights that stay get other values."""
        return self.finetune is not None or self.composition.changes_weights

    def target(self, model: Model, number: int | None = None) -> Target:
        """The target of a round, from 1; of the last one unless said otherwise."""
        rounds = self.composition.rounds
        sparsity = self.sparsity ** (rounds / (number or rounds))
        return make_target(model.layers, sparsity, self.p_max, self.pattern)


def make_variants(
    spec: RunSpec,
    plugins: Plugins,
    saved: PruneRecord | None = None,
    family: str | None = None,
) -> list[Variant]:
    """All variants in the order they run: dense, blind, then the grid; none of them twice.

    Args:
        saved: Record of the model, if it was saved pruned. As long as nothing else is asked of
            it, it is evaluated as what it is.
        family: The model's; None before it is loaded, when only mistakes are to be found.

    Raises:
        InputError: An unknown recipe, part or option, or a part that cannot do what is asked.
    """
    dense = compose(DENSE, plugins)
    grid = [variant for variant in _grid(spec, plugins, family) if variant.is_pruned]
    if saved is not None and not grid:
        return [
            Variant(
                row=saved.pruner,
                pruner=DENSE,
                composition=dense,
                sparsity=saved.asked.sparsity,
                seed=saved.asked.seed,
                saved=saved,
            )
        ]
    variants = [
        Variant(row="dense", pruner=DENSE, composition=dense, sparsity=0, seed=None),
        Variant(row="blind", pruner=DENSE, composition=dense, sparsity=0, seed=None, is_blind=True),
    ]
    seen = set()
    for variant in grid:
        key = (variant.row, variant.sparsity, variant.seed)
        if key not in seen:
            seen.add(key)
            variants.append(variant)
    return variants


def _grid(spec: RunSpec, plugins: Plugins, family: str | None) -> Iterator[Variant]:
    pattern = Pattern(spec.pattern.keep, spec.pattern.of) if spec.pattern else None
    finetune = _training(spec.finetune) if spec.finetune else None
    for pruner in spec.pruners:
        composition = compose(pruner, plugins, family)
        words = [composition.label, *([str(pattern)] if pattern else [])]
        row = " ".join(words) + (f" + {spec.finetune.label}" if spec.finetune else "")
        if pattern and composition.searcher:
            raise InputError(f"pruner {composition.label} prunes structure, not by --pattern")
        for sparsity in spec.sparsities:
            cap = composition.cap(sparsity)
            if cap is not None and cap < sparsity:
                raise InputError(
                    f"pruner {composition.label}: p_max {cap:g} is below sparsity {sparsity:g}; "
                    f"no budget can meet both"
                )
            for seed in spec.seeds:
                yield Variant(
                    row=row,
                    pruner=pruner,
                    composition=composition,
                    sparsity=sparsity,
                    seed=seed if composition.is_seeded or finetune else None,
                    pattern=pattern,
                    finetune=finetune,
                )


def _training(spec: FinetuneSpec) -> Training:
    return Training(
        steps=spec.steps,
        learning_rate=spec.lr,
        batch_size=spec.batch_size,
        weight_decay=spec.weight_decay,
    )
