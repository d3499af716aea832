"""What can be known to go wrong is found before anything is computed, by the dry run too."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import GPT2Config, GPT2LMHeadModel

from harness.ahead import check_pruning
from harness.bench import Announcer, open_bench
from harness.errors import InputError
from harness.grid import make_variants
from harness.pipeline import prune_to_folder, run
from harness.plugin.manager import Plugins, load_plugins
from harness.prune_cell import make_prune_cell
from harness.spec import RunSpec
from harness.store import Store
from tests.end_to_end.worlds import TinyFolder, image_folder, vit_spec
from tests.tiny import WORDS, save_tokenizer

Spec = Callable[..., RunSpec]


@pytest.fixture
def world(tiny_folder: TinyFolder, tmp_path: Path) -> Spec:
    data = image_folder(tmp_path / "data")
    text = tmp_path / "text.txt"
    text.write_text(" ".join(WORDS * 100))

    def spec(*pruners: str, kind: str = "vit", **changes: Any) -> RunSpec:
        model = tiny_folder(kind) if kind in ("vit", "gpt2") else tmp_path / kind
        calibration = {"source": "text", "path": str(text), "samples": 4}
        language = {"tasks": [], "calibration": calibration} if kind != "vit" else {}
        given = {name: source(value) for name, value in changes.items()}
        return vit_spec(model, data, tmp_path / "r", pruners, **{**language, **given})

    def source(value: Any) -> Any:
        if not isinstance(value, dict) or "source" not in value:
            return value
        paths = {"text": text, "imagefolder": data}
        return {"path": str(paths[value["source"]]), **value}

    return spec


def larger_tokenizer(folder: Path) -> None:
    """A GPT-2 that embeds fewer tokens than its tokenizer has."""
    tokens = save_tokenizer(folder)
    GPT2LMHeadModel(
        GPT2Config(vocab_size=tokens - 3, n_embd=24, n_layer=1, n_head=2, n_positions=64)
    ).save_pretrained(folder)


@pytest.mark.parametrize(
    ("pruners", "changes", "message"),
    [
        (
            ["wanda"],
            {"calibration": {"source": "text", "samples": 2, "options": {"window": 8}}},
            "calibration source text needs a model with a tokenizer .--calibration.$",
        ),
        (
            ["wanda"],
            {"calibration": {"source": "imagefolder", "samples": 29}},
            "source imagefolder holds 28 samples, 29 are asked for .--calibration.$",
        ),
        (
            ["ecoflap"],
            {},
            "pruner ecoflap: score.samples is 32, the calibration set has 6; "
            'say --calibration "imagefolder samples=32" or score.samples=6$',
        ),
        (
            ["wanda"],
            {"kind": "gpt2", "calibration": {"source": "text", "options": {"window": 65}}},
            "window 65 is longer than the 64 tokens that the model reads .--calibration.$",
        ),
        (
            ["local=scores"],
            {},
            "pruner local=scores: .*needs an estimator that scores every weight$",
        ),
        (["budget=owl local=magnitude"], {}, "pruner budget=owl .*: budget=owl needs score=NAME$"),
        (
            ["local=ria local.permute=reallocation"],
            {},
            "permute=reallocation chooses the groups of n:m; give --pattern$",
        ),
        (
            ["score=outlier-ratio budget=pooled-threshold local=magnitude"],
            {},
            "scores per block cannot make a budget per layer$",
        ),
        (
            ["magnitude"],
            {
                "finetune": {"steps": 1, "batch_size": 29},
                "train": {"source": "imagefolder"},
            },
            "--train imagefolder: train source imagefolder holds fewer than 29 samples",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_evaluated(
    pruners: list[str],
    changes: dict[str, Any],
    message: str,
    world: Spec,
    plugins: Plugins,
) -> None:
    spec = world(*pruners, **changes)

    for dry in (True, False):
        with pytest.raises(InputError, match=message):
            run(spec, plugins, dry=dry)

    assert not list(spec.results.rglob("*.json"))


def test_captions_are_no_calibration_for_a_classifier(world: Spec, plugins: Plugins) -> None:
    announcer, spec = Announcer(plugins), world("wanda")
    bench = open_bench(spec, plugins, announcer, None)
    [variant] = [v for v in make_variants(spec, plugins) if v.is_pruned]
    cell = make_prune_cell(bench, variant)
    assert cell.calibration is not None
    for sample in cell.calibration.samples:
        object.__setattr__(sample, "target", "a photo of a")

    with pytest.raises(InputError, match="^--calibration imagefolder: .* not a class"):
        check_pruning(cell)


def test_a_tokenizer_larger_than_the_embedding_is_refused_when_it_is_loaded(
    world: Spec, plugins: Plugins, tmp_path: Path
) -> None:
    larger_tokenizer(tmp_path / "larger")

    with pytest.raises(InputError, match="its tokenizer has 31 tokens, the model embeds 28"):
        run(world("magnitude", kind="larger"), plugins, dry=True)


@pytest.mark.parametrize("dry", [True, False])
def test_results_that_cannot_be_written_are_refused_before_a_model_is_loaded(
    dry: bool, world: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r").write_text("a file")
    monkeypatch.setattr("harness.bench.load_model", lambda *_: pytest.fail("loaded"))

    with pytest.raises(InputError, match="^--results .*: cannot be written there .Not a dir"):
        run(world("magnitude"), load_plugins(), dry=dry)


@pytest.mark.parametrize("dry", [True, False])
def test_results_without_room_are_refused_with_what_is_needed_and_free(
    dry: bool, world: Spec, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2_000))

    with pytest.raises(InputError, match=r"^--results .*: about .* needed there, 2.0 kB are free"):
        run(world("magnitude"), plugins, dry=dry)


def test_a_folder_to_save_in_without_room_is_refused(
    world: Spec, plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "saved"
    free = {tmp_path: 1, tmp_path / "r": 10**12}
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: SimpleNamespace(free=free.get(path, 10**12))
    )
    (tmp_path / "r").mkdir()

    with pytest.raises(InputError, match=r"^--save .*saved: about .* are needed there, 1 bytes"):
        prune_to_folder(world("magnitude"), plugins, place)

    assert not list(Store(tmp_path / "r").prunes())
