"""UPop: the schedule, the ranking and the cut by hand; a search on a tiny BLIP-2."""

import math
from collections.abc import Iterator, Mapping

import pytest
import torch

from harness.plugin import Target, Training, UnitGroup
from harness_plugins.methods.upop import UPop, cut, pruned_share, rank
from harness_plugins.structure import head_units, hidden_units

HEADS = head_units("a", inputs=["qkv"], output="o", heads=2, width=3, packed=3)
HIDDEN = hidden_units("b", inputs=["fc1"], output="fc2", size=4)


def gate_with(gradient: list[float]) -> torch.Tensor:
    gate = torch.ones(len(gradient), requires_grad=True)
    gate.grad = torch.tensor(gradient)
    return gate


def test_units_own_their_rows_and_columns() -> None:
    assert HEADS.units == 3
    assert HEADS.cost == 6  # two heads of queries, keys and values
    assert HEADS.rows["qkv"][1].tolist() == [1, 4, 7, 10, 13, 16]
    assert HEADS.columns["o"][1].tolist() == [1, 4]
    assert (HIDDEN.units, HIDDEN.cost) == (4, 1)
    assert HIDDEN.rows["fc1"].tolist() == HIDDEN.columns["fc2"].tolist() == [[0], [1], [2], [3]]


def test_the_schedule_is_the_papers() -> None:
    assert pruned_share(0) == 0
    assert pruned_share(0.5) == pytest.approx(math.sqrt(0.5))
    assert pruned_share(1) == 1


def test_gradients_are_standardised_within_their_kind_and_ranked_together() -> None:
    # Attention: mean 0, std 1. Feed-forward: mean 100, std 100 * sqrt(2 / 3).
    gates = [gate_with([-1.0, 0.0, 1.0]), gate_with([0.0, 100.0, 100.0, 200.0])]

    ranked = rank([HEADS, HIDDEN], gates)

    assert ranked == [(1, 3), (0, 2), (0, 1), (1, 1), (1, 2), (0, 0), (1, 0)]


def test_units_go_until_the_budget_is_spent_and_one_of_each_group_stays() -> None:
    ranked = [(0, 2), (1, 3), (0, 1), (0, 0), (1, 0), (1, 1), (1, 2)]

    gone = cut([HEADS, HIDDEN], ranked, [6, 1], 13.5)
    assert [group.tolist() for group in gone] == [[False, True, True], [False, False, False, True]]

    everything = cut([HEADS, HIDDEN], ranked, [6, 1], math.inf)
    assert [int((~group).sum()) for group in everything] == [1, 1]


class FakeSession:
    """Gates whose gradient always says: the last units first."""

    def __init__(self) -> None:
        self.unit_groups = [HEADS, HIDDEN]
        self.gates = {group.name: torch.ones(group.units) for group in self.unit_groups}
        self.seen: list[Mapping[str, list[float]]] = []

    def weights_per_unit(self, group: UnitGroup) -> int:
        return {"a": 48, "b": 12}[group.name]

    def gate(self, group: UnitGroup) -> torch.Tensor:
        return self.gates[group.name]

    def train(self, training: Training) -> Iterator[float]:
        for _ in range(training.steps):
            for gate in self.gates.values():
                gate.grad = torch.arange(float(len(gate)))
            yield 1.0
            self.seen.append({name: gate.tolist() for name, gate in self.gates.items()})


def test_gates_close_little_by_little_and_the_last_cut_counts_weights() -> None:
    session = FakeSession()
    numel = 3 * 48 + 4 * 12

    target = Target(sparsity=0.5, numel=numel, keep=numel // 2, min_keep={})
    units = UPop(steps=4, every=2).search(session, target)

    # Half-way the share of the cost (22 rows) is p sqrt(1/2) = 0.354: 7.8 rows, one head dimension
    # and one hidden unit; their gates are 1 - sqrt(1/2).
    assert session.seen[0] == {"a": [1, 1, 1], "b": [1, 1, 1, 1]}
    closing = pytest.approx(1 - math.sqrt(0.5))
    assert session.seen[1] == {"a": [1, 1, closing], "b": [1, 1, 1, closing]}
    # Half of the 192 weights: 48 + 12 + 12 + ... = 96.
    gone = {name: int((~stays).sum()) for name, stays in units.items()}
    assert gone["a"] * 48 + gone["b"] * 12 <= 96
    assert gone == {"a": 1, "b": 3}
