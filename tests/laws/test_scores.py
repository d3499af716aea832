"""Laws of the scores that sample directions."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

from harness.plugin import LayerInfo
from harness_plugins.methods.directional import Directional, GradientNorm
from harness_plugins.methods.ecoflap import ZerothOrder

Batch = Mapping[str, Tensor]


class OneLayer:
    """A session over y = tanh(W x) with the loss sum_i c_i y_i, smooth and in double precision."""

    def __init__(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(7)
        self.layers = [LayerInfo(name="w", tower="t", block=0, role="w", shape=(3, 4), stream="t")]
        self.rng = torch.Generator().manual_seed(seed)
        self._weight = torch.randn(3, 4, generator=generator, dtype=torch.float64)
        self._c = torch.randn(3, generator=generator, dtype=torch.float64)
        self._x = torch.randn(4, generator=generator, dtype=torch.float64)

    def batches(self, samples: int | None = None, *, size: int = 1) -> list[Batch]:
        return [{"x": self._x}]

    def weight(self, layer: LayerInfo) -> Tensor:
        return self._weight

    def loss(self, batch: Batch) -> Tensor:
        return self._c @ torch.tanh(self._weight @ batch["x"])

    def gradients(self, batch: Batch) -> Iterator[tuple[LayerInfo, Tensor]]:
        slope = 1 - torch.tanh(self._weight @ batch["x"]).square()
        yield self.layers[0], torch.outer(self._c * slope, batch["x"])

    @contextmanager
    def perturbed(self, layer: LayerInfo) -> Iterator[Tensor]:
        saved = self._weight.clone()
        yield self._weight
        self._weight.copy_(saved)

    def progress(self, done: int, total: int, label: str) -> None:
        """Nobody looks."""


def test_zeroth_order_tends_to_the_gradient_norm() -> None:
    """|<g, z>| has a relative deviation of 0.76; over 20,000 draws 0.0053."""
    [(_, limit)] = GradientNorm().score(OneLayer(0))

    [(_, score)] = ZerothOrder(noises=20_000, eps=1e-4).score(OneLayer(0))

    assert score == pytest.approx(limit, rel=0.02)


def test_zeroth_order_is_directional_up_to_eps_squared() -> None:
    """With the same directions; a tenth of the eps leaves a hundredth of the error."""
    [(_, exact)] = Directional(noises=20).score(OneLayer(3))
    apart = []
    for eps in (1e-2, 1e-3):
        [(_, score)] = ZerothOrder(noises=20, eps=eps).score(OneLayer(3))
        apart.append(abs(score - exact) / exact)

    assert apart[0] < 1e-3
    assert apart[1] == pytest.approx(apart[0] / 100, rel=0.1)
