"""Every bundled family, on a tiny random model of each of its architectures.

What holds for all: a block that is replayed alone gives what it gives in the model, whatever was
done to its weights; padding counts nowhere; a pruned model is as sparse as asked, and answers the
same when it was saved and loaded.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness import pipeline
from harness.asking import BatchedAsker
from harness.checkpoint import save_pruned
from harness.model import Model, load_model
from harness.plugin import (
    Batch,
    Classifies,
    Embeds,
    Generates,
    Generation,
    Judges,
    LanguageModel,
    LoadedModel,
    Matches,
    Perplexity,
    Ranks,
    Resizes,
    RunError,
    Sample,
    Tower,
)
from harness.plugin.manager import Plugins, load_plugins
from harness.plugin.registry import Origin, Provider
from harness.resume import ResumeLog
from harness.spec import ModelSpec, parse_spec
from harness.walk import Call, Link, TowerWalk
from tests.plugins.tiny_families import TABLE
from tests.tiny import SIDE, make_samples

KINDS = sorted(TABLE)
#: auto is SDPA wherever transformers has it.
ATTENTIONS = ("auto", "eager")


def test_every_bundled_family_is_proved_here() -> None:
    bundled = {
        provider.name
        for provider in load_plugins().model_families
        if provider.origin.distribution == "pruning-harness"
    }

    assert bundled == {family for family, _ in TABLE.values()}


@pytest.fixture
def load(tiny_folder: Callable[[str], Path], plugins: Plugins) -> Callable[..., Model]:
    def model(kind: str, attention: str = "auto") -> Model:
        spec = ModelSpec(name=str(tiny_folder(kind)), attention=attention)
        return load_model(spec, plugins)

    return model


def batches_of(model: Model, kind: str, folder: Path) -> list[Batch]:
    samples = make_samples(kind, folder)
    return [model.loaded.collate(samples[:4]), model.loaded.collate(samples[4:])]


def first_tensor(output: object) -> Tensor:
    found = output[0] if isinstance(output, tuple) else output
    assert isinstance(found, Tensor)
    return found.clone()


def own_outputs(model: Model, tower: Tower, batch: Batch) -> list[Tensor]:
    """What the tower's blocks return in a full forward pass."""
    outputs: list[Tensor] = []
    handles = [
        block.register_forward_hook(lambda _, __, output: outputs.append(first_tensor(output)))
        for _, block in tower.blocks
    ]
    with torch.no_grad():
        model.loaded.loss(batch)
    for handle in handles:
        handle.remove()
    return outputs


def disturb(block: nn.Module) -> None:
    """Change every weight of a block, k and v included."""
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_replay_equals_the_models_own_outputs(
    kind: str, attention: str, load: Callable[..., Model], tmp_path: Path
) -> None:
    """Before pruning, after every weight of the block changed, and when it is done twice."""
    torch.manual_seed(0)
    model = load(kind, attention)
    batches = batches_of(model, kind, tmp_path)

    for tower in model.towers:
        walk = TowerWalk(model, tower, batches)
        for visit in walk:
            for change in (lambda _: None, disturb):
                change(tower.blocks[visit.index][1])
                for number, batch in enumerate(batches):
                    own = own_outputs(model, tower, batch)[visit.index]
                    replays = [first_tensor(walk.replay(visit.index, number)) for _ in range(2)]
                    torch.testing.assert_close(replays[0], own, rtol=1e-5, atol=1e-5)
                    assert torch.equal(*replays), "replaying twice differs"


#: Positions are looked up before the first block; T5 makes its sixth argument, the bias of its
#: cross-attention, again from the mask.
IDLE = ("position_ids", 5)


def told(call: Call) -> list[int | str]:
    """Places and names of what a block is called with besides its hidden states."""
    tensors = Tensor | tuple | Link
    places = [
        place for place, value in enumerate(call.args) if place and isinstance(value, tensors)
    ]
    names = [name for name, value in call.kwargs.items() if isinstance(value, tensors)]
    return [what for what in [*places, *names] if what not in IDLE]


def untold(call: Call, what: int | str) -> Call:
    args = tuple(None if place == what else value for place, value in enumerate(call.args))
    return Call(args, {name: value for name, value in call.kwargs.items() if name != what})


