"""UPop's search on a tiny BLIP beside a plain transcription of its published description.

Shi et al., ICML 2023: masks multiply queries, keys and values per dimension of a head, and hidden
units of feed-forward networks. Their gradients add up while the weights train; every few steps they
are standardised among attention masks and among feed-forward masks of all modalities and ranked
together; from the largest on they are lowered to 1 - p_t / p until those lowered make up p_t of
all, p_t = p sqrt((1 - cos(pi t / T)) / 2). At the end what is lowered is taken out.

The transcription has masks, sums and ranking of its own, on a model of its own; it shares with the
search only the machine's training of the weights.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from harness.model import Model
from harness.plugin import Target, Training
from harness.training import TrainingSession, TrainStream, training_session
from harness_plugins.methods.upop import UPop
from tests.tiny import make_samples

STEPS, EVERY, SPARSITY, SEED = 6, 2, 0.4, 5
SEARCH = UPop(steps=STEPS, every=EVERY, batch_size=2, learning_rate=3e-3)


@dataclass
class Mask:
    """One of the description's masks: where it multiplies, and what has been seen of it."""

    kind: str
    makers: list[torch.nn.Linear]
    """What it multiplies the output of."""
    reader: torch.nn.Linear
    heads: int
    """Heads that share it; 1 for hidden units."""
    values: Tensor
    summed: Tensor

    @classmethod
    def of(cls, kind: str, makers: list[Any], reader: Any, heads: int, size: int) -> "Mask":
        return cls(kind, makers, reader, heads, torch.ones(size), torch.zeros(size))

    @property
    def copies(self) -> int:
        """How often it is repeated along the output of one of its makers."""
        return self.makers[0].out_features // len(self.values)

    @property
    def rows(self) -> int:
        """Rows that go with one of its entries: 36 for twelve heads, 1 for a hidden unit."""
        return len(self.makers) * self.copies

    @property
    def weights(self) -> int:
        """Weights that go with one of its entries."""
        return self.rows * self.makers[0].in_features + self.heads * self.reader.out_features


def masks_of(module: torch.nn.Module) -> dict[str, Mask]:
    """The masks of a BLIP, by the name of the part that they stand in."""
    found: dict[str, Mask] = {}
    for name, part in module.named_modules():
        own: Any = part
        if hasattr(own, "qkv"):
            size = own.qkv.out_features // 3 // own.num_heads
            found[name] = Mask.of("attention", [own.qkv], own.projection, own.num_heads, size)
        elif hasattr(own, "query"):
            makers = [own.query, own.key, own.value]
            size = own.query.out_features // own.num_attention_heads
            reader = module.get_submodule(name.rpartition(".")[0] + ".output.dense")
            heads = own.num_attention_heads
            found[name] = Mask.of("attention", makers, reader, heads, size)
        elif hasattr(own, "fc1"):
            found[name] = Mask.of("mlp", [own.fc1], own.fc2, 1, own.fc1.out_features)
        elif name.endswith(".intermediate"):
            reader = module.get_submodule(name.rpartition(".")[0] + ".output.dense")
            found[name] = Mask.of("mlp", [own.dense], reader, 1, own.dense.out_features)
    return found


def lower(ranked: list[tuple[str, int]], masks: dict[str, Mask], cost: str, most: float) -> set:
    """From the largest on, as long as there is room; the last entry of a mask stays."""
    gone: set[tuple[str, int]] = set()
    spent = 0
    for name, entry in ranked:
        is_last = sum(other == name for other, _ in gone) == len(masks[name].values) - 1
        if spent + getattr(masks[name], cost) <= most and not is_last:
            gone.add((name, entry))
            spent += getattr(masks[name], cost)
    return gone


def ranking(masks: dict[str, Mask]) -> list[tuple[str, int]]:
    """All entries, by the standardised sum of their gradients."""
    scores: dict[tuple[str, int], float] = {}
    for kind in ("attention", "mlp"):
        own = {name: mask.summed.tolist() for name, mask in masks.items() if mask.kind == kind}
        pooled = [value for values in own.values() for value in values]
        mean = sum(pooled) / len(pooled)
        deviation = math.sqrt(sum((v - mean) ** 2 for v in pooled) / (len(pooled) - 1))
        for name, values in own.items():
            scores |= {(name, i): (value - mean) / deviation for i, value in enumerate(values)}
    return sorted(scores, key=scores.__getitem__, reverse=True)


@dataclass
class Seen:
    """What a search showed at each step."""

    values: list[dict[str, list[float]]] = field(default_factory=list)
    gradients: list[dict[str, Tensor]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)


class Watched:
    """The machine's session, whose gates are looked at after every step of the search."""

    def __init__(self, session: TrainingSession) -> None:
        self._session, self.seen = session, Seen()
        self.unit_groups = session.unit_groups
        self.weights_per_unit, self.gate = session.weights_per_unit, session.gate

    def train(self, training: Training) -> Iterator[float]:
        for loss in self._session.train(training):
            yield loss
            gates: dict[str, Any] = {group.name: self.gate(group) for group in self.unit_groups}
            self.seen.losses.append(loss)
            self.seen.values.append({name: gate.tolist() for name, gate in gates.items()})
            self.seen.gradients.append({name: gate.grad.clone() for name, gate in gates.items()})


