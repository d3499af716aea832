"""The command line, its notations, and the files that ``--config`` names."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from harness import audit, backend_audit, notation, pipeline
from harness.calibration import check_sources
from harness.cli import run_command, specs
from harness.data import fetch
from harness.data.fetch import Fetched
from harness.errors import InputError
from harness.grid import make_variants
from harness.plugin import manager
from harness.plugin.manager import Plugins
from harness.spec import PrunerSpec, RunSpec, TaskSpec, parse_spec
from harness.tasks import check_names
from tests.fuzz.judging import Area, Attempt, Said
from tests.fuzz.nasty import TEXTS, change_bytes, change_json, change_text

COMMANDS = [
    "run --pruner wanda --sparsity 0.5 --seed 0,1 --tasks vqav2@40,gqa/official --model mini-blip2",
    "run --pruner ecoflap,magnitude --pattern 2:4 --tasks imagenet@8 --results r --device cpu",
    "run --pruner upop --train captions=DIR --finetune steps=3 --limit 5 --tasks vqav2 --dry-run",
    "run --pruner wanda --calibration mini --data mini --include-path x --batch-size 4 --json",
    "run --config config.yaml --dtype float32 --init random --ignore-tensors v.* --backend lavis",
    "run --from record.json --results other --model mini-clip --calibration mini",
    "prune --pruner wanda --save folder --format masks --sparsity 0.7 --seed 3 --device auto",
    "eval --tasks okvqa@4k --model folder --dense mini-blip2 --results r --images short=8",
    "export folder --to masks --save other --device cpu --json",
    "export folder --to lavis --save x.pth --base b",
    "leaderboard --results r --json",
    "plugins --recipes --options --json",
    "tasks --json",
    "models --json",
    "models show mini-clip --samples 3 --tokens 4 --batch-size 5 --json",
    "models show folder",
    "data plan vqav2 gqa --data mini --hub --json",
    "data verify nocaps --data nocaps=DIR --part --json",
    "data fetch vqav2 --from DIR --to DIR2 --hub --part --json",
    "audit batch --tasks vqav2@4 --batch-sizes 1,2 --model mini-blip2 --config config.yaml",
    "audit lavis --model mini-blip2 --calibration mini --seed 0 --dir d",
    "lavis import a.pth --to folder --tokenizer t --config config.yaml",
    "lavis export folder --to a.pth --base b",
    "--version",
    "--help",
]
NOTATIONS: dict[str, list[str]] = {
    "pruner": [
        "wanda",
        "ecoflap p_max=0.7 score.eps=1e-2,wanda local.compare=row",
        "score=magnitude budget=uniform local=wanda+obs",
        "search=upop",
    ],
    "sparsity": ["0.5", "0.3,0.5,0.7"],
    "seed": ["0", "0,1,2"],
    "tasks": ["vqav2", "vqav2/official@5k,gqa@128:,imagenet@1:64", "wikitext/w256"],
    "pattern": ["2:4", "unstructured"],
    "data": ["mini", "vqav2=/a,gqa=/b", "/data/all"],
    "calibration": ["mini samples=64 subset=:128", "captions=/c split=val", "text=/t window=32"],
    "train": ["mini-train", "captions=/c subset=100:"],
    "finetune": ["steps=20 lr=1e-4 batch_size=16 weight_decay=0.01"],
    "images": ["short=256 crop=224 mean=0.5 std=0.5/0.4/0.3"],
    "ignore_tensors": ["v_head.*,score.*"],
    "backend": ["lavis", "lavis=/env"],
    "device": ["cpu", "auto"],
    "model": ["mini-blip2", "folder/of/a/model"],
}
CONFIG: dict[str, Any] = {
    "model": {"name": "mini-blip2", "device": "cpu", "dtype": "float32", "attention": "auto"},
    "pruners": ["wanda", {"recipe": "ecoflap", "p_max": 0.7, "settings": {"score.eps": 0.01}}],
    "sparsities": [0.5, 0.6],
    "seeds": [0, 1],
    "tasks": ["vqav2@40", {"name": "gqa", "limit": 3, "generation": {"num_beams": 2}}],
    "calibration": {"source": "mini", "samples": 8, "subset": {"start": 0, "stop": 100}},
    "train": "mini-train",
    "finetune": {"steps": 3, "lr": 0.001},
    "data": {"edition": "mini"},
    "batch_size": 8,
    "results": "elsewhere",
}


def areas(root: Path, plugins: Plugins) -> list[Area]:
    """The areas of words; commands run in `root`."""
    return [
        Area("command line", command, 15),
        Area("notations", lambda draw: a_notation(draw, plugins), 25),
        Area("config files", lambda draw: config(draw, root, plugins), 15),
    ]


def planned(spec: RunSpec, plugins: Plugins) -> None:
    """All that a run checks before it loads a model."""
    make_variants(spec, plugins)
    check_names(spec.tasks, spec.data, plugins)
    check_sources(spec, plugins)


@contextmanager
def planning_only(root: Path, plugins: Plugins) -> Iterator[None]:
    """Inside it commands find what is installed, plan, and compute and fetch nothing."""

    def plan(spec: RunSpec, *_: object, **__: object) -> pipeline.Outcome:
        planned(spec, plugins)
        return pipeline.Outcome()

    def stop(spec: RunSpec, *_: object, **__: object) -> None:
        planned(spec, plugins)
        raise InputError("planned, and no more")

    def fetched(*_: object, **__: object) -> Fetched:
        raise InputError("nothing is fetched")

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("HARNESS_CACHE", str(root / "cache"))
        patch.setenv("PATH", str(Path(sys.executable).parent))  # no Java: METEOR starts it anew
        patch.setattr(manager, "load_plugins", lambda *_: plugins)
        patch.setattr(pipeline, "run", plan)
        patch.setattr(pipeline, "prune_to_folder", stop)
        patch.setattr(audit, "audit_batches", stop)
        patch.setattr(backend_audit, "audit_backend", stop)
        patch.setattr(fetch, "fetch", fetched)
        yield


def command(draw: Random) -> Attempt:
    """A command with one to three words changed, lost, doubled or moved."""
    words = draw.choice(COMMANDS).split()
    for _ in range(draw.choice([1, 1, 2, 3])):
        place = draw.randrange(len(words))
        act = draw.randrange(7)
        if act == 0 and len(words) > 1:
            del words[place]
        elif act == 1:
            words.insert(place, draw.choice(TEXTS))
        elif act == 2:
            words[place] = change_text(draw, words[place])
        elif act == 3:
            words.insert(place, words[place])
        elif act == 4:
            draw.shuffle(words[1:])
        elif act == 5:
            words[place] = draw.choice(draw.choice(COMMANDS).split())
        else:
            words[place] = draw.choice(TEXTS)
    return " ".join(words), lambda: run_whole(words)


def run_whole(words: list[str]) -> str:
    """Run a command; what it said is raised where it did not end well."""
    before = sys.stderr
    sys.stderr = said = io.StringIO()
    try:
        code = run_command(words)
    finally:
        sys.stderr = before
    if code or "Traceback" in said.getvalue():
        raise Said(code, said.getvalue() or "error: help was shown")
    return ""


def a_notation(draw: Random, plugins: Plugins) -> Attempt:
    """One option's notation, changed; through the spec and what is checked before loading."""
    option = draw.choice(list(NOTATIONS))
    text = draw.choice(NOTATIONS[option])
    for _ in range(draw.choice([1, 1, 2])):
        text = change_text(draw, text)

    def give() -> str:
        given: dict[str, Any] = {"pruner": "wanda", "tasks": "vqav2", option: text}
        spec = specs.build_spec(config=None, **given)
        planned(spec, plugins)
        return what_is_not_kept(spec)

    return f"--{option} {text}", give