@pytest.mark.parametrize("kind", KINDS)
def test_a_replay_that_leaves_out_an_argument_is_caught(
    kind: str, load: Callable[..., Model], tmp_path: Path
) -> None:
    """Masks, position biases, rotary tables, another tower's states: each changes what comes out.

    So the test above fails if the walk loses one of them.
    """
    model = load(kind)
    batches = batches_of(model, kind, tmp_path)

    for tower in model.towers:
        walk = TowerWalk(model, tower, batches)
        calls = walk.traces[0].calls
        is_plain = (tower.name == "vision" and not kind.startswith("qwen")) or kind == "siglip"
        assert is_plain == (not any(told(call) for call in calls)), tower.name
        for index, call in enumerate(list(calls)):
            expected = first_tensor(walk.replay(index, 0))
            for what in told(call):
                calls[index] = untold(call, what)
                try:
                    without = first_tensor(walk.replay(index, 0))
                except (TypeError, AttributeError, ValueError):
                    continue  # the block cannot run without it
                assert not torch.allclose(without, expected, atol=1e-5), (tower.name, index, what)
            calls[index] = call
            walk.advance(index, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_statistics_count_only_real_tokens(
    kind: str, load: Callable[..., Model], tmp_path: Path
) -> None:
    """A padded batch gives what its samples give one by one."""
    model = load(kind)
    samples = make_samples(kind, tmp_path)
    if isinstance(model.loaded, Embeds):  # a batch of one has no pair that does not fit
        pytest.skip("the loss of a batch compares its samples")
    together = [model.loaded.collate(samples)]
    alone = [model.loaded.collate([sample]) for sample in samples]

    for tower in model.towers:
        if not any(layer.tower == tower.name for layer in model.layers):
            continue
        kinds = frozenset({"input_sq", "input_mean", "gram"})
        padded = [visit.statistics(kinds) for visit in TowerWalk(model, tower, together)]
        single = [visit.statistics(kinds) for visit in TowerWalk(model, tower, alone)]
        for of_block, expected in zip(padded, single, strict=True):
            assert of_block.keys() == expected.keys()
            for name, statistics in of_block.items():
                assert statistics.tokens == expected[name].tokens > 0, name
                assert statistics.samples == len(samples)
                torch.testing.assert_close(
                    statistics.input_sq, expected[name].input_sq, rtol=1e-4, atol=1e-4
                )
                torch.testing.assert_close(
                    statistics.gram, expected[name].gram, rtol=1e-4, atol=1e-4
                )


class Tiny:
    """Calibration samples that fit the model after whose architecture the folder is named."""

    name = "tiny"

    def samples(self, path: Path | None, cache: Path, encode: object) -> list[Sample]:
        assert path is not None
        return make_samples(path.name, path)


@pytest.fixture(scope="module")
def plugins_with_source() -> Plugins:
    plugins = load_plugins()
    origin = Origin(plugin="tests", distribution="tests", version="0")
    plugins.calibration_sources.add(Provider(name="tiny", given=Tiny, origin=origin))
    return plugins


def answers(loaded: LoadedModel, samples: list[Sample], log: Path) -> dict[str, Any]:
    """All that the model can be asked, by the machine's asker."""
    found: dict[str, Any] = {}
    with ResumeLog(log) as resume:
        ask = BatchedAsker(loaded, batch_size=4, log=resume, progress=lambda *_: None)
        if isinstance(loaded, Generates):
            found["texts"] = ask.generate(samples, Generation(max_new_tokens=4, num_beams=2))
        if isinstance(loaded, Classifies):
            found["classes"] = ask.classify(samples)
            found["logits"] = loaded.classify(samples).tolist()
        if isinstance(loaded, Judges):
            found["verdicts"] = ask.judge(samples)
        if isinstance(loaded, Ranks):
            found["ranked"] = ask.rank(samples, ["yes", "no", "red photo"], tried=2)
        if isinstance(loaded, Perplexity):
            found["losses"] = ask.token_losses(samples)
        if isinstance(loaded, Embeds):
            found["images"] = ask.embed_images(samples).tolist()
            found["captions"] = ask.embed_texts([sample.prompt for sample in samples]).tolist()
        if isinstance(loaded, Matches):
            found["matches"] = ask.match(samples)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_weights_that_are_no_numbers_give_no_answer(
    kind: str, load: Callable[..., Model], tmp_path: Path
) -> None:
    """What is picked by logits is refused; what is a number in the end is NaN, and shows it."""
    loaded = load(kind).loaded
    samples = make_samples(kind, tmp_path)
    with torch.no_grad():
        for parameter in loaded.module.parameters():
            parameter.fill_(torch.nan)
    with ResumeLog(tmp_path / "log.jsonl") as log:
        ask = BatchedAsker(loaded, batch_size=4, log=log, progress=lambda *_: None)
        picked: dict[type, Callable[[], object]] = {
            Generates: lambda: ask.generate(samples, Generation(max_new_tokens=4, num_beams=2)),
            Classifies: lambda: ask.classify(samples),
            Judges: lambda: ask.judge(samples),
            Ranks: lambda: ask.rank(samples, ["yes", "no", "red photo"], tried=2),
        }
        for capability, answer in picked.items():
            if isinstance(loaded, capability):
                with pytest.raises(RunError, match=r"logits of item '\d' are not finite \(nan\)"):
                    answer()
        assert not log.batch_sizes
        told: list[object] = []
        if isinstance(loaded, Perplexity):
            told.append(ask.token_losses(samples))
        if isinstance(loaded, Matches):
            told.append(ask.match(samples))
        if isinstance(loaded, Embeds):
            told += [ask.embed_images(samples), ask.embed_texts(["a", "b"])]
        assert all(torch.as_tensor(numbers).isnan().all() for numbers in told)


@pytest.mark.parametrize("recipe", ["wanda", "sparsegpt", "ecoflap"])
@pytest.mark.parametrize("kind", KINDS)
def test_pruned_saved_and_loaded_it_answers_the_same(
    kind: str,
    recipe: str,
    plugins_with_source: Plugins,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tiny_folder: Callable[[str], Path],
) -> None:
    data = tmp_path / kind
    data.mkdir()
    samples = make_samples(kind, data)
    live = {}

    def ask_and_save(folder: Path, model: Model, *rest: object, **options: object) -> None:
        live.update(answers(model.loaded, samples, tmp_path / "live.jsonl"))
        save_pruned(folder, model, *rest, **options)

    monkeypatch.setattr(pipeline, "save_pruned", ask_and_save)
    settings = {"score.samples": 1} if recipe == "ecoflap" else {}
    if recipe == "ecoflap" and kind in ("clip", "siglip"):
        settings = {"score.samples": 2, "score.batch_size": 2}
    spec = {
        "model": {"name": str(tiny_folder(kind))},
        "pruners": [{"recipe": recipe, "settings": settings}],
        "calibration": {"source": "tiny", "path": str(data), "samples": 6},
        "results": str(tmp_path / "results"),
        "cache": str(tmp_path / "cache"),
    }

    pipeline.prune_to_folder(parse_spec(spec), plugins_with_source, tmp_path / "pruned")

    again = load_model(ModelSpec(name=str(tmp_path / "pruned")), plugins_with_source)
    numel = sum(layer.numel for layer in again.layers)
    zeros = sum(int((again.weight(layer) == 0).sum()) for layer in again.layers)
    assert zeros == numel // 2
    assert live
    assert answers(again.loaded, samples, tmp_path / "again.jsonl") == live


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_another_size(kind: str, load: Callable[..., Model], tmp_path: Path) -> None:
    """Pixels change inside the context alone, and the model takes them."""
    loaded = load(kind).loaded
    if not isinstance(loaded, Resizes):
        pytest.skip("has no vision tower that interpolates its positions")
    samples = make_samples(kind, tmp_path, count=2)
    before = answers(loaded, samples, tmp_path / "before.jsonl")

    with loaded.images_at(2 * SIDE):
        assert loaded._pixels(samples).shape[-2:] == (2 * SIDE, 2 * SIDE)
        inside = answers(loaded, samples, tmp_path / "inside.jsonl")

    assert loaded._pixels(samples).shape[-2:] == (SIDE, SIDE)
    assert inside.keys() == before.keys()
    assert answers(loaded, samples, tmp_path / "after.jsonl") == before
    if not {"texts", "verdicts"} & before.keys():
        assert inside != before


@pytest.mark.parametrize("kind", [kind for kind in KINDS if TABLE[kind][0] in ("causal-lm", "t5")])
def test_a_language_model_shows_its_tokenizer(kind: str, load: Callable[..., Model]) -> None:
    loaded = load(kind).loaded

    assert isinstance(loaded, LanguageModel)
    assert loaded.tokenizer("red a").input_ids


def test_no_other_model_passes_for_a_language_model(load: Callable[..., Model]) -> None:
    for kind in ("blip2_t5", "clip", "llava", "vit"):
        assert not isinstance(load(kind).loaded, LanguageModel)
