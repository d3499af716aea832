"""Every example in the documents runs; every command in them exists."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from transformers import (
    Dinov2Config,
    Dinov2ForImageClassification,
    MptConfig,
    MptForCausalLM,
)

from harness.cli import run_command
from harness.model import load_model
from harness.plugin import hookspecs, manager
from harness.plugin.manager import Origin
from harness.plugin.registry import Provider
from harness.spec import ModelSpec
from harness.walk import TowerWalk
from tests.tiny import SIDE, make_samples, save_processor, save_tokenizer, spread

ROOT = Path(__file__).parent.parent.parent
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "results").glob("*.md")]
)
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(path: Path, language: str) -> list[str]:
    return [text for kind, text in FENCE.findall(path.read_text()) if kind == language]


def test_the_tutorial_plugin_works(monkeypatch: pytest.MonkeyPatch) -> None:
    page = ROOT / "docs" / "adding_a_method.md"
    plugin, check = blocks(page, "python")
    assert len(plugin.splitlines()) <= 30
    module = ModuleType("harness_snr")
    exec(plugin, module.__dict__)
    exec(check, module.__dict__)
    package = tomllib.loads(blocks(page, "toml")[0])
    assert package["project"]["entry-points"]["harness"] == {"snr": "harness_snr"}

    origin = Origin(plugin="snr", distribution="harness-snr", version="0.1")
    registrations = []
    original = manager._register

    def register(pm: object, plugins: object, found: object, its_origin: Origin) -> None:
        if not registrations:
            registrations.append(1)
            original(pm, plugins, module, origin)
        original(pm, plugins, found, its_origin)

    monkeypatch.setattr(manager, "_register", register)
    plugins = manager.load_plugins()
    assert plugins.local_pruners.get("snr").origin == origin


def test_the_manifest_of_the_data_page_can_be_followed() -> None:
    [text] = blocks(ROOT / "docs" / "data.md", "python")
    found: dict[str, object] = {}
    exec(text, found)

    assert found["BIRDS"].instructions() == (  # type: ignore[attr-defined]
        "Birds, test: `harness data fetch birds` gets it, or get it from https://birds.example "
        "and put birds.json and images/ into that folder"
    )


def test_the_families_of_the_tutorial_work(tmp_path: Path) -> None:
    decoder, encoder, check = blocks(ROOT / "docs" / "adding_a_model_family.md", "python")
    builders = {"mpt": (decoder, mpt), "dinov2": (encoder, dinov2)}
    found = manager.load_plugins()
    for name, (code, build) in builders.items():
        assert len(code.splitlines()) <= 40
        module = ModuleType(f"harness_{name}")
        exec(code, module.__dict__)
        exec(check, module.__dict__)
        [family] = module.harness_model_families()
        folder = tmp_path / name
        build(folder)
        samples = make_samples("vit" if name == "dinov2" else "llama", folder)
        module.check(family(), folder, samples)

        origin = Origin(plugin=name, distribution=f"harness-{name}", version="0.1")
        found.model_families.add(Provider(name=family.name, given=family, origin=origin))
        model = load_model(ModelSpec(name=str(folder)), found)
        assert model.family == name
        [tower] = model.towers
        batch = model.loaded.collate(samples)
        assert len(list(TowerWalk(model, tower, [batch]))) == 2


def mpt(folder: Path) -> None:
    config = MptConfig(d_model=24, n_heads=2, n_layers=2, vocab_size=save_tokenizer(folder))
    spread(MptForCausalLM(config)).save_pretrained(folder)


def dinov2(folder: Path) -> None:
    save_processor(folder)
    config = Dinov2Config(
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=SIDE,
        patch_size=16,
        num_labels=7,
    )
    spread(Dinov2ForImageClassification(config)).save_pretrained(folder)


def commands() -> list[tuple[str, str]]:
    """All ``harness …`` commands of shell blocks."""
    found = []
    for path in DOCUMENTS:
        for text in blocks(path, "bash"):
            joined = text.replace("\\\n", " ")
            for line in joined.splitlines():
                for part in line.split("&&"):
                    words = part.strip().removeprefix("$ ")
                    name = words.partition(" ")[0].rpartition("/")[2]
                    if name == "harness":
                        found.append((path.name, "harness " + words.partition(" ")[2]))
    return found


@pytest.mark.parametrize(("page", "command"), commands())
def test_every_command_of_the_documents_is_understood(
    page: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    """Runs are planned only; commands that need data outside the repository are parsed only."""
    arguments = shlex.split(command, comments=True)[1:]
    monkeypatch.chdir(tmp_path)
    if any("DATA" in word or "MODELS" in word or "$" in word for word in arguments):
        arguments = [arguments[0], "--help"]
    elif arguments[0] == "run":
        arguments = [*arguments, "--dry-run"]
    elif arguments[0] in ("prune", "eval", "leaderboard"):
        arguments = [arguments[0], "--help"]
    elif arguments[:2] in (["data", "fetch"], ["data", "verify"]):
        arguments = [*arguments[:2], "--help"]

    assert run_command(arguments) == 0


def test_relative_links_lead_somewhere() -> None:
    for path in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_every_row_of_security_names_tests_that_are_there() -> None:
    written = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    rows = [
        line
        for line in (ROOT / "docs" / "security.md").read_text().splitlines()
        if line.startswith("| ") and " test |" not in line
    ]
    before: list[str] = []
    for row in rows:
        tried = row.rstrip(" |").rpartition("| ")[2]
        named = [name for name in re.findall(r"`(test_\w+)`", tried) if f"{name}(" in written]
        assert len(named) == len(re.findall(r"`(test_\w+)`", tried)), row
        assert named or re.search(r"`test_\w+\.py`", tried) or (before and "the same" in tried), row
        before = named


def test_every_hook_is_in_the_documents() -> None:
    text = (ROOT / "docs" / "hooks.md").read_text()
    for name in vars(hookspecs):
        if name.startswith("harness_"):
            assert f"`{name}" in text, name


def test_ci_calls_the_test_command_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    marked = re.search(r"<!-- test command -->\n```bash\n(.*?)\n```", readme, re.DOTALL)

    assert marked is not None
    assert "tox" in marked[1]
    assert "constraints/lock.txt" in marked[1]
    assert "README.md" in (ROOT / ".ci" / "run").read_text()
    syntax = subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=False)
    assert syntax.returncode == 0
    assert sys.version_info >= (3, 11)
