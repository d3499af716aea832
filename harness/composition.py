"""From what is asked (`PrunerSpec`) to live parts: estimator, allocator and local pruners."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from harness.errors import InputError, UnknownNameError
from harness.plugin import BudgetAllocator, LocalPruner, Recipe, ScoreEstimator
from harness.plugin.manager import Plugins
from harness.plugin.registry import Provider, Registry
from harness.record import PartIdentity
from harness.spec import PrunerSpec, Setting, explain

T = TypeVar("T")
Kind = Literal["score", "budget", "local"]


@dataclass(frozen=True, kw_only=True)
class Composition:
    """A pruner ready to run."""

    label: str
    estimator: ScoreEstimator | None
    allocator: BudgetAllocator | None
    pruners: tuple[LocalPruner, ...]
    parts: tuple[PartIdentity, ...]
    headroom: float | None
    rounds: int
    p_max: float | None

    @property
    def is_dense(self) -> bool:
        return not self.pruners

    @property
    def exact(self) -> bool:
        """Whether the budget is met to the weight."""
        return all(getattr(part, "exact", True) for part in (self.allocator, *self.pruners))

    @property
    def needs_calibration(self) -> bool:
        estimates = self.estimator is not None and not is_data_free(self.estimator)
        return estimates or any(pruner.statistics for pruner in self.pruners)

    @property
    def is_seeded(self) -> bool:
        """Whether the seed can change the outcome."""
        parts = [self.estimator, *self.pruners]
        return self.needs_calibration or any(not is_data_free(p) for p in parts if p is not None)

    def cap(self, sparsity: float) -> float | None:
        """p_max at that target: the one asked for, or the target plus the recipe's headroom."""
        if self.p_max is not None or self.headroom is None:
            return self.p_max
        return min(1.0, sparsity + self.headroom)


def is_data_free(part: object) -> bool:
    """Whether a part looks at the weights alone (attribute ``data_free``, False by default)."""
    return bool(getattr(part, "data_free", False))


def changes_weights(estimator: ScoreEstimator | None) -> bool:
    """Whether an estimator leaves other weights than it found (``changes_weights``)."""
    return bool(getattr(estimator, "changes_weights", False))


def compose(spec: PrunerSpec, plugins: Plugins) -> Composition:
    """Look the parts up and give them their settings.

    Raises:
        UnknownNameError: No such recipe, part or option; near matches are listed.
        InputError: A setting of the wrong type, or a refiner without a mask to refine.
    """
    recipe = plugins.recipes.get(spec.recipe).given if spec.recipe else _empty_recipe()
    score = spec.score or recipe.score
    local = spec.local if spec.local is not None else recipe.local
    settings = {**recipe.settings, **spec.settings}
    parts: list[PartIdentity] = []
    used: set[str] = set()

    def build(kind: Kind, name: str, registry: Registry[type[T]]) -> T:
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
    if pruners and getattr(pruners[0], "refines", False):
        raise InputError(f"local={local[0]} refines a mask; chain it: local=wanda+{local[0]}")
    _refuse_unused(settings, used, [estimator, allocator, *pruners])
    return Composition(
        label=spec.label,
        estimator=estimator,
        allocator=allocator,
        pruners=pruners,
        parts=tuple(parts),
        headroom=recipe.headroom,
        rounds=recipe.rounds,
        p_max=spec.p_max,
    )


def _empty_recipe() -> Recipe:
    return Recipe(name="", paper="", local=())


def _options_of(kind: Kind, part: type, settings: Mapping[str, Setting]) -> dict[str, Setting]:
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


def identify_part(
    kind: Literal["score", "budget", "local", "task"], provider: Provider[Any], part: object
) -> PartIdentity:
    """Name, origin, source and all options of a part."""
    options = dataclasses.asdict(part) if dataclasses.is_dataclass(type(part)) else {}  # type: ignore[call-overload]
    return PartIdentity(
        kind=kind,
        name=provider.name,
        distribution=provider.origin.distribution,
        version=provider.origin.version,
        source=provider.source_digest(),
        options=options,
    )


def _refuse_unused(settings: Mapping[str, Setting], used: set[str], parts: list[Any]) -> None:
    for key in settings:
        if key not in used:
            kinds = ("score", "budget", "local", "local", "local")
            known = {
                f"{kind}.{field.name}"
                for kind, part in zip(kinds, parts, strict=False)
                if part is not None and _has_options(type(part))
                for field in dataclasses.fields(part)
            }
            raise UnknownNameError("pruner setting", key, known | {"p_max"})
