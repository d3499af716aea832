"""What a part gives is held to what it says of itself and to what it was asked.

The machine and `harness.testing` check by the same functions. They say what was seen and what would
be right; `blamed` says whose it was.
"""

from harness.contract.allocators import check_budget
from harness.contract.estimators import check_scores, own_granularity
from harness.contract.loading import check_drawn, check_edition, check_loaded, check_pool
from harness.contract.pruners import check_pattern, prune_layer
from harness.contract.searchers import check_units
from harness.contract.seen import blamed, kind_of
from harness.contract.tasks import check_outputs, check_verdict

__all__ = [
    "blamed",
    "check_budget",
    "check_drawn",
    "check_edition",
    "check_loaded",
    "check_outputs",
    "check_pattern",
    "check_pool",
    "check_scores",
    "check_units",
    "check_verdict",
    "kind_of",
    "own_granularity",
    "prune_layer",
]
