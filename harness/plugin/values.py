"""The values that flow between the machine and its plugins.

Shapes: a layer's weight is W (out, in); activations x are (tokens, in). ``keep`` masks are bool,
True = the weight stays. Nothing here imports torch at run time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from harness.asked import EVEN
from harness.errors import PartError

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

Statistic = Literal["input_sq", "input_mean", "input_var", "input_var_within", "gram"]
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

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read ``2:4``."""
        keep, of = map(int, text.split(":"))
        return cls(keep, of)

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
    def input_var_within(self) -> Tensor:
        """(in,): the same within samples: each token against the mean of its own sample."""
        return self._get("input_var_within")

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
    permutation: Tensor | None = None
    """The order of inputs in which `keep` is n:m (`LayerResult.permutation`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerResult:
    """What a local pruner made of a layer."""

    keep: Tensor
    """bool (out, in)."""
    weight: Tensor | None = None
    """float32 (out, in) where the method updates weights that stay, else None."""
    permutation: Tensor | None = None
    """int64 (in,), place -> input: n:m holds over neighbouring places; None = over neighbouring
    inputs, or the job's where the mask is the job's."""
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
    budget: str = EVEN
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
