"""What a part says of itself: read, defaulted, and refused where it is almost a tag."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import pytest

from harness.composition import compose
from harness.errors import PartError
from harness.plugin import AllocatorTags, EstimatorTags, LocalPruner, PrunerTags, TaskTags
from harness.plugin.manager import load_plugins
from harness.plugin.registry import Origin, Provider
from harness.spec import PrunerSpec
from harness.testing import check_budget_allocator, check_local_pruner, check_score_estimator
from harness_plugins.methods.first_order import FirstOrder
from harness_plugins.methods.magnitude import Magnitude, MagnitudeScore
from harness_plugins.methods.uniform import Uniform


class Prunes:
    name = "mine"
    statistics = frozenset({"gram"})

    def prune(self, job: Any) -> Any:
        raise NotImplementedError


def with_(**attributes: Any) -> Any:
    return type("Mine", (Prunes,), attributes)()


def test_tags_are_attributes_of_the_class_and_have_defaults() -> None:
    assert PrunerTags.of(with_(exact=False)) == PrunerTags(
        statistics=frozenset({"gram"}), exact=False
    )
    assert AllocatorTags.of(Uniform()) == AllocatorTags(granularity="block", exact=True)


def test_a_tag_may_be_an_option() -> None:
    assert EstimatorTags.of(FirstOrder(granularity="weight")).granularity == "weight"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("data_freee", "data_free"),
        ("datafree", "data_free"),
        ("Data_Free", "data_free"),
        ("changes_weight", "changes_weights"),
        ("changesWeights", "changes_weights"),
        ("updates_weights", "changes_weights"),
        ("is_exact", "exact"),
        ("statistic", "statistics"),
        ("refine", "refines"),
        ("count_padding", "counts_padding"),
        ("replay_first_call", "replays_first_call"),
    ],
)
def test_a_misspelt_tag_is_refused_with_the_one_that_was_meant(name: str, meant: str) -> None:
    message = f"^`{name}` is no tag of a local pruner; did you mean {meant}[?]$"
    with pytest.raises(PartError, match=message):
        PrunerTags.of(with_(**{name: True}))
    on_the_instance = with_()
    setattr(on_the_instance, name, True)
    with pytest.raises(PartError, match=message):
        PrunerTags.of(on_the_instance)


def test_a_misspelt_tag_that_became_an_option_is_refused() -> None:
    @dataclass
    class Mine(Prunes):
        changes_weight: bool = True

    with pytest.raises(PartError, match="did you mean changes_weights"):
        PrunerTags.of(Mine())


def test_a_tag_of_another_kind_is_refused() -> None:
    class Mine(MagnitudeScore):
        refines = True

    with pytest.raises(PartError, match="`refines` is a tag of a local pruner, not of a score"):
        EstimatorTags.of(Mine())


def test_a_class_may_be_of_two_kinds() -> None:
    class Both(Prunes):
        granularity = "layer"

        def score(self, session: Any) -> Any:
            raise NotImplementedError

    assert EstimatorTags.of(Both()).granularity == "layer"
    assert PrunerTags.of(Both()).exact


def test_everything_else_is_the_authors_own() -> None:
    @dataclass
    class Mine(Prunes):
        LIMITS: ClassVar[tuple[int, ...]] = (1, 2)
        EXACTLY = True
        _data_fre = True
        statistic: str = "mean"
        compare: str = "row"

        def statistics_of(self) -> None: ...

        @property
        def data_freed(self) -> bool:
            return True

        @cached_property
        def exact_count(self) -> int:
            return 1

        @staticmethod
        def refine() -> None: ...

    mine = Mine()
    assert mine.exact_count == 1
    assert PrunerTags.of(mine).statistics == {"gram"}


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"statistics": {"input_squared"}}, "unknown statistic 'input_squared'; did you mean inp"),
        ({"statistics": "gram"}, "`statistics` is 'gram', a str; a set is right"),
        ({"statistics": None}, "`statistics` is None, a NoneType; a set is right"),
        ({"exact": "no"}, "`exact` is 'no', a str; True or False is right"),
        ({"changes_weights": 1}, "`changes_weights` is 1, a int; True or False is right"),
        ({"prune": None}, "has no method `prune`; every local pruner has one"),
    ],
)
def test_what_a_tag_may_not_be_is_refused(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(PartError, match=f"^{message}"):
        PrunerTags.of(with_(**attributes))


def test_what_has_to_be_said_is_missed() -> None:
    class Silent:
        name = "silent"
        prune = score = Prunes.prune

    with pytest.raises(PartError, match=r"^has no `statistics`; every .* frozenset\(\) or some of"):
        PrunerTags.of(Silent())
    with pytest.raises(PartError, match="has no `granularity`; .* one of 'weight', 'layer'"):
        EstimatorTags.of(Silent())


def test_an_unknown_granularity_is_refused() -> None:
    class Mine(MagnitudeScore):
        granularity = "weights"

    with pytest.raises(PartError, match="unknown granularity 'weights'; did you mean weight"):
        EstimatorTags.of(Mine())


def test_a_misspelt_argument_of_a_task_is_refused() -> None:
    class Mine:
        arguments = "name of a file"
        exact = True  # a task's own affair

        def examples(self) -> None: ...

    with pytest.raises(PartError, match="`arguments` is no tag of a task; did you mean argument"):
        TaskTags.of(Mine)


def test_authors_checks_refuse_the_same() -> None:
    class Pruner(Magnitude):
        data_freee = True

    class Estimator(MagnitudeScore):
        change_weights = True

    class Allocator(Uniform):
        granularty = "layer"

    for check, part in (
        (check_local_pruner, Pruner),
        (check_score_estimator, Estimator),
        (check_budget_allocator, Allocator),
    ):
        with pytest.raises(AssertionError, match="is no tag of a .*; did you mean "):
            check(part())  # type: ignore[operator]


def test_a_composition_names_part_and_distribution() -> None:
    given: type[LocalPruner] = type("Mine", (Prunes,), {"exactt": True})
    origin = Origin(plugin="p", distribution="harness-mine", version="0.3")
    plugins = load_plugins()
    plugins.local_pruners.add(Provider(name="mine", given=given, origin=origin))

    with pytest.raises(
        PartError, match="^local pruner mine of harness-mine 0.3: `exactt` is no tag"
    ):
        compose(PrunerSpec(local=("mine",)), plugins)


@pytest.mark.parametrize("kind", ["score_estimators", "budget_allocators", "local_pruners"])
def test_no_bundled_part_has_a_stray_attribute(kind: str) -> None:
    tags = {
        "score_estimators": EstimatorTags,
        "budget_allocators": AllocatorTags,
        "local_pruners": PrunerTags,
    }
    for provider in getattr(load_plugins(), kind):
        tags[kind].of(provider.given)
