"""2:4 weights: what is refused, and what is written, as far as a CPU can tell."""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.sparse import SparseSemiStructuredTensorCUTLASS as Packed
from torch.sparse._semi_structured_conversions import (
    sparse_semi_structured_from_dense_cutlass,
    sparse_semi_structured_to_dense_cutlass,
)

from harness import semi_structured
from harness.errors import CheckpointError, InputError
from harness.model import Model
from harness.plugin import Tower
from harness.spec import ModelSpec

Pack = Callable[[Tensor], Tensor]


class Loaded:
    """Two linear layers of one shape and one of another."""

    def __init__(self) -> None:
        block = nn.ModuleDict({name: nn.Linear(64, 64) for name in ("a", "b")})
        block["c"] = nn.Linear(64, 32)
        self.module = nn.ModuleList([block]).bfloat16()
        self.towers = [Tower(name="tower", blocks=[("0", block)])]

    def prunable(self, name: str) -> bool:
        return True


@pytest.fixture
def model() -> Model:
    """Of every four weights of a row, the second and the last stay."""
    torch.manual_seed(0)
    made = Model(spec=ModelSpec(name="toy"), family="none", loaded=Loaded(), identity={})
    for layer in made.layers:
        made.weight(layer).reshape(-1, 4)[:, [0, 2]] = 0
    return made


def pack_on_cpu(weight: Tensor) -> Tensor:
    """What torch's CUTLASS class does on a GPU."""
    packed, meta = sparse_semi_structured_from_dense_cutlass(weight)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a prototype, it says
        return Packed(weight.shape, packed, meta, None, None, None)


def test_a_cpu_is_refused() -> None:
    with pytest.raises(InputError, match="not on cpu; nothing was measured and nothing written"):
        semi_structured.refuse_cpu("cpu")
    semi_structured.refuse_cpu("cuda:1")


def test_other_patterns_are_refused_by_name(model: Model) -> None:
    semi_structured.refuse_other_patterns(model)
    model.weight(model.layers[1])[3, 5:8] = 1

    with pytest.raises(CheckpointError, match=r"0\.b \(64, 64\) is not 2:4: 3 of four inputs stay"):
        semi_structured.refuse_other_patterns(model)


def test_packed_weights_come_back(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(semi_structured, "pack_2_of_4", pack_on_cpu)
    semi_structured.write_packed(tmp_path, model)
    fresh = Loaded().module

    semi_structured.attach(tmp_path, fresh)

    for layer in model.layers:
        packed = fresh.get_submodule(layer.name).weight
        assert isinstance(packed, Packed)
        dense = sparse_semi_structured_to_dense_cutlass(packed.packed, packed.meta)
        assert torch.equal(dense, model.weight(layer))


def test_each_shape_is_timed_once(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(semi_structured, "pack_2_of_4", lambda weight: weight)
    shapes = []

    def clock(call: Callable[[], Tensor]) -> float:
        shapes.append(tuple(call().shape))
        return 6.0 if len(shapes) % 2 else 4.0

    speeds = semi_structured.measure(model, 5, clock)

    assert [(s.shape, s.layers, s.measured, s.theoretical) for s in speeds] == [
        ((64, 64), 2, 1.5, 2.0),
        ((32, 64), 1, 1.5, 2.0),
    ]
    assert shapes == [(5, 64), (5, 64), (5, 32), (5, 32)]
