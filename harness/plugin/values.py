"""The values that flow between the machine and its plugins.

Shapes: a layer's weight is W (out, in); activations x are (tokens, in). ``keep`` masks are bool,
True = the weight stays. Nothing here imports torch at run time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.errors import DataError, PartError

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

Statistic = Literal["input_sq", "input_mean", "input_var", "gram"]
Granularity = Literal["weight", "layer", "block", "tower"]
Batch = Mapping[str, "Tensor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerInfo:
    """One prunable weight matrix."""

    name: str
    """The module's full name, e.g. ``language_model.encoder.block.0.layer.1.DenseReluDense.wo``."""
    tower: str
    block: int
    """Position of its block in the tower, from 0."""
    role: str
    """The module's name inside its block, e.g. ``self_attn.qkv``."""
    shape: tuple[int, int]
    """(out, in)."""
    stream: str
    """Whose tokens it reads: the tower's own name, or another's for cross-attention."""

    @property
    def numel(self) -> int:
        return self.shape[0] * self.shape[1]

    def group(self, granularity: Granularity) -> str:
        """Name of the group this layer belongs to at that granularity."""
        if granularity == "tower":
            return self.tower
        return f"{self.tower}.{self.block}" if granularity == "block" else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Tower:
    """A stack of blocks that run one after another, e.g. ``vision`` or ``language-decoder``."""

    name: str
    blocks: Sequence[tuple[str, nn.Module]]
    """(module name, module) in forward order."""
    cross_stream: str | None = None
    """Name of the tower whose states the cross-attention layers read, if there are any."""
    cross_roles: frozenset[str] = frozenset()
    """Roles of the layers that read `cross_stream` instead of the tower's own tokens."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """n:m sparsity: of every `of` consecutive inputs of a row, `keep` stay."""

    keep: int
    of: int

    def __str__(self) -> str:
        return f"{self.keep}:{self.of}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What an allocator has to meet."""

    sparsity: float
    """Fraction of zeros asked for, in [0, 1)."""
    numel: int
    """All prunable weights, N."""
    keep: int
    """How many of them stay: N - floor(N * sparsity)."""
    min_keep: Mapping[str, int]
    """Layer -> fewest weights that must stay (0 without a cap on the sparsity)."""
    p_max: float | None = None
    """The cap on every layer's sparsity that `min_keep` follows from, if there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Layers that an allocator treats as one."""

    name: str
    tower: str
    layers: tuple[LayerInfo, ...]

    @property
    def numel(self) -> int:
        return sum(layer.numel for layer in self.layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """What a layer's inputs look like over the calibration set, float32.

    Sums run over real (unpadded) tokens. A pruner gets the kinds it declares, no others.
    """

    layer: str
    samples: int
    tokens: int
    values: Mapping[Statistic, Tensor] = field(repr=False)

    def _get(self, kind: Statistic) -> Tensor:
        try:
            return self.values[kind]
        except KeyError:
            raise PartError(
                f"{self.layer}: statistic {kind!r} was read but not declared; "
                f"add it to the pruner's `statistics`"
            ) from None

    @property
    def input_sq(self) -> Tensor:
        """(in,): sum of x_j^2."""
        return self._get("input_sq")

    @property
    def input_mean(self) -> Tensor:
        """(in,): mean of x_j."""
        return self._get("input_mean")

    @property
    def input_var(self) -> Tensor:
        """(in,): population variance of x_j."""
        return self._get("input_var")

    @property
    def gram(self) -> Tensor:
        """(in, in): sum of x x^T."""
        return self._get("gram")


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerJob:
    """One layer to prune."""

    info: LayerInfo
    weight: Tensor
    """(out, in), float32, a copy; as the pruner before in the chain left it."""
    keep_count: int
    pattern: Pattern | None
    stats: Statistics
    scores: Tensor | None
    """(out, in) from a weight-wise estimator, else None."""
    keep: Tensor | None
    """bool (out, in) from the pruner before in the chain or the round before, else None."""
    rng: Generator


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerResult:
    """What a local pruner made of a layer."""

    keep: Tensor
    """bool (out, in)."""
    weight: Tensor | None = None
    """float32 (out, in) where the method updates weights that stay, else None."""
    notes: Mapping[str, float] = field(default_factory=dict)
    """Numbers worth a place in the record, e.g. the damping used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitGroup:
    """Like units of one sub-layer, any of which can be taken out: a structure to be pruned.

    Unit u owns ``rows[layer][u]`` of some layers, with their biases, and ``columns[layer][u]`` of
    the layer that reads what those give.
    """

    name: str
    """E.g. ``vision_model.encoder.layers.0.mlp``."""
    kind: Literal["attention", "mlp"]
    """Dimensions of the attention heads, one unit for all heads; or hidden units."""
    rows: Mapping[str, Tensor]
    """Layer -> int64 (units, rows per unit)."""
    columns: Mapping[str, Tensor]
    """Layer -> int64 (units, columns per unit)."""

    @property
    def units(self) -> int:
        return len(next(iter(self.rows.values())))

    @property
    def cost(self) -> int:
        """Rows per unit over all layers: 36 for q, k, v of twelve heads, 1 for a hidden unit."""
        return sum(index.shape[1] for index in self.rows.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """AdamW with a short warm-up and a cosine decay to zero."""

    steps: int
    learning_rate: float
    batch_size: int
    weight_decay: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A named composition of parts with its settings."""

    name: str
    paper: str
    """Citation, or one sentence saying what the baseline is."""
    local: tuple[str, ...]
    """Local pruners, applied one after the other; empty for dense and for a searcher."""
    score: str | None = None
    budget: str = "uniform"
    search: str | None = None
    """A searcher, instead of the other three."""
    settings: Mapping[str, float | int | str | bool] = field(default_factory=dict)
    """``<kind>.<option>`` -> value, kind one of score, budget, local, search."""
    family_settings: Mapping[str, Mapping[str, float | int | str | bool]] = field(
        default_factory=dict
    )
    """Model family -> settings that go before `settings` for its models."""
    headroom: float | None = None
    """Cap on every layer's sparsity, as target + headroom (ECoFLaP's p_max); None = no cap."""
    rounds: int = 1
    """Score, allocate and prune so often, round i of T to sparsity p^(T / i); each round scores the
    model as the rounds before left it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """How text is generated; always without sampling."""

    num_beams: int = 1
    max_new_tokens: int = 10
    min_length: int = 0
    """Hugging Face's min_length: it counts the decoder's start token."""
    length_penalty: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A versioned definition of prompt, generation and metric: part of a score's identity."""

    name: str
    version: int = 1
    prompt: str = ""
    """``{}`` stands for the question."""
    generation: Generation = Generation()
    window: int | None = None
    """Tokens per window, for perplexity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a model is given, and for calibration what it should have said."""

    id: str
    image: Path | None = None
    prompt: str = ""
    target: str | int | None = None
    """Text to produce, or a class index."""
    tokens: tuple[int, ...] = ()
    """Token ids, for windows of running text."""

    def digest(self) -> str:
        """Hash of the content: image bytes, prompt, target and tokens; not the id or the path."""
        content = repr((self.prompt, self.target, self.input_digest()))
        return hashlib.sha256(content.encode()).hexdigest()

    def input_digest(self) -> str:
        """Hash of the image bytes or the tokens: what calibration and evaluation must not share."""
        hasher = hashlib.sha256(repr(self.tokens).encode())
        if self.image is not None:
            try:
                hasher.update(self.image.read_bytes())
            except OSError as error:
                raise DataError(self.image, f"cannot be read ({error.strerror})") from None
        return hasher.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One evaluated item: what the model is given and what it is scored against."""

    sample: Sample
    references: tuple[str, ...] = ()
    label: str = ""
    """Breakdown this item counts in, e.g. its answer type or domain."""
    cluster: str = ""
    """Items that share it are not independent (several questions on one image)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """How a task's main score reads."""

    name: str
    unit: str = ""
    higher_is_better: bool = True
    scale: float = 1.0
    """Main score = transform(weighted mean of the per-sample scores) * scale."""
    transform: Literal["mean", "exp"] = "mean"
    is_correctness: bool = False
    """Whether a per-sample score says how right an answer is, in [0, 1]; then flips are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """A task's verdict on all outputs, made in one go."""

    per_sample: Sequence[float]
    """In the order of the examples; their weighted mean, transformed, is the main score."""
    weights: Sequence[float] | None = None
    """E.g. tokens per window; None = all equal."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Further numbers, e.g. BLEU."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Metric -> why it could not be computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionInfo:
    """A folder in a task's official format, and what it may be called."""

    path: Path
    label: str
    """``mini``, ``full`` or ``folder``: rows of different labels never share a board."""
    version: str = ""
