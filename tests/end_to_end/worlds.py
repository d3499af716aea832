"""Small complete worlds for runs in this process: a tiny model, its data and its spec."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.notation import parse_pruner
from harness.record import EvalRecord, PruneRecord
from harness.spec import RunSpec, parse_spec
from harness.store import Store
from tests.tiny import make_samples

CLASSES = 7


def image_folder(folder: Path, per_class: int = 4) -> Path:
    """An ImageFolder of seven classes with an explicit class order."""
    wnids = [f"n{index:08d}" for index in range(CLASSES)]
    samples = folder / "all"
    samples.mkdir(parents=True)
    paths = [sample.image for sample in make_samples("vit", samples, CLASSES * per_class)]
    for index, path in enumerate(paths):
        wnid = wnids[index % CLASSES]
        target = folder / "val" / wnid / f"{index}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    samples.rmdir()
    (folder / "classes.json").write_text(json.dumps([[wnid, wnid] for wnid in wnids]))
    return folder


def vit_spec(
    model: Path, data: Path, results: Path, pruners: tuple[str, ...], /, **changes: Any
) -> RunSpec:
    """A grid on a tiny ViT, evaluated on two halves of a tiny ImageFolder."""
    content = {
        "model": {"name": str(model)},
        "pruners": [parse_pruner(pruner) for pruner in pruners],
        "tasks": [
            {"name": "imagenet", "subset": {"start": 0, "stop": 10}},
            {"name": "imagenet", "subset": {"start": 10}},
        ],
        "data": {"folders": {"imagenet": str(data)}},
        "calibration": {"source": "imagefolder", "path": str(data), "samples": 6},
        "batch_size": 4,
        "results": str(results),
    }
    return parse_spec(content | changes)


def contents(results: Path) -> dict[str, Any]:
    """What is filed, without circumstances, by key."""
    store = Store(results)
    records: list[PruneRecord | EvalRecord] = [*store.prunes(), *store.evals()]
    return {record.key: record.model_dump(exclude={"circumstances"}) for record in records}


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Bytes and time of change of every file."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


TinyFolder = Callable[[str], Path]
