"""Unmodified LAVIS beside our families: the same losses and texts, and its own checkpoints.

Run by `tox -e lavis`, which makes the environment; elsewhere ``HARNESS_LAVIS`` says where one is.
"""

import dataclasses
import json
import os
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from harness.backend_audit import audit_backend
from harness.cli import run_command
from harness.model import Model, load_model
from harness.plugin import (
    DataError,
    Embeds,
    Generates,
    Generation,
    Judges,
    Matches,
    ModelSpec,
    Ranks,
    RunError,
)
from harness.plugin.manager import Plugins
from harness.spec import parse_spec
from harness.store import Store
from harness_plugins.lavis.answering import Process
from harness_plugins.lavis.checkpoint import separate
from harness_plugins.lavis.convert import from_lavis
from harness_plugins.lavis.environment import python_of
from harness_plugins.lavis.folders import export_checkpoint, import_checkpoint
from harness_plugins.lavis.names import KINDS
from tests.conformance.reference_blip2 import ReferenceBlip2
from tests.lavis_checkpoints import GIVEN, HEADS, random_state, save_word_list
from tests.tiny import SIDE, make_samples, save_tokenizer

#: Biases of a decoder's tokens: words or [SEP] rather than the other brackets.
SPOKEN = [f"text_decoder.cls.predictions.{name}" for name in ("bias", "decoder.bias")]
SAYS_WORDS = torch.tensor([-20.0, -20, -20, 0, -20, 0, 0, 0, 0, 0, 0, 0, -20, -20])

pytestmark = pytest.mark.lavis


@pytest.fixture(scope="session")
def environment() -> Path:
    found = os.environ.get("HARNESS_LAVIS")
    if not found:
        pytest.skip("HARNESS_LAVIS does not say where `harness lavis setup` made LAVIS")
    python_of(Path(found))
    return Path(found)


