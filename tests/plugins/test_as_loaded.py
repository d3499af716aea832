"""A model is what was loaded: an edit of any file that decides something is another model."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.errors import CheckpointError
from harness.model import load_model
from harness.plugin.manager import Plugins
from harness.spec import ModelSpec

TinyFolder = Callable[[str], Path]
TEMPLATE = "{% for m in messages %}{{ m['role'] }}{% endfor %}"
WITH_IMAGE = "{% for m in messages %}<image> {{ m['role'] }}{% endfor %}"
#: Kind of model, file, and what is put into it.
EDITS: list[tuple[str, str, Mapping[str, Any]]] = [
    ("gpt2", "config.json", {"activation_function": "relu"}),
    ("gpt2", "generation_config.json", {"repetition_penalty": 1.5}),
    ("gpt2", "tokenizer.json", {"normalizer": {"type": "Lowercase"}}),
    ("gpt2", "tokenizer_config.json", {"pad_token": "</s>"}),
    ("gpt2", "tokenizer_config.json", {"clean_up_tokenization_spaces": True}),
    ("gpt2", "tokenizer_config.json", {"chat_template": TEMPLATE}),
    ("t5", "generation_config.json", {"no_repeat_ngram_size": 2}),
    ("blip_vqa", "generation_config.json", {"repetition_penalty": 1.5}),
    ("instructblip_t5", "qformer_tokenizer/tokenizer_config.json", {"pad_token": "</s>"}),
    ("llava", "chat_template.json", {"chat_template": WITH_IMAGE}),
    ("vit", "preprocessor_config.json", {"do_rescale": False}),
    ("vit", "preprocessor_config.json", {"image_mean": [0.1, 0.2, 0.3]}),
]


def identity(folder: Path, plugins: Plugins) -> Mapping[str, str]:
    return load_model(ModelSpec(name=str(folder)), plugins).identity


def edit(path: Path, changes: Mapping[str, Any]) -> None:
    content = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**content, **changes}))


@pytest.mark.parametrize(("kind", "name", "changes"), EDITS)
def test_an_edited_file_is_another_model(
    kind: str,
    name: str,
    changes: Mapping[str, Any],
    tiny_folder: TinyFolder,
    plugins: Plugins,
    tmp_path: Path,
) -> None:
    folder = shutil.copytree(tiny_folder(kind), tmp_path / kind)
    before = identity(folder, plugins)

    edit(folder / name, changes)

    assert identity(folder, plugins) != before


@pytest.mark.parametrize(("kind", "template"), [("gpt2", TEMPLATE), ("llava", WITH_IMAGE)])
def test_an_added_chat_template_is_another_model(
    kind: str, template: str, tiny_folder: TinyFolder, plugins: Plugins, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_folder(kind), tmp_path / kind)
    before = identity(folder, plugins)

    (folder / "chat_template.jinja").write_text(template)

    assert identity(folder, plugins) != before


def test_a_processor_that_counts_otherwise_than_the_model_is_refused(
    tiny_folder: TinyFolder, plugins: Plugins, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_folder("llava"), tmp_path / "llava")

    edit(folder / "processor_config.json", {"patch_size": 7})

    with pytest.raises(CheckpointError, match="its processor counts 16 tokens an image"):
        identity(folder, plugins)


@pytest.mark.parametrize("kind", ["gpt2", "llava", "vit", "t5"])
def test_where_a_model_lies_and_who_wrote_it_is_none_of_it(
    kind: str, tiny_folder: TinyFolder, plugins: Plugins, tmp_path: Path
) -> None:
    model = load_model(ModelSpec(name=str(tiny_folder(kind))), plugins)
    model.loaded.save(tmp_path / "elsewhere")
    edit(
        tmp_path / "elsewhere" / "config.json", {"_name_or_path": "x", "transformers_version": "4"}
    )
    (tmp_path / "elsewhere" / "README.md").write_text("# Mine")

    assert identity(tmp_path / "elsewhere", plugins) == model.identity
