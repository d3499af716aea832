"""From what is asked (`PrunerSpec`) to live parts: estimator, allocator and local pruners."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from harness.errors import InputError, UnknownNameError
from harness.identity import identify_part
from harness.plugin import (
    BudgetAllocator,
    LocalPruner,
    Recipe,
    ScoreEstimator,
    Searcher,
)
from harness.plugin.manager import Plugins
from harness.plugin.registry import Provider, Registry
from harness.record import AskedKind, PartIdentity
from harness.spec import PrunerSpec, Setting, explain

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Composition:
    """A pruner ready to run."""

    label: str
    estimator: ScoreEstimator | None
    allocator: BudgetAllocator | None
    pruners: tuple[LocalPruner, ...]
    searcher: Searcher | None
    parts: tuple[PartIdentity, ...]
    headroom: float | None
    rounds: int
    p_max: float | None

    @property
    def is_dense(self) -> bool:
        return not self.pruners and self.searcher is None

    @property
    def exact(self) -> bool:
        """Whether the budget is met to the weight."""
        parts = (self.allocator, *self.pruners)
        return self.searcher is None and all(getattr(part, "exact", True) for part in parts)

    @property
    def needs_calibration(self) -> bool:
        estimates = self.estimator is not None and not is_data_free(self.estimator)
        return estimates or any(pruner.statistics for pruner in self.pruners)

    @property
    def is_seeded(self) -> bool:
        """Whether the seed can change the outcome."""
        parts = [self.estimator, *self.pruners, self.searcher]
        return self.needs_calibration or any(not is_data_free(p) for p in parts if p is not None)

    @property
    def changes_weights(self) -> bool:
        """Whether weights that stay get other values, as far as the parts say."""
        parts = (self.estimator, *self.pruners)
        return self.searcher is not None or any(map(changes_weights, parts))

    def cap(self, sparsity: float) -> float | None:
        """p_max at that target: the one asked for, or the target plus the recipe's headroom."""
        if self.p_max is not None or self.headroom is None:
            return self.p_max
        return min(1.0, sparsity + self.headroom)


def is_data_free(part: object) -> bool:
    """Whether a part looks at the weights alone (attribute ``data_free``, False by default)."""
    return bool(getattr(part, "data_free", False))


def changes_weights(part: object) -> bool:
    """Whether a part gives weights that stay other values (``changes_weights``)."""
    return bool(getattr(part, "changes_weights", False))


def compose(spec: PrunerSpec, plugins: Plugins, family: str | None = None) -> Composition:
    """Look the parts up and give them their settings.

    Args:
        family: The model's, for recipes with settings of their own for it.

    Raises:
        UnknownNameError: No such recipe, part or option; near matches are listed.
        InputError: A setting of the wrong type, or a refiner without a mask to refine.
    """
    recipe = plugins.recipes.get(spec.recipe).given if spec.recipe else _empty_recipe()
    score = spec.score or recipe.score
    local = () if spec.search else recipe.local if spec.local is None else spec.local
    search = spec.search or (None if spec.local else recipe.search)
    settings = {**_settings_of(recipe, spec, family), **spec.settings}
    parts: list[PartIdentity] = []
    used: set[str] = set()

    def build(kind: AskedKind, name: str, registry: Registry[type[T]]) -> T:
        provider = registry.get(name)
        options = _options_of(kind, provider.given, settings)
        used.update(f"{kind}.{option}" for option in options)
        part = instantiate(provider, options)
        parts.append(identify_part(kind, provider, part))
        return part

    estimator = build("score", score, plugins.score_estimators) if score and local else None
    budget = spec.budget or recipe.budget
    allocator = build("budget", budget, plugins.budget_allocators) if local else None
    pruners = tuple(build("local", name, plugins.local_pruners) for name in local)
    searcher = build("search", search, plugins.searchers) if search else None
    if pruners and getattr(pruners[0], "refines", False):
        raise InputError(f"local={local[0]} refines a mask; chain it: local=wanda+{local[0]}")
    _refuse_unused(settings, used, [estimator, allocator, searcher, *pruners])
    return Composition(
        label=spec.label,
        estimator=estimator,
        allocator=allocator,
        pruners=pruners,
        searcher=searcher,
        parts=tuple(parts),
        headroom=recipe.headroom,
        rounds=recipe.rounds,
        p_max=spec.p_max,
    )


def _empty_recipe() -> Recipe:
    return Recipe(name="", paper="", local=())


def _settings_of(recipe: Recipe, spec: PrunerSpec, family: str | None) -> dict[str, Setting]:
    """A recipe's settings, but for those of parts that others were asked for in place of."""
    settings = {**recipe.settings, **recipe.family_settings.get(family or "", {})}
    replaced = {kind for kind in ("score", "budget", "local", "search") if getattr(spec, kind)}
    return {k: value for k, value in settings.items() if k.partition(".")[0] not in replaced}


def _options_of(kind: AskedKind, part: type, settings: Mapping[str, Setting]) -> dict[str, Setting]:
    names = {field.name for field in dataclasses.fields(part)} if _has_options(part) else set()
    return {name: settings[f"{kind}.{name}"] for name in names if f"{kind}.{name}" in settings}


def _has_options(part: type) -> bool:
    return dataclasses.is_dataclass(part)


def instantiate(provider: Provider[type[T]], options: Mapping[str, Setting]) -> T:
    """Make a part; dataclass fields are its options and are checked against their types."""
    if not _has_options(provider.given):
        return provider.given()
    try:
        return TypeAdapter(provider.given).validate_python(dict(options))
    except ValidationError as error:
        raise InputError(f"{provider.name}: {explain(error)}") from None


def _refuse_unused(settings: Mapping[str, Setting], used: set[str], parts: list[Any]) -> None:
    for key in settings:
        if key not in used:
            kinds = ["score", "budget", "search", *["local"] * (len(parts) - 3)]
            known = {
                f"{kind}.{field.name}"
                for kind, part in zip(kinds, parts, strict=True)
                if part is not None and _has_options(type(part))
                for field in dataclasses.fields(part)
            }
            raise UnknownNameError("pruner setting", key, known | {"p_max"})