def described(session: TrainingSession, masks: dict[str, Mask], removed: int) -> tuple[Seen, set]:
    """Search as the description says, with masks instead of gates.

    Args:
        removed: How many weights the last cut may take.
    """
    seen = Seen()
    total = sum(mask.rows * len(mask.values) for mask in masks.values())
    leaves: dict[str, Tensor] = {}

    def multiply(name: str) -> Callable[..., Tensor]:
        def hook(_module: Any, _args: Any, output: Tensor) -> Tensor:
            folded = output.unflatten(-1, (masks[name].copies, -1))
            return (folded * leaves[name]).flatten(-2)

        return hook

    hooks = [
        maker.register_forward_hook(multiply(name))
        for name, mask in masks.items()
        for maker in mask.makers
    ]

    def renew() -> None:
        leaves.update({n: m.values.clone().requires_grad_(True) for n, m in masks.items()})

    renew()
    for step, loss in enumerate(session.train(SEARCH._training(STEPS)), start=1):
        for name, mask in masks.items():
            gradient = leaves[name].grad
            assert gradient is not None
            mask.summed += gradient
        if step in (2, 4):
            share = math.sqrt((1 - math.cos(math.pi * step / STEPS)) / 2)  # p_t / p
            lowered = lower(ranking(masks), masks, "rows", SPARSITY * share * total)
            assert lowered
            assert_within_a_unit_of_the_threshold(masks, lowered, SPARSITY * share * total)
            for name, mask in masks.items():
                for entry in range(len(mask.values)):
                    mask.values[entry] = 1 - share if (name, entry) in lowered else 1
        renew()
        seen.losses.append(loss)
        seen.values.append({name: mask.values.tolist() for name, mask in masks.items()})
        seen.gradients.append({name: mask.summed.clone() for name, mask in masks.items()})
    for hook in hooks:
        hook.remove()
    return seen, lower(ranking(masks), masks, "weights", removed)


def assert_within_a_unit_of_the_threshold(
    masks: dict[str, Mask], lowered: set[tuple[str, int]], wanted: float
) -> None:
    """The released code lowers down to the rank whose cumulative cost is nearest to the share."""
    ranked = ranking(masks)
    costs = [masks[name].rows for name, _ in ranked]
    spent = [sum(costs[: count + 1]) for count in range(len(costs))]
    nearest = min(range(len(spent)), key=lambda count: abs(spent[count] - wanted))
    dearest = max(costs)
    assert abs(sum(masks[name].rows for name, _ in lowered) - spent[nearest]) <= dearest
    other = lowered ^ set(ranked[:nearest])
    assert sum(masks[name].rows for name, _ in other) <= 2 * dearest


@pytest.mark.parametrize("kind", ["blip_vqa", "blip_caption"])
def test_the_search_is_its_published_description(
    tiny_model: Callable[[str], Model], tmp_path: Path, kind: str
) -> None:
    stream = TrainStream("tiny", make_samples(kind, tmp_path))
    ours, theirs = tiny_model(kind), tiny_model(kind)
    numel = sum(layer.numel for layer in ours.layers)
    removed = int(numel * SPARSITY)
    target = Target(sparsity=SPARSITY, numel=numel, keep=numel - removed, min_keep={})

    with training_session(ours, stream, SEED, lambda *_: None) as session:
        watched = Watched(session)
        units = SEARCH.search(watched, target)
        keep = session.structure.masks(units)
    masks = masks_of(theirs.loaded.module)
    with training_session(theirs, stream, SEED, lambda *_: None) as session:
        seen, gone = described(session, masks, removed)

    assert masks.keys() == units.keys()
    assert watched.seen.losses == pytest.approx(seen.losses, rel=1e-4)
    for step in range(STEPS):
        for name in masks:
            torch.testing.assert_close(
                watched.seen.gradients[step][name],
                seen.gradients[step][name],
                rtol=1e-3,
                atol=1e-5,
                msg=lambda text, at=(step, name): f"{at}: {text}",
            )
            assert watched.seen.values[step][name] == pytest.approx(seen.values[step][name])
    assert {(name, i) for name, own in units.items() for i, s in enumerate(own) if not s} == gone
    assert_only_their_rows_and_columns_go(theirs, masks, gone, keep)


def assert_only_their_rows_and_columns_go(
    model: Model, masks: dict[str, Mask], gone: set[tuple[str, int]], keep: dict[str, Tensor]
) -> None:
    names = {part: name for name, part in model.loaded.module.named_modules()}
    expected = {name: torch.ones_like(mask) for name, mask in keep.items()}
    for name, entry in gone:
        mask = masks[name]
        width = len(mask.values)
        for maker in mask.makers:
            expected[names[maker]][entry::width] = False
        expected[names[mask.reader]][:, entry::width] = False
    for name, mask in keep.items():
        assert torch.equal(mask, expected[name]), name