@pytest.fixture(scope="module")
def worker(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Process:
    """One for all kinds of models."""
    return Process(python_of(environment), tmp_path_factory.mktemp("worker") / "errors")


@pytest.fixture(scope="module")
def tiny_blip2(conformance: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The conformance data's BLIP-2, imported from a checkpoint of LAVIS, with a word list."""
    folder = tmp_path_factory.mktemp("blip2")
    reference = ReferenceBlip2(conformance)
    save_tokenizer(folder / "words")
    torch.save({"model": reference.under("dense.")}, folder / "lavis.pth")
    import_checkpoint(
        [folder / "lavis.pth"],
        folder / "ours",
        tokenizer=folder / "words",
        given=reference.given,
    )
    return folder / "ours"


@pytest.fixture(scope="module")
def model(tiny_blip2: Path, environment: Path, plugins: Plugins) -> Model:
    """The tiny BLIP-2 with LAVIS beside it."""
    return load_model(spec_of(tiny_blip2, environment), plugins)


def spec_of(model: Path, environment: Path, **more: Any) -> ModelSpec:
    backend = {"name": "lavis", "environment": environment}
    return ModelSpec.model_validate({"name": str(model), "backend": backend} | more)


def test_the_tiny_blip2_answers_alike_dense_and_pruned(model: Model, tmp_path: Path) -> None:
    family, backend = model.loaded, model.backend
    assert isinstance(family, Generates)
    assert isinstance(backend, Generates)
    assert backend is not None
    samples = make_samples("blip2_t5", tmp_path, 6)
    losses, texts = [], []
    for _ in ("dense", "pruned"):
        backend.take_weights()
        with torch.no_grad():
            ours = [float(family.loss(family.collate([sample]))) for sample in samples]
        theirs = backend.losses(samples)
        assert theirs == pytest.approx(ours, rel=1e-5)
        losses.append(theirs)
        for generation in (Generation(), Generation(num_beams=5, length_penalty=-1.0)):
            texts.append(backend.generate(samples, generation))
            assert texts[-1] == family.generate(samples, generation)
        for layer in model.layers:
            weight = model.weight(layer)
            weight[weight.abs() < weight.abs().median()] = 0
    assert losses[0] != losses[1]
    assert any(text for batch in texts for text in batch)


Blip = Callable[[str], Model]


@pytest.fixture
def blip(environment: Path, plugins: Plugins, tmp_path: Path) -> Blip:
    """A tiny BLIP, imported from a checkpoint of LAVIS, with LAVIS beside it."""

    def make(kind: str) -> Model:
        save_word_list(tmp_path / "words", brackets=True)
        state = random_state(kind, is_even=True)
        for name, tensor in state.items():
            if name.endswith(".bias"):  # so that texts depend on the image
                tensor.zero_()
            if name in SPOKEN:
                tensor.copy_(SAYS_WORDS)
        torch.save(state, tmp_path / "lavis.pth")
        import_checkpoint(
            [tmp_path / "lavis.pth"], tmp_path / "ours", tokenizer=tmp_path / "words", given=HEADS
        )
        return load_model(spec_of(tmp_path / "ours", environment), plugins)

    return make


def test_blip_judges_alike(blip: Blip, tmp_path: Path) -> None:
    model = blip("blip_nlvr")
    family, backend = model.loaded, model.backend
    assert isinstance(family, Judges)
    assert isinstance(backend, Judges)
    assert not isinstance(backend, Generates)
    assert backend is not None
    samples = make_samples("blip_nlvr", tmp_path, 6)
    samples[0] = dataclasses.replace(samples[0], prompt="a b c")
    backend.take_weights()

    with torch.no_grad():
        ours = [float(family.loss(family.collate([sample]))) for sample in samples]
    assert backend.losses(samples) == pytest.approx(ours, rel=1e-5)
    asked = [  # a text is longer than another, and verdicts differ
        dataclasses.replace(sample, prompt=prompt)
        for sample in samples
        for prompt in ("a", "b c", "d e f")
    ]
    verdicts = backend.judge(asked)
    assert verdicts == family.judge(asked)
    assert len(set(verdicts)) == 2


@pytest.mark.parametrize("kind", ["blip2", "blip_image_text_matching"])
def test_images_and_texts_are_matched_alike(kind: str, blip: Blip, tmp_path: Path) -> None:
    model = blip(kind)
    family, backend = model.loaded, model.backend
    assert isinstance(family, Embeds)
    assert isinstance(family, Matches)
    assert isinstance(backend, Embeds)
    assert isinstance(backend, Matches)
    assert backend is not None
    samples = [
        dataclasses.replace(sample, prompt=text, target=text)
        for sample in make_samples(kind, tmp_path, 3)
        for text in ("a", "b c", "d e f")
    ]
    backend.take_weights()

    with torch.no_grad():
        ours = [float(family.loss(family.collate([sample]))) for sample in samples]
    assert backend.losses(samples) == pytest.approx(ours, rel=1e-4, abs=1e-5)
    texts = [sample.prompt for sample in samples]
    for theirs, expected in (
        (backend.embed_images(samples), family.embed_images(samples)),
        (backend.embed_texts(texts), family.embed_texts(texts)),
        (backend.match(samples), family.match(samples)),
    ):
        torch.testing.assert_close(theirs, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["blip_caption", "blip_vqa"])
def test_blip_answers_alike(kind: str, blip: Blip, tmp_path: Path) -> None:
    model = blip(kind)
    family, backend = model.loaded, model.backend
    assert isinstance(family, Generates)
    assert isinstance(backend, Generates)
    assert backend is not None
    samples = make_samples(kind, tmp_path, 6)
    samples[:2] = [dataclasses.replace(samples[0], prompt=prompt) for prompt in ("a b c", "")]
    backend.take_weights()

    with torch.no_grad():
        ours = [float(family.loss(family.collate([sample]))) for sample in samples]
        assert backend.losses(samples) == pytest.approx(ours, rel=1e-5)
        texts = []
        for generation in (
            Generation(),
            Generation(num_beams=5, length_penalty=-1.0),
            Generation(num_beams=3, max_new_tokens=8, min_length=6),
        ):
            texts += backend.generate(samples, generation)
            assert texts[-6:] == family.generate(samples, generation)
    assert len(set(texts)) > 2
    assert isinstance(backend, Ranks) == (kind == "blip_vqa") == isinstance(family, Ranks)
    if isinstance(family, Ranks):
        assert isinstance(backend, Ranks)
        answers = ["a", "a b", "b c", "c", "d e f", "f"]
        theirs = backend.rank(samples, answers, tried=4)
        assert theirs == family.rank(samples, answers, tried=4)


@pytest.mark.parametrize("kind", ["blip2_t5", "blip_caption", "blip_vqa", "blip_nlvr"])
def test_weights_that_are_no_numbers_give_no_answer(
    kind: str, model: Model, blip: Blip, tmp_path: Path
) -> None:
    backend: Any = (model if kind == "blip2_t5" else blip(kind)).backend
    samples = make_samples(kind, tmp_path, 2)
    weights = {name: tensor.clone() for name, tensor in backend._module.state_dict().items()}
    with torch.no_grad():
        for parameter in backend._module.parameters():
            parameter.fill_(torch.nan)
    backend.take_weights()
    told = r"ValueError: logits are not finite \(nan\)"

    if isinstance(backend, Generates):
        with pytest.raises(RunError, match=f"LAVIS could not generate: {told}"):
            backend.generate(samples, Generation(num_beams=2))
    if isinstance(backend, Ranks):
        with pytest.raises(RunError, match=f"LAVIS could not rank: {told}"):
            backend.rank(samples, ["a", "b c"], tried=2)
    if isinstance(backend, Judges):
        with pytest.raises(RunError, match=f"LAVIS could not judge: {told}"):
            backend.judge(samples)

    backend._module.load_state_dict(weights)
    backend.take_weights()
    assert all(isfinite(loss) for loss in backend.losses(samples))


def test_the_mini_blip2_passes_the_audit(environment: Path, plugins: Plugins, cache: Path) -> None:
    spec = parse_spec(
        {
            "model": spec_of(Path("mini-blip2"), environment).model_dump(),
            "pruners": [{"recipe": "dense"}],
            "calibration": {"samples": 16},
            "cache": str(cache),
        }
    )

    audit = audit_backend(spec, plugins)

    assert audit.is_equal, audit
    assert audit.backend == "lavis 1.0.2"


def test_a_pruned_model_scores_alike_on_a_task(
    environment: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "r"
    command = ["run", "--model", "mini-blip2", "--pruner", "magnitude", "--tasks", "vqav2@0:40"]
    for backend in ([], ["--backend", f"lavis={environment}"]):
        asked = ["--sparsity", "0.6", "--results", str(results), *backend]
        assert run_command([*command, *asked]) == 0

    evals = list(Store(results).evals())
    found = {(e.row, e.asked.profile.backend): (e.got.score, e.got.samples) for e in evals}
    for row in ("dense", "magnitude"):
        assert found[row, ""] == found[row, "lavis 1.0.2"]
    words = " ".join(capsys.readouterr().out.split())
    assert "profile lavis in lavis 1.0.2" in words


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_lavis_loads_what_we_export(
    kind: Any, worker: Process, tmp_path: Path, word_list: Path
) -> None:
    """No tensor missing, none unexpected, every shape its own."""
    given = GIVEN.get(kind.name, HEADS)
    state = random_state(kind.name)
    torch.save(state, tmp_path / "lavis.pth")
    import_checkpoint([tmp_path / "lavis.pth"], tmp_path / "ours", tokenizer=word_list, given=given)
    export_checkpoint(tmp_path / "ours", tmp_path / "back.pth", base=None)
    config = from_lavis(state, given).config
    worker.ask(
        "build",
        kind=kind.name,
        config=json.loads(config.to_json_string(use_diff=False)),
        folder=str(word_list),
        images={"side": SIDE, "mean": [0.5] * 3, "std": [0.5] * 3},
        device="cpu",
    )
    exported = torch.load(tmp_path / "back.pth", weights_only=True)
    save_file(separate(exported), tmp_path / "weights.safetensors")

    found = worker.ask("load", weights=str(tmp_path / "weights.safetensors"))

    assert (found["missing"], found["unexpected"]) == ([], [])
    assert worker.ask("shapes") == {name: list(t.shape) for name, t in exported.items()}


def test_an_image_that_is_missing_ends_nothing(model: Model, tmp_path: Path) -> None:
    assert model.backend is not None
    model.backend.take_weights()
    [sample] = make_samples("blip2_t5", tmp_path, 1)
    assert sample.image is not None
    content = sample.image.read_bytes()
    sample.image.unlink()

    with pytest.raises(DataError, match="no such image"):
        model.backend.losses([sample])

    sample.image.write_bytes(content)
    assert len(model.backend.losses([sample])) == 1