def what_is_not_kept(spec: RunSpec) -> str:
    """What does not mean the same when it is written down and read again."""
    for pruner in spec.pruners:
        if PrunerSpec(**notation.parse_pruner(pruner.label)) != pruner:
            return f"pruner {pruner.label} reads as another"
    for task in spec.tasks:
        if task.subset is not None:
            again = TaskSpec(**notation.parse_task(f"x{task.subset}"))
            if again.subset != task.subset:
                return f"subset {task.subset} reads as another"
    if parse_spec(spec.model_dump(mode="json")) != spec:
        return "the spec in a record reads as another"
    return ""


def config(draw: Random, root: Path, plugins: Plugins) -> Attempt:
    """A YAML file, changed as content or as bytes."""
    content = CONFIG
    if draw.random() < 0.7:
        content = change_json(draw, CONFIG)
    written = yaml.safe_dump(content, allow_unicode=True).encode(errors="surrogatepass")
    if content is CONFIG or draw.random() < 0.2:
        written = change_bytes(draw, written)
    path = root / "config.yaml"

    def give() -> str:
        path.write_bytes(written)
        spec = specs.build_spec(config=path, pruner="wanda")
        planned(spec, plugins)
        return what_is_not_used(yaml.safe_load(written), spec)

    return written[:200].decode(errors="replace"), give


def what_is_not_used(content: dict[str, Any], spec: RunSpec) -> str:
    """A key of the file that left no trace in the spec."""
    for key in content:
        if key not in RunSpec.model_fields:
            return f"key {key} is taken and not known"
    if content.get("results") not in (None, str(spec.results)):
        return "results is taken and not used"
    model = content.get("model")
    if isinstance(model, dict) and model.get("device") == "auto" and spec.model.device == "auto":
        return "model.device is not resolved"
    return ""
