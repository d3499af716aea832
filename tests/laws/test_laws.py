"""Laws that hold for all shapes, scores and budgets."""

import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from harness.masks import pack, unpack
from harness.plugin import Pattern, apportion, keep_largest

settings.register_profile("laws", max_examples=150, deadline=None, derandomize=True)
settings.load_profile("laws")

SEEDS = st.integers(0, 2**31 - 1)
SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 24))
COMPARISONS = st.sampled_from(["row", "layer", "columns"])
SPARSITIES = st.floats(0, 0.99)


def scores_of(seed: int, shape: tuple[int, int], levels: int) -> torch.Tensor:
    """Random scores with many ties where `levels` is small."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, levels, shape, generator=generator).float()


@given(SEEDS, SHAPES, st.integers(1, 1000), st.floats(0, 1), COMPARISONS)
def test_masks_keep_exactly_what_they_should(
    seed: int, shape: tuple[int, int], levels: int, share: float, compare: str
) -> None:
    keep_count = int(share * shape[0] * shape[1])

    keep = keep_largest(scores_of(seed, shape, levels), keep_count, compare=compare, columns=5)

    assert int(keep.sum()) == keep_count
    if compare == "row":
        counts = keep.sum(dim=1)
        assert int(counts.max() - counts.min()) <= 1
    if compare == "columns":
        for block in keep.split(5, dim=1):
            assert abs(int(block.sum()) - keep_count * block.shape[1] / shape[1]) <= 1


@given(SEEDS, SHAPES, st.integers(1, 50), st.floats(0, 1), st.sampled_from(["row", "layer"]))
def test_nothing_pruned_beats_anything_kept_in_its_group(
    seed: int, shape: tuple[int, int], levels: int, share: float, compare: str
) -> None:
    scores = scores_of(seed, shape, levels)

    keep = keep_largest(scores, int(share * scores.numel()), compare=compare)

    groups = [(scores, keep)] if compare == "layer" else list(zip(scores, keep, strict=True))
    for values, kept in groups:
        if kept.any() and not kept.all():
            assert values[kept].min() >= values[~kept].max()


@given(SEEDS, st.integers(1, 8), st.integers(1, 6), st.integers(1, 20), st.integers(2, 8))
def test_n_of_m_holds_in_every_group(
    seed: int, rows: int, groups: int, levels: int, of: int
) -> None:
    pattern = Pattern(seed % (of - 1) + 1, of)
    scores = scores_of(seed, (rows, groups * of), levels)

    keep = keep_largest(scores, rows * groups * pattern.keep, compare="row", pattern=pattern)

    assert bool((keep.reshape(rows, groups, of).sum(dim=2) == pattern.keep).all())


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(0, 50), st.floats(0, 1e6)), min_size=1, max_size=9
    ),
    st.floats(0, 1),
)
def test_apportioned_parts_are_exact_and_bounded(
    parts: list[tuple[int, int, float]], where: float
) -> None:
    floors = [min(a, b) for a, b, _ in parts]
    ceilings = [max(a, b) for a, b, _ in parts]
    total = sum(floors) + round(where * (sum(ceilings) - sum(floors)))

    counts = apportion(total, [share for *_, share in parts], floors=floors, ceilings=ceilings)

    assert sum(counts) == total
    assert all(f <= n <= c for f, n, c in zip(floors, counts, ceilings, strict=True))


@given(SEEDS, SHAPES)
def test_packing_a_mask_and_saving_it_is_the_identity(seed: int, shape: tuple[int, int]) -> None:
    keep = scores_of(seed, shape, 2).bool()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.safetensors"
        save_file({"m": pack(keep)}, path)

        assert torch.equal(unpack(load_file(path)["m"], shape), keep)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_half_precision_ties_are_settled_by_position(dtype: torch.dtype) -> None:
    weight = torch.full((3, 8), 0.1, dtype=dtype)

    keep = keep_largest(weight.float().abs(), 12, compare="row")

    assert keep[:, :4].sum() == 0
    assert bool(keep[:, 4:].all())
