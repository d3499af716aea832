"""What event hooks are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Stage = Literal[
    "load",
    "calibrate",
    "score",
    "allocate",
    "prune",
    "search",
    "train",
    "verify",
    "save",
    "evaluate",
    "metrics",
    "file",
    "rank",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """One call of ``harness run``, ``prune`` or ``eval``."""

    model: str
    rows: int
    """Rows of the grid: the controls, and every pruner at every sparsity with every seed."""
    results: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CellInfo:
    """One cell of a run: to prune a model, or to evaluate one on a task."""

    label: str
    """E.g. ``prune ecoflap 0.5 seed 0`` or ``ecoflap 0.5 seed 0 on vqav2``."""
    kind: str
    """``prune``, or the task's name: cells of one kind take about equally long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageInfo:
    """One stage of one cell."""

    stage: Stage
    label: str
    """E.g. ``ecoflap 0.5 seed 0`` or ``vqav2``."""
    detail: str = ""
    """A line for people, e.g. the table of the budget."""
