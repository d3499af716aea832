"""Fixtures that all tests share; everything runs offline and on one thread."""

import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["OMP_NUM_THREADS"] = "1"

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from harness.model import Model, load_model
from harness.plugin.manager import Plugins, load_plugins
from harness.spec import ModelSpec
from tests.lavis_checkpoints import save_word_list
from tests.plugins.tiny_families import TABLE

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def plugins() -> Plugins:
    return load_plugins()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cache folder of the session, so that the mini edition is made once."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["HARNESS_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of a tiny random model of a family, made on first use."""
    made: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in made:
            _, build = TABLE[kind]
            new = tmp_path_factory.mktemp(kind)
            build(new)
            made[kind] = new
        return made[kind]

    return folder


@pytest.fixture
def tiny_model(tiny_folder: Callable[[str], Path], plugins: Plugins) -> Callable[[str], Model]:
    """A tiny random model of a family, freshly loaded."""

    def model(kind: str) -> Model:
        return load_model(ModelSpec(name=str(tiny_folder(kind))), plugins)

    return model


@pytest.fixture(scope="session")
def word_list(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tokenizer that fits LAVIS's tiny checkpoints."""
    folder = tmp_path_factory.mktemp("words")
    save_word_list(folder)
    return folder


@pytest.fixture(scope="session")
def conformance() -> Path:
    """Folder of the reference vectors."""
    default = Path(__file__).parent / "data" / "conformance"
    return Path(os.environ.get("HARNESS_CONFORMANCE", default))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real photographs, texts and official annotation files, which no clone holds."""
    if "HARNESS_DATA" not in os.environ:
        pytest.skip("HARNESS_DATA names no folder of real files")
    return Path(os.environ["HARNESS_DATA"])


@pytest.fixture(scope="session")
def vectors(conformance: Path) -> dict[str, torch.Tensor]:
    return load_file(conformance / "vectors.safetensors")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path for a stranger's plugin and library, which are forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in [name for name in sys.modules if name.startswith(("harness_snr", "some_library"))]:
        del sys.modules[name]
