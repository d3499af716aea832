"""What happened: the two kinds of records that a run files, and the failure of a cell.

``asked`` is a cell's identity: its digest is the cell's key, and two records of one key are equal
everywhere but in ``circumstances``, which holds all that may differ between two runs of the same
spec (timings, memory, host, command line, paths, versions).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import model_validator

from harness.asked import EvalAsked, PruneAsked, key_of
from harness.entry import Entry, Grown
from harness.sparsity import SparsityReport

SCHEMA_VERSION = 1


class PruneGot(Grown):
    later: ClassVar[str] = "is_permuted"

    target_keep: int
    sparsity: SparsityReport
    budget: Mapping[str, int]
    masks: str
    """Digest of all masks, and of the orders of inputs in which they are n:m."""
    weights: str
    """Digest of the pruned model's weights."""
    calibrated_on: tuple[str, ...] = ()
    """Hashes of the images or tokens of the calibration set, 16 digits each."""
    window: int | None = None
    """Tokens per window of the calibration set; None = it holds no running text."""
    trained_on: tuple[str, ...] = ()
    """The same of what the train stream gave."""
    units: Mapping[str, int] = {}
    """Unit group -> units that stay, where structure was pruned."""
    is_shrunk: bool = False
    """Whether the model is evaluated and saved without its removed units."""
    is_permuted: bool = False
    """Whether n:m holds over inputs in another order than the model's."""
    notes: Mapping[str, Mapping[str, float]] = {}
    """Layer -> what its pruner noted."""


class Commit(Entry):
    """State of the working copy that the harness ran from; results do not make it dirty."""

    hash: str
    dirty: bool


class Circumstances(Entry):
    """All that may differ between two runs of the same spec."""

    seconds: Mapping[str, float] = {}
    """Stage -> wall time."""
    peak_memory_bytes: int | None = None
    """Of the device where there is one, else of the process; None = not measurable here."""
    batch_sizes: Mapping[int, int] = {}
    """Batch size -> outputs made at it; more than one after a run that was resumed at another."""
    finished: str = ""
    host: str = ""
    hardware: str = ""
    threads: int = 0
    versions: Mapping[str, str] = {}
    argv: tuple[str, ...] = ()
    model_path: str = ""
    data_path: str = ""
    commit: Commit | None = None
    warnings: tuple[str, ...] = ()
    """What libraries warned of before, which the command line did not show."""
    traceback: str = ""
    """Of a cell that failed."""
    spec: Mapping[str, Any] = {}
    """What was asked for this cell alone, with paths: ``harness run --from`` replays it."""


class PruneRecord(Entry):
    """One pruned model."""

    schema_version: int = SCHEMA_VERSION
    model: str
    """Display name; identity is in `asked`."""
    pruner: str
    """The notation it was asked in."""
    asked: PruneAsked
    got: PruneGot
    circumstances: Circumstances

    @property
    def key(self) -> str:
        return key_of(self.asked)


class EvalGot(Entry):
    """What an evaluation gave; what follows from several records is made with a board."""

    metric: str
    unit: str
    higher_is_better: bool
    transform: Literal["mean", "exp"] = "mean"
    scale: float = 1.0
    """The score is transform(weighted mean of the scores in the log) * scale."""
    is_correctness: bool = False
    """Whether a score in the log says how right an answer is; then flips are counted."""
    score: float | None
    """None = undefined; `absent` says why under the metric's name."""
    low: float | None
    high: float | None
    """95 % interval of the score itself, clustered by image; None = `absent` says why under
    ``interval``."""
    metrics: Mapping[str, float] = {}
    breakdown: Mapping[str, float] = {}
    """Label -> score on its items."""
    counts: Mapping[str, int] = {}
    absent: Mapping[str, str] = {}
    """Metric, or ``interval`` -> why it is missing."""
    calibration_overlap: int = 0
    """Evaluated items that were calibrated on."""
    samples: str
    """Digest of the per-sample log."""

    @model_validator(mode="before")
    @classmethod
    def _read_old(cls, content: Any) -> Any:
        """Drop the comparison that old records hold, and tell what it told of the metric.

        How their score is made of the log is a guess: a board tries it before it compares.
        """
        if not isinstance(content, dict) or "comparison" not in content:
            return content
        old = dict(content)
        flips = (old.pop("comparison") or {}).get("worse")
        told = {
            "transform": "exp" if "perplexity" in old.get("metric", "") else "mean",
            "scale": 100.0 if old.get("unit") == "%" else 1.0,
            "is_correctness": flips is not None,
        }
        return told | old


class EvalRecord(Entry):
    """One model on one task."""

    schema_version: int = SCHEMA_VERSION
    model: str
    row: str
    """``dense``, ``blind`` or the pruner's notation."""
    task: str
    asked_sparsity: float
    achieved_sparsity: float
    """Share of the prunable weights that are zero, counted; of the dense model too."""
    seed: int | None
    asked: EvalAsked
    got: EvalGot
    circumstances: Circumstances

    @property
    def key(self) -> str:
        return key_of(self.asked)


class FailureRecord(Entry):
    """A cell that failed: filed with the reason, never ranked, tried again by the next run."""

    schema_version: int = SCHEMA_VERSION
    model: str
    row: str
    task: str | None
    sparsity: float
    seed: int | None
    asked: PruneAsked | EvalAsked
    reason: str
    """One line, with the place in a plugin's source unless the error was deliberate."""
    circumstances: Circumstances

    @property
    def key(self) -> str:
        return key_of(self.asked)
