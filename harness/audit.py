"""Does batch size change answers? The same items asked in batches of several sizes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.bench import Announcer, Bench, open_bench
from harness.evaluation import Evaluation, evaluate
from harness.folder_manifest import read_manifest
from harness.plugin.manager import Plugins
from harness.spec import RunSpec
from harness.tasks import OpenTask, check_names, open_task


@dataclass(frozen=True, kw_only=True)
class BatchAudit:
    """One task at one batch size, beside the first size."""

    task: str
    profile: str
    batch_size: int
    score: float | None
    """None = undefined."""
    items: int
    different: tuple[str, ...]
    """Ids of the items that are answered otherwise than in batches of the first size."""


def audit_batches(spec: RunSpec, sizes: Sequence[int], plugins: Plugins) -> list[BatchAudit]:
    """Ask every task of the spec at every size; nothing is resumed, and nothing filed."""
    check_names(spec.tasks, spec.data, plugins)
    announcer = Announcer(plugins)
    bench = open_bench(spec, plugins, announcer, read_manifest(spec.model.name))
    audits = []
    for task_spec in spec.tasks:
        task = open_task(task_spec, spec.data, bench.cache, bench.model, plugins)
        runs = {size: _ask(bench, task, size) for size in sizes}
        first = runs[sizes[0]].outputs
        audits += [
            BatchAudit(
                task=task.name,
                profile=task.profile_identity.label,
                batch_size=size,
                score=run.items.main() if run.items else None,
                items=len(task.examples),
                different=tuple(
                    example.sample.id
                    for example, now, then in zip(task.examples, run.outputs, first, strict=True)
                    if now != then
                ),
            )
            for size, run in runs.items()
        ]
    return audits


def _ask(bench: Bench, task: OpenTask, size: int) -> Evaluation:
    with (
        bench.announcer.stage("evaluate", f"{task.name} in batches of {size}") as stage,
        tempfile.TemporaryDirectory() as folder,
    ):
        return evaluate(
            bench.model,
            task,
            batch_size=size,
            is_blind=False,
            resume=Path(folder) / "log",
            progress=stage.progress,
        )
