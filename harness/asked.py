"""What was asked: a cell's identity, whose hash is the cell's key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from harness.entry import Entry, Grown

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


def key_of(asked: BaseModel) -> str:
    """Hash of an identity."""
    return hash_of(asked.model_dump(mode="json"))


def hash_of(content: Any) -> str:
    """Hash of JSON content; the order of keys does not matter."""
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def canonical(content: Any) -> str:
    """JSON with sorted keys and no spaces: equal content, equal text."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
