"""From what is asked (`PrunerSpec`) to live parts: estimator, allocator and local pruners."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from harness.asked import AskedKind, PartIdentity
from harness.contract import blamed
from harness.errors import InputError, UnknownNameError
from harness.identity import identify_part
from harness.plugin import (
    AllocatorTags,
    BudgetAllocator,
    EstimatorTags,
    LocalPruner,
    PrunerTags,
    Recipe,
    ScoreEstimator,
    Searcher,
    SearcherTags,
    Statistic,
)
from harness.plugin.manager import Plugins
from harness.plugin.registry import Provider, Registry
from harness.plugin.tags import Tags
from harness.spec import PrunerSpec, Setting
from harness.wording import explain, field_names

T = TypeVar("T")
#: In place of a default.
NEEDED = "…"
#: How each kind says what it is like.
TAGS: Mapping[str, type[Tags]] = {
    "score": EstimatorTags,
    "budget": AllocatorTags,
    "local": PrunerTags,
    "search": SearcherTags,
}


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
        allocates = self.allocator is None or AllocatorTags.of(self.allocator).exact
        return self.searcher is None and allocates and all(tags.exact for tags in self.local_tags)

    @property
    def estimator_tags(self) -> EstimatorTags | None:
        return EstimatorTags.of(self.estimator) if self.estimator else None

    @property
    def local_tags(self) -> list[PrunerTags]:
        """Of each pruner of the chain."""
        return [PrunerTags.of(pruner) for pruner in self.pruners]

    @property
    def statistics(self) -> frozenset[Statistic]:
        """What any pruner of the chain reads."""
        return frozenset().union(*(tags.statistics for tags in self.local_tags))

    @property
    def needs_calibration(self) -> bool:
        estimator = self.estimator_tags
        return bool(self.statistics) or (estimator is not None and not estimator.data_free)

    @property
    def is_seeded(self) -> bool:
        """Whether the seed can change the outcome."""
        searcher = SearcherTags.of(self.searcher) if self.searcher else None
        parts = [self.estimator_tags, *self.local_tags, searcher]
        return self.needs_calibration or any(not tags.data_free for tags in parts if tags)

    @property
    def changes_weights(self) -> bool:
        """Whether weights that stay get other values, as far as the parts say."""
        parts = (self.estimator_tags, *self.local_tags)
        return self.searcher is not None or any(tags.changes_weights for tags in parts if tags)

    def title(self, kind: AskedKind, name: str) -> str:
        """What a part is called in errors about it: its kind, name, distribution and version."""
        found = (i for i in self.parts if (i.kind, i.name) == (kind, name))
        return next(map(title_of, found), f"{TAGS[kind].KIND} {name}")

    def cap(self, sparsity: float) -> float | None:
        """p_max at that target: the one asked for, or the target plus the recipe's headroom."""
        if self.p_max is not None or self.headroom is None:
            return self.p_max
        return min(1.0, sparsity + self.headroom)


def title_of(part: PartIdentity) -> str:
    """``local pruner snr of harness-snr 0.1``."""
    kind = TAGS[part.kind].KIND if part.kind in TAGS else part.kind
    return f"{kind} {part.name} of {part.distribution} {part.version}"


def compose(spec: PrunerSpec, plugins: Plugins, family: str | None = None) -> Composition:
    """Look the parts up and give them their settings.

    Args:
        family: The model's, for recipes with settings of their own for it.

    Raises:
        UnknownNameError: No such recipe, part or option; near matches are listed.
        InputError: A setting of the wrong type, or a refiner without a mask to refine.
        PartError: What a part says of itself cannot be.
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
        with blamed(title_of(parts[-1])):
            TAGS[kind].of(part)
        return part

    estimator = build("score", score, plugins.score_estimators) if score and local else None
    budget = spec.budget or recipe.budget
    allocator = build("budget", budget, plugins.budget_allocators) if local else None
    pruners = tuple(build("local", name, plugins.local_pruners) for name in local)
    searcher = build("search", search, plugins.searchers) if search else None
    if pruners and PrunerTags.of(pruners[0]).refines:
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
    asked = {name: f"{kind}.{name}" for name in field_names(part)}
    return {name: settings[key] for name, key in asked.items() if key in settings}


def _has_options(part: type) -> bool:
    return dataclasses.is_dataclass(part)


def instantiate(
    provider: Provider[type[T]], options: Mapping[str, Setting], beside: Sequence[str] = ()
) -> T:
    """Make a part; dataclass fields are its options and are checked against their types.

    Args:
        beside: What else may stand among the options where they are written, for near matches.

    Raises:
        UnknownNameError: It has no such option.
        InputError: An option is missing or of the wrong type.
    """
    known = field_names(provider.given)
    for name in options:
        if name not in known:
            raise UnknownNameError(f"option of {provider.name}", name, [*known, *beside])
    if not _has_options(provider.given):
        return provider.given()
    try:
        return TypeAdapter(provider.given).validate_python(dict(options))
    except ValidationError as error:
        raise InputError(f"{provider.name}: {explain(error, provider.given)}") from None


def options_of(part: type) -> dict[str, Setting | None]:
    """A part's options with their defaults; `NEEDED` for those that have to be given."""
    if not dataclasses.is_dataclass(part):
        return {}
    fields = [field for field in dataclasses.fields(part) if field.init]
    return {
        field.name: NEEDED if field.default is dataclasses.MISSING else field.default
        for field in fields
    }


def _refuse_unused(settings: Mapping[str, Setting], used: set[str], parts: list[Any]) -> None:
    for key in settings:
        if key not in used:
            kinds = ["score", "budget", "search", *["local"] * (len(parts) - 3)]
            known = {
                f"{kind}.{name}"
                for kind, part in zip(kinds, parts, strict=True)
                for name in field_names(type(part))
            }
            raise UnknownNameError("pruner setting", key, known | {"p_max"})
