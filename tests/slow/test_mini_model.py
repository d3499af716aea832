"""What the bundled model can do, and what pruning takes from it, on the whole miniature world."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from harness.leaderboard import compare_all
from harness.masks import unpack
from harness.record import EvalRecord
from harness.store import Store

pytestmark = pytest.mark.slow

ORACLE = 2.58
"""CIDEr-D of one more writer against the ten; tests/tasks/test_mini_edition.py bounds it."""


def harness(*arguments: str, cache: Path, folder: Path, threads: int = 1) -> Any:
    """Run the installed command without Java; returns its JSON."""
    environment = os.environ | {
        "PATH": str(Path(sys.executable).parent),
        "HARNESS_CACHE": str(cache),
        "OMP_NUM_THREADS": str(threads),
    }
    done = subprocess.run(
        [Path(sys.executable).parent / "harness", *arguments, "--json"],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def store(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Dense, blind, and wanda and random at 0.5, 0.6 and 0.7."""
    folder = tmp_path_factory.mktemp("mini")
    harness(
        *("run", "--pruner", "wanda,random", "--sparsity", "0.5,0.6,0.7"),
        *("--tasks", "vqav2,nocaps"),
        cache=cache,
        folder=folder,
    )
    return Store(folder / "results")


@pytest.fixture(scope="module")
def records(store: Store) -> dict[tuple[str, str], EvalRecord]:
    """By (row and sparsity, task)."""
    return {(f"{r.row} {r.asked_sparsity:g}", r.task): r for r in store.evals()}


def test_the_dense_model_answers_and_looks(records: dict[tuple[str, str], EvalRecord]) -> None:
    dense, blind = records["dense 0", "vqav2"].got, records["blind 0", "vqav2"].got

    assert sum(dense.counts.values()) >= 1000
    assert set(dense.breakdown) == {"yes/no", "number", "other"}
    assert dense.score >= 85
    assert dense.score - blind.score >= 40


def test_the_dense_model_captions_and_looks(records: dict[tuple[str, str], EvalRecord]) -> None:
    dense, blind = records["dense 0", "nocaps"].got, records["blind 0", "nocaps"].got

    assert sum(dense.counts.values()) >= 300
    assert dense.counts["out-domain"] * 3 >= sum(dense.counts.values())
    assert dense.score >= 0.7 * ORACLE
    assert blind.score <= 0.3 * ORACLE


def test_wanda_hurts_and_beats_random(
    store: Store, records: dict[tuple[str, str], EvalRecord]
) -> None:
    """At one of the sparsities both by five points, with intervals that exclude zero."""
    compared = compare_all(store, store.evals())
    good = []
    for sparsity in ("0.5", "0.6", "0.7"):
        wanda, random = (records[f"{n} {sparsity}", "vqav2"].got for n in ("wanda", "random"))
        loss = compared[records[f"wanda {sparsity}", "vqav2"].key]
        apart = wanda.low > random.high
        good.append(
            loss.delta <= -5 and loss.high < 0 and wanda.score - random.score >= 5 and apart
        )

    assert any(good)


def test_the_readmes_command_fits_a_small_machine(cache: Path, tmp_path: Path) -> None:
    """Dense, blind and ecoflap on both tasks, under 4 GB."""
    outcome = harness(
        *("run", "--pruner", "ecoflap", "--tasks", "vqav2,nocaps"), cache=cache, folder=tmp_path
    )

    rows = {row["pruner"]: row for row in outcome["boards"][0]["rows"]}
    assert set(rows) == {"dense", "blind", "ecoflap"}
    tasks = [{score["task"] for score in row["scores"]} for row in rows.values()]
    assert tasks == [{"vqav2", "nocaps"}] * 3
    peaks = [
        record.circumstances.peak_memory_bytes or 0
        for record in [*Store(tmp_path / "results").evals(), *Store(tmp_path / "results").prunes()]
    ]
    assert 0 < max(peaks) < 4 * 2**30


def test_the_dual_encoder_finds_texts_and_classes_and_looks(cache: Path, tmp_path: Path) -> None:
    """Blind, it is at chance: one of 200 texts, one of 64 classes."""
    harness(
        *("eval", "--model", "mini-clip", "--tasks", "imagenet,flickr30k"),
        cache=cache,
        folder=tmp_path,
    )

    got = {(record.row, record.task): record.got for record in Store(tmp_path / "results").evals()}
    assert got["dense", "imagenet"].score >= 90
    assert got["blind", "imagenet"].score <= 5
    assert got["dense", "flickr30k"].metrics["TR@1"] >= 80
    assert got["dense", "flickr30k"].metrics["IR@1"] >= 80
    assert got["blind", "flickr30k"].score <= 5


def pruned(recipe: str, threads: int, cache: Path, folder: Path) -> tuple[Any, Any]:
    """Masks and record of a recipe on the bundled model with that many threads."""
    results = folder / f"threads{threads}"
    harness(
        *("run", "--pruner", recipe, "--results", str(results)),
        cache=cache,
        folder=folder,
        threads=threads,
    )
    record = next(iter(Store(results).prunes()))
    tensors = load_file(next((results / "cache" / "masks").iterdir()))
    masks = {
        group.name: unpack(tensors[f"mask:{group.name}"], (1, group.numel))
        for group in record.got.sparsity.layers
    }
    return masks, record


@pytest.mark.parametrize("recipe", ["magnitude", "wanda"])
def test_masks_hardly_depend_on_the_number_of_threads(
    recipe: str, cache: Path, tmp_path: Path
) -> None:
    (one, _), (two, _) = (pruned(recipe, threads, cache, tmp_path) for threads in (1, 2))

    differing = sum(int((one[name] != two[name]).sum()) for name in one)
    total = sum(mask.numel() for mask in one.values())
    assert differing <= 1e-4 * total


def test_budgets_hardly_depend_on_the_number_of_threads(cache: Path, tmp_path: Path) -> None:
    (_, one), (_, two) = (pruned("ecoflap", threads, cache, tmp_path) for threads in (1, 2))

    for a, b in zip(one.got.sparsity.blocks, two.got.sparsity.blocks, strict=True):
        assert abs(a.keep - b.keep) <= 0.002 * a.numel, a.name
    assert torch.get_num_threads() == 1
