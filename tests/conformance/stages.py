"""The stages of a run of the harness, without its command line, cache and records."""

from collections.abc import Mapping

from harness.budget import Budget, allocate, make_target
from harness.calibration import CalibrationSet
from harness.composition import Composition
from harness.model import Model
from harness.plugin import AllocatorTags, Pattern
from harness.pruning import Fine, Pruned, prune
from harness.scoring import score


def run_stages(
    model: Model,
    calibration: CalibrationSet,
    composition: Composition,
    sparsity: float,
    *,
    pattern: Pattern | None = None,
    keep: Mapping[str, int] | None = None,
) -> tuple[Budget, Pruned]:
    """Score, allocate and prune the live model, as many rounds as the composition has.

    Args:
        keep: How many weights each layer keeps, in place of what the allocator says.
    """
    pruned, budget = Pruned(), Budget(keep or {})
    estimator, allocator = composition.estimator, composition.allocator
    assert allocator is not None
    for number in range(1, composition.rounds + 1):
        weights, table = {}, None
        if estimator is not None:
            scores = score(model, estimator, calibration, 0, lambda *_: None)
            weights = dict(scores.weights)
            table = scores.table(model.layers, AllocatorTags.of(allocator).granularity)
        if keep is None:
            p = sparsity ** (composition.rounds / number)
            target = make_target(model.layers, p, composition.cap(p), pattern)
            budget = allocate(allocator, table, model.layers, target)
        fine = Fine(
            composition=composition,
            budget=budget,
            pattern=pattern,
            scores=weights,
            seed=0,
            before=pruned.masks,
        )
        pruned = prune(model, fine, calibration, lambda *_: None)
    return budget, pruned
