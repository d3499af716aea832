"""What happened: the two kinds of records that a run files, and the failure of a cell.

``asked`` is a cell's identity: its digest is the cell's key, and two records of one key are equal
everywhere but in ``circumstances``, which holds all that may differ between two runs of the same
spec (timings, memory, host, command line, paths, versions).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    Field,
    model_validator,
)

from harness.circumstances import Circumstances
from harness.entry import Entry, Grown
from harness.sparsity import SparsityReport

SCHEMA_VERSION = 1
EVEN = "uniform"
"""The budget allocator of a recipe that names none."""
Options = Mapping[str, bool | int | float | str | None]


AskedKind = Literal["score", "budget", "local", "search", "task"]
PartKind = Literal[AskedKind, "machine", "family", "calibration", "train", "backend"]


class PartIdentity(Grown):
    """One part, so that an edited one is never taken for the old one."""

    later: ClassVar[str] = "libraries"

    kind: PartKind
    name: str
    distribution: str
    version: str
    source: str
    """Hash of the files that it runs; of records filed before `code` was, of those that were found
    by the classes and functions in its module."""
    libraries: Mapping[str, str] = {}
    """Distribution -> version of what it computes with."""
    options: Options = Field(default_factory=dict)


class CalibrationIdentity(Entry):
    source: str
    samples: int
    digest: str


class TrainIdentity(Entry):
    """The train stream: which samples it draws from, and in which order."""

    source: str
    samples: int
    digest: str
    """Hash of all samples' content, in order."""


class Held(Entry):
    """How the model is held in memory; scores may depend on it."""

    device: str
    """Device type, e.g. ``cpu`` or ``cuda``."""
    dtype: str
    attention: str


class PruneAsked(Grown):
    """Identity of a pruned model."""

    later: ClassVar[str] = "code"

    kind: Literal["prune"] = "prune"
    model: Mapping[str, str]
    """Digests of the dense weights, config, tokenizer and processor."""
    held: Held
    parts: tuple[PartIdentity, ...]
    sparsity: float
    p_max: float | None
    pattern: str | None
    seed: int | None
    """None where neither calibration data nor chance plays a part."""
    calibration: CalibrationIdentity | None
    rounds: int = 1
    train: TrainIdentity | None = None
    """The train stream of a searcher or of fine-tuning; None = pruned in one shot."""
    finetune: Options | None = None
    code: tuple[PartIdentity, ...] = ()
    """What computes beside `parts`: the harness, the family, the sources of samples. Empty in
    records that were filed before this was noted: of an unknown source."""

    @property
    def is_retrained(self) -> bool:
        return self.train is not None

    @property
    def unused_budget(self) -> str | None:
        """What is to be said where a pattern leaves an allocator nothing to decide."""
        budgets = [i.name for i in self.parts if i.kind == "budget" and i.name != EVEN]
        if self.pattern is None or not budgets:
            return None
        return f"{self.pattern} fixes every layer's count: the budget of {budgets[0]} plays no part"


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


class ProfileIdentity(Entry):
    """Prompt, generation and metric: never mixed in one column."""

    name: str
    version: int
    family: str = ""
    prompt: str = ""
    generation: Options = Field(default_factory=dict)
    window: int | None = None
    image_size: int | None = None
    backend: str = ""
    """The implementation that answered, if it was not the model's family."""
    changed: bool = False
    """Whether the spec overrides something; such a profile is nobody's reference."""

    @property
    def label(self) -> str:
        name = f"{self.name} in {self.backend}" if self.backend else self.name
        return f"{name}*" if self.changed else name


class DataIdentity(Entry):
    edition: str
    """``mini``, ``full`` or ``folder``."""
    version: str
    digest: str
    """Hash of the evaluated items: ids, prompts, references, clusters and images."""
    items: int
    variant: str = ""
    """Which other data than its own the task reads here: another split or layout, other names."""
    part: str = ""
    """Empty = the whole split, else the notation of the subset or limit."""


class EvalAsked(Grown):
    """Identity of an evaluation."""

    later: ClassVar[str] = "code"

    kind: Literal["eval"] = "eval"
    model: Mapping[str, str]
    """Digests of the dense model."""
    pruned: str | None
    """Key of the prune record; None = the dense model."""
    blind: bool
    """Whether every item is shown another item's image."""
    held: Held
    task: PartIdentity
    profile: ProfileIdentity
    data: DataIdentity
    batch_size: int
    code: tuple[PartIdentity, ...] = ()
    """What computes beside the task: the harness, the family, a backend; as in `PruneAsked`."""


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


def key_of(asked: BaseModel) -> str:
    """Hash of an identity."""
    return hash_of(asked.model_dump(mode="json"))


def hash_of(content: Any) -> str:
    """Hash of JSON content; the order of keys does not matter."""
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def canonical(content: Any) -> str:
    """JSON with sorted keys and no spaces: equal content, equal text."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
