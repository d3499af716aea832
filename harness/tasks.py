"""Find a task, its profile and its folder, and read its examples."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.calibration import subset_indices
from harness.composition import identify_part
from harness.errors import DataError, InputError
from harness.model import Model
from harness.plugin import Classifies, EditionInfo, Example, Generates, Perplexity, Profile, Task
from harness.plugin.manager import Plugins
from harness.record import DataIdentity, PartIdentity, ProfileIdentity
from harness.spec import DataSpec, TaskSpec


@dataclass(frozen=True, kw_only=True)
class OpenTask:
    """A task with its examples read and its identity settled."""

    spec: TaskSpec
    task: Task
    part: PartIdentity
    profile: Profile
    profile_identity: ProfileIdentity
    examples: Sequence[Example]
    data: DataIdentity
    path: Path
    input_digests: Sequence[str]
    """Per example, the hash of its image or tokens."""

    @property
    def name(self) -> str:
        return self.task.name

    @property
    def has_images(self) -> bool:
        return any(example.sample.image is not None for example in self.examples)


def check_names(specs: Sequence[TaskSpec], plugins: Plugins) -> None:
    """Refuse unknown tasks and profiles before anything is loaded.

    Raises:
        UnknownNameError: Near matches are listed.
    """
    for spec in specs:
        plugins.tasks.get(spec.name).given().profile(spec.profile)


def open_task(
    spec: TaskSpec, data: DataSpec, cache: Path, model: Model, plugins: Plugins
) -> OpenTask:
    """Find the task, its profile and its folder, and read its examples.

    Raises:
        InputError: The model cannot do what the task needs, or the subset is empty.
        DataError: The folder or something in it is missing; it says where to get it.
    """
    provider = plugins.tasks.get(spec.name)
    task = provider.given()
    _refuse_unable(model, task)
    profile, profile_identity = _settle_profile(task, spec)
    edition = find_edition(task, data, cache, model, plugins)
    encode = model.loaded.encode if isinstance(model.loaded, Perplexity) else None
    examples = _take(list(task.examples(edition.path, profile, encode)), spec)
    if not examples:
        raise InputError(f"task {spec.name}: no items left to evaluate")
    return OpenTask(
        spec=spec,
        task=task,
        part=identify_part("task", provider, task),
        profile=profile,
        profile_identity=profile_identity,
        examples=examples,
        data=_identify_data(examples, edition, spec),
        path=edition.path,
        input_digests=[example.sample.input_digest() for example in examples],
    )


def _refuse_unable(model: Model, task: Task) -> None:
    able = {"generate": Generates, "classify": Classifies, "perplexity": Perplexity}[task.needs]
    if not isinstance(model.loaded, able):
        raise InputError(
            f"task {task.name} needs a model that can {task.needs}; "
            f"{model.spec.name} is of family {model.family}"
        )


def _settle_profile(task: Task, spec: TaskSpec) -> tuple[Profile, ProfileIdentity]:
    """The task's profile with what the spec changes."""
    profile = task.profile(spec.profile)
    changes: dict[str, Any] = {}
    if spec.prompt is not None:
        changes["prompt"] = spec.prompt
    if spec.generation is not None:
        overrides = spec.generation.model_dump(exclude_none=True)
        changes["generation"] = dataclasses.replace(profile.generation, **overrides)
    settled = dataclasses.replace(profile, **changes)
    return settled, ProfileIdentity(
        name=profile.name,
        version=profile.version,
        prompt=settled.prompt,
        generation=dataclasses.asdict(settled.generation) if task.needs == "generate" else {},
        window=profile.window,
        changed=settled != profile,
    )


def find_edition(
    task: Task, data: DataSpec, cache: Path, model: Model, plugins: Plugins
) -> EditionInfo:
    """Where the task's folder is.

    Raises:
        DataError: The folder is missing; the task's instructions say how to get it.
        InputError: The edition has no such task.
    """
    if task.name in data.folders:
        found = EditionInfo(path=data.folders[task.name], label="folder")
    elif data.root is not None:
        found = EditionInfo(path=data.root / task.name, label="folder")
    else:
        name = data.edition or (model.bundled.given.edition if model.bundled else "full")
        given = plugins.editions.get(name).given().provide(task.name, cache)
        if given is None:
            raise InputError(
                f"edition {name} has no task {task.name}; give its folder with "
                f"--data {task.name}=DIR"
            )
        found = given
    if not found.path.is_dir():
        raise DataError(found.path, f"no such folder. {task.instructions()}")
    return found


def _take(examples: list[Example], spec: TaskSpec) -> list[Example]:
    if spec.subset is not None:
        indices = subset_indices([example.sample.id for example in examples], spec.subset)
        examples = [examples[index] for index in indices]
    return examples[: spec.limit]


def _identify_data(
    examples: Sequence[Example], edition: EditionInfo, spec: TaskSpec
) -> DataIdentity:
    hasher = hashlib.sha256()
    for example in examples:
        row = [example.sample.id, example.sample.digest(), example.references, example.label]
        hasher.update(json.dumps(row).encode())
    part = str(spec.subset) if spec.subset is not None else ""
    part += f" first {spec.limit}" if spec.limit is not None else ""
    return DataIdentity(
        edition=edition.label,
        version=edition.version,
        digest=hasher.hexdigest(),
        items=len(examples),
        part=part.strip(),
    )
