"""What a board is: columns, rows, scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.store import slug

#: Rows are ranked only within this much of the sparsity asked for.
SPARSITY_TOLERANCE = 0.005
CONTROLS = ("dense", "blind")
LABELS = {
    "mini": "miniature world: generated data, not the real benchmark",
    "full": "full data",
    "folder": "data of a local folder",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One task under one profile on one part of its data."""

    task: str
    profile: str
    part: str
    """What is read beside the task's usual data, and the subset; empty = all of the usual."""
    metric: str
    unit: str
    higher_is_better: bool
    items: int
    source: str
    """Hash of task code and data: the same words about other data are another column."""
    changes: str = ""
    """How it asks, where the spec changed the profile."""

    @property
    def name(self) -> str:
        """Task, profile and part as a spec writes them: ``vqav2/lavis @0:400 #c0ffee``."""
        return column_name(self.task, self.profile, self.part)


def column_name(task: str, profile: str, part: str) -> str:
    label = profile.rpartition(" v")[0]
    name = task if label == "default" else f"{task}/{label}"
    return f"{name} {part}" if part else name


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One row on one column, over all its seeds."""

    value: float | None
    """None = undefined for a seed or more; `absent` says why."""
    spread: float | None
    """Standard deviation over seeds, with two or more."""
    delta: float | None = None
    low: float | None = None
    high: float | None = None
    """Paired 95 % interval; over several seeds the hull of theirs."""
    p: float | None = None
    """Largest over the seeds, adjusted by Holm over the board."""
    q: float | None = None
    """The same adjusted by Benjamini and Hochberg: the rate of false discoveries at this p."""
    flips: float | None = None
    """Share of items whose correctness changed."""
    seconds: float = 0.0
    overlap: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Other metrics on the same answers."""
    breakdown: Mapping[str, float] = field(default_factory=dict)
    """Label (answer type, domain …) -> score on its items."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Metric, ``interval``, ``delta`` or ``interval of delta`` -> why it is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One pruner at one sparsity."""

    name: str
    sparsity: float
    achieved: float | None
    """Zeros counted over its weights; None = no seed of it could be pruned."""
    masked: float | None
    """Share of its weights that masks took out; None = dense, or its record is gone."""
    seeds: tuple[int, ...]
    scores: Mapping[Column, Score]
    failures: Mapping[str, str]
    """Name of a column that no seed's later run filled -> reason; "" = pruning itself."""
    origin: str
    """Distributions and versions of its parts."""
    retained: float | None
    """Mean share of the dense score, over the columns that all rows of its sparsity have."""
    prune_seconds: float | None
    peak_bytes: int | None
    remarks: tuple[str, ...] = ()
    """What a reader has to know of how it was pruned."""
    windows: tuple[int, ...] = ()
    """Tokens per window of its calibration sets, where they are running text."""

    @property
    def is_control(self) -> bool:
        return self.name in CONTROLS

    @property
    def sparsity_text(self) -> str:
        """The zeros, and what the masks took out where that differs; ✗ = nothing was pruned."""
        if self.achieved is None:
            return "✗"
        zeros = f"{self.achieved:.3f}"
        return f"{zeros} ({self.masked:.3f} masked)" if self.has_other_zeros else zeros

    @property
    def has_other_zeros(self) -> bool:
        """Whether more weights are zero than its masks took out: most were zero before."""
        zeros, masked = self.achieved, self.masked
        return zeros is not None and masked is not None and zeros - masked > SPARSITY_TOLERANCE

    @property
    def meets_sparsity(self) -> bool:
        """Whether it took out what was asked; zeros that were there before do not count here."""
        taken = self.achieved if self.masked is None else self.masked
        return taken is not None and abs(taken - self.sparsity) <= SPARSITY_TOLERANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Rows that may be compared."""

    model: str
    digest: str
    edition: str
    is_partial: bool
    is_retrained: bool
    """Whether its pruned models were trained after or while they were pruned."""
    held: str
    """Device, dtype, attention and batch size, always in full: a place follows from the records
    alone, whatever today's defaults are."""
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def name(self) -> str:
        """File name without suffix."""
        partial = "-partial" if self.is_partial else ""
        trained = "-retrained" if self.is_retrained else ""
        place = f"{self.model}-{self.digest[:6]}-{self.edition}-{self.held}"
        return slug(f"{place}{partial}{trained}")

    @property
    def title(self) -> str:
        partial = ", parts of the splits: not comparable with whole ones" if self.is_partial else ""
        trained = ", pruned and retrained" if self.is_retrained else ""
        return f"{self.model}{trained} on {LABELS.get(self.edition, self.edition)}{partial}"

    def head(self, column: Column) -> str:
        """What stands above a column's scores; the metric too, where a class serves many tasks."""
        metric = f" {column.metric}" if ":" in column.task else ""
        return f"{self.name_of(column)}{metric} {'↑' if column.higher_is_better else '↓'}"

    def description(self, column: Column) -> str:
        unit = f" ({column.unit})" if column.unit else ""
        return (
            f"{self.name_of(column)}: {column.metric}{unit}, "
            f"profile {column.profile}, {column.items} items{column.changes}"
        )

    def name_of(self, column: Column) -> str:
        """The column's name; with its source where other code or data gave another column."""
        twins = sum(column.name == other.name for other in self.columns)
        return column.name if twins == 1 else f"{column.name} {column.source}"
