"""All hooks of the harness on one screen.

Providers return classes or values and change nothing; they are called once, when the registry
is built. Events tell what happens; what they return is ignored. Inner loops never come here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from harness.plugin.backends import Backend
    from harness.plugin.events import CellInfo, RunInfo, StageInfo
    from harness.plugin.protocols import (
        BudgetAllocator,
        BundledModel,
        CalibrationSource,
        Edition,
        LocalPruner,
        ModelFamily,
        ScoreEstimator,
        Searcher,
        Task,
    )
    from harness.plugin.values import Recipe

hookspec = pluggy.HookspecMarker("harness")
hookimpl = pluggy.HookimplMarker("harness")


@hookspec
def harness_score_estimators() -> Sequence[type[ScoreEstimator]]:
    """Classes that say how much each weight, layer or block matters."""
    return ()


@hookspec
def harness_budget_allocators() -> Sequence[type[BudgetAllocator]]:
    """Classes that turn scores and a target into keep counts."""
    return ()


@hookspec
def harness_local_pruners() -> Sequence[type[LocalPruner]]:
    """Classes that prune one layer to its budget."""
    return ()


@hookspec
def harness_searchers() -> Sequence[type[Searcher]]:
    """Classes that own a training loop and return a structure."""
    return ()


@hookspec
def harness_recipes() -> Sequence[Recipe]:
    """Named compositions of the three, selected by ``--pruner NAME``."""
    return ()


@hookspec
def harness_model_families() -> Sequence[type[ModelFamily]]:
    """Classes that load one kind of model."""
    return ()


@hookspec
def harness_models() -> Sequence[type[BundledModel]]:
    """Models that come with the plugin, selected by ``--model NAME``."""
    return ()


@hookspec
def harness_tasks() -> Sequence[type[Task]]:
    """Benchmarks, selected by ``--tasks NAME``."""
    return ()


@hookspec
def harness_editions() -> Sequence[type[Edition]]:
    """Sources of task folders, selected by ``--data NAME``."""
    return ()


@hookspec
def harness_calibration_sources() -> Sequence[type[CalibrationSource]]:
    """Sources of calibration samples, selected by ``--calibration NAME``."""
    return ()


@hookspec
def harness_backends() -> Sequence[type[Backend]]:
    """Other implementations of models that families load."""
    return ()


@hookspec
def harness_run_started(info: RunInfo) -> None:
    """A run begins; nothing is loaded yet."""


@hookspec
def harness_run_finished(info: RunInfo) -> None:
    """A run ends, and everything it made is filed."""


@hookspec
def harness_cells_planned(cells: Sequence[CellInfo]) -> None:
    """What is missing is known; it will run in this order."""


@hookspec
def harness_cell_started(number: int, cell: CellInfo) -> None:
    """The cell of that number, from 1, begins; one that cannot be done any more is left out."""


@hookspec
def harness_stage_started(info: StageInfo) -> None:
    """A stage (load, calibrate, score, allocate, prune, verify, evaluate, metrics …) begins."""


@hookspec
def harness_stage_finished(info: StageInfo) -> None:
    """A stage ends well; after ``file`` its record is on disk."""


@hookspec
def harness_progress(stage: str, done: int, total: int, label: str) -> None:
    """`done` of `total` steps of the running stage are over; `label` says what is next."""
