"""Find a task, its profile and its folder, and read its examples."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.asked import DataIdentity, PartIdentity, ProfileIdentity
from harness.contract import blamed
from harness.data.examples import check_examples
from harness.data.folders import locate, miscounts
from harness.data.images import missing_images
from harness.errors import AbsentError, DataError, InputError, UnknownNameError
from harness.heap import uncollected
from harness.identity import identify_part
from harness.model import Model
from harness.plugin import (
    BringsData,
    EditionInfo,
    Example,
    Generates,
    ImageDigests,
    Manifest,
    Perplexity,
    Profile,
    Resizes,
    Task,
    TaskTags,
    Varies,
)
from harness.plugin.manager import Plugins
from harness.plugin.needs import capability, lacks
from harness.plugin.registry import Provider
from harness.plugin.text import encode_of
from harness.spec import DataSpec, TaskSpec
from harness.subsets import ids_digest, subset_indices


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
        return self.spec.name

    @property
    def can_be_blind(self) -> bool:
        """Whether every image has another in whose place it can be shown."""
        shown = {(e.sample.image, e.sample.second_image) for e in self.examples}
        return len(shown - {(None, None)}) > 1


def check_names(specs: Sequence[TaskSpec], data: DataSpec, plugins: Plugins) -> None:
    """Refuse unknown tasks and profiles, and folders of unknown ones, before anything is loaded.

    Raises:
        UnknownNameError: Near matches are listed.
    """
    for spec in specs:
        _, task = find_task(spec.name, plugins)
        _refuse_unknown_profile(task, spec.profile)
    for name in data.folders:
        plugins.tasks.get(name)


def find_task(name: str, plugins: Plugins) -> tuple[Provider[type[Task]], Task]:
    """The task of that name; what stands behind a colon is given to its class.

    Raises:
        UnknownNameError: There is no such task.
        InputError: Something behind a colon is missing or not wanted.
    """
    base, _, argument = name.partition(":")
    provider = plugins.tasks.get(base)
    with blamed(_title(provider)):
        wanted = TaskTags.of(provider.given).argument
    if bool(wanted) != bool(argument):
        hint = f"say {base}:NAME, the {wanted}" if wanted else f"say {base}"
        raise InputError(f"task {name!r}: {hint}")
    return provider, provider.given(*filter(None, [argument]))


def _title(provider: Provider[type[Task]]) -> str:
    origin = provider.origin
    return f"task {provider.name} of {origin.distribution} {origin.version}"


def _refuse_unknown_profile(task: Task, name: str | None) -> None:
    names = {profile.name for profile in task.profiles}
    if name is not None and name not in names:
        raise UnknownNameError(f"{task.name} profile", name, names)


@uncollected()
def open_task(
    spec: TaskSpec, data: DataSpec, cache: Path, model: Model, plugins: Plugins
) -> OpenTask:
    """Find the task, its profile and its folder, and read its examples.

    Raises:
        InputError: The model cannot do what the task needs, or the subset is empty.
        DataError: The folder or something in it is missing; it says where to get it.
    """
    provider, task = find_task(spec.name, plugins)
    with blamed(_title(provider)):
        profile, profile_identity = _settle_profile(task, spec, model)
    edition = find_edition(task, spec.name, data, cache, model, plugins)
    encode = encode_of(model.answers)
    examples = list(task.examples(edition.path, profile, encode))
    check_examples(examples, edition.path)
    if missing := missing_images(examples):
        more = f"; {len(missing) - 1:,} more are missing" if missing[1:] else ""
        raise DataError(missing[0], f"no such image{more}")
    if edition.label == "full" and not isinstance(task, BringsData):
        edition = _hold_to_counts(task.manifest, edition, len(examples))
    variant = _variant(task, edition, profile)
    examples = _take(examples, spec)
    if not examples:
        raise InputError(f"task {spec.name}: no items left to evaluate")
    with ImageDigests(cache) as images:
        input_digests = [example.sample.input_digest(images) for example in examples]
    return OpenTask(
        spec=spec,
        task=task,
        part=identify_part("task", provider, task),
        profile=profile,
        profile_identity=profile_identity,
        examples=examples,
        data=_identify_data(examples, input_digests, edition, spec, variant),
        path=edition.path,
        input_digests=input_digests,
    )


def open_tasks(
    specs: Sequence[TaskSpec], data: DataSpec, cache: Path, model: Model, plugins: Plugins
) -> tuple[list[OpenTask], list[str]]:
    """Open every task once; also why some are absent, as what they need is not here.

    Raises:
        InputError: One message with all that keeps tasks from being opened.
    """
    opened: list[OpenTask] = []
    absent: list[str] = []
    wrong: list[InputError] = []
    for place, spec in enumerate(specs):
        if spec in specs[:place]:
            continue
        try:
            opened.append(open_task(spec, data, cache, model, plugins))
        except AbsentError as error:
            absent.append(str(error))
        except InputError as error:
            wrong.append(error)
    if len(wrong) == 1:
        raise wrong[0]
    if wrong:
        raise InputError(*map(str, wrong))
    if absent and not opened:
        raise AbsentError(*absent)
    return opened, absent


def choose_profile(task: Task, name: str | None, model: Model) -> Profile:
    """The profile of that name, or the first that the model can serve; its family's goes first.

    Raises:
        UnknownNameError: There is no profile of that name.
        AbsentError: The model cannot do what it needs.
    """
    _refuse_unknown_profile(task, name)
    named = [p for p in task.profiles if name in (None, p.name) and p.family in ("", model.family)]
    able = [profile for profile in named if not _lacks(model, profile)]
    if not able:
        missing = [_lacks(model, profile) for profile in named] or [["be of another family"]]
        ways = ", or ".join(dict.fromkeys(" and ".join(lack) for lack in missing))
        raise AbsentError(
            f"task {task.name} needs a model that can {ways}; "
            f"{model.spec.name} is of family {model.family}"
        )
    return next((p for p in able if p.name == able[0].name and p.family == model.family), able[0])


def _lacks(model: Model, profile: Profile) -> list[str]:
    """What the profile needs and the model cannot do."""
    missing = [lack for need in profile.needs if (lack := lacks(model.answers, need))]
    size = profile.image_size
    if size is not None and not isinstance(model.answers, Resizes):
        return [*missing, f"take images of {size} pixels"]
    answers, window = model.answers, profile.window
    if window is not None and isinstance(answers, Perplexity) and window > answers.context:
        return [*missing, f"read {window} tokens at once"]
    return missing


def _settle_profile(task: Task, spec: TaskSpec, model: Model) -> tuple[Profile, ProfileIdentity]:
    """The task's profile with what the spec changes."""
    profile = choose_profile(task, spec.profile, model)
    changes: dict[str, Any] = {}
    if spec.prompt is not None:
        changes["prompt"] = spec.prompt
    if spec.generation is not None:
        overrides = spec.generation.model_dump(exclude_none=True)
        changes["generation"] = dataclasses.replace(profile.generation, **overrides)
    if spec.image_size is not None:
        changes["image_size"] = spec.image_size
    settled = dataclasses.replace(profile, **changes)
    if _lacks(model, settled):
        raise InputError(f"{model.spec.name} cannot {' and '.join(_lacks(model, settled))}")
    generates = Generates in map(capability, settled.needs)
    return settled, ProfileIdentity(
        name=profile.name,
        version=profile.version,
        family=profile.family,
        prompt=settled.prompt,
        generation=dataclasses.asdict(settled.generation) if generates else {},
        window=profile.window,
        image_size=settled.image_size,
        backend=model.backend.label if model.backend else "",
        changed=settled != profile,
    )


def find_edition(
    task: Task, name: str, data: DataSpec, cache: Path, model: Model, plugins: Plugins
) -> EditionInfo:
    """Where the task's folder is.

    Args:
        name: As it is asked for, with what stands behind the colon.

    Raises:
        DataError: The folder is missing; the task's manifest says how to get it.
        InputError: The edition has no such task.
    """
    own = model.bundled.given.edition if model.bundled else "full"
    found = locate(task.name, data, own, cache, plugins)
    is_there = found.path.is_dir()
    if not is_there and (task.name in data.folders or not isinstance(task, BringsData)):
        raise DataError(found.path, f"no such folder. {task.manifest.instructions()}")
    if isinstance(task, BringsData):
        argument, names = name.partition(":")[2], task.names_in(found.path) if is_there else ()
        if argument not in names:
            if found.label == "mini":
                raise UnknownNameError(f"{task.name} task of edition mini", argument, names)
            return dataclasses.replace(found, label="full")
    return found


def _hold_to_counts(manifest: Manifest, edition: EditionInfo, count: int) -> EditionInfo:
    """Whole data is ``full``; data of which nobody says how much there is are those of a folder.

    Raises:
        DataError: It is a part.
    """
    layout = manifest.layout_in(edition.path)
    for path, wrong in miscounts(layout, edition.path, count):
        raise DataError(path, f"{wrong}; a part is named as --data {manifest.task}=DIR")
    return edition if layout.is_counted else dataclasses.replace(edition, label="folder")


def _variant(task: Task, edition: EditionInfo, profile: Profile) -> str:
    """What the data is, unless it is what the task usually reads."""
    if edition.version:
        return ""
    own = task.variant(edition.path, profile) if isinstance(task, Varies) else ""
    return " ".join(filter(None, [task.manifest.layout_in(edition.path).name, own]))


def _take(examples: list[Example], spec: TaskSpec) -> list[Example]:
    if spec.subset is not None:
        ids = [example.sample.id for example in examples]
        strata = [example.stratum or example.label for example in examples]
        examples = [examples[index] for index in subset_indices(ids, strata, spec.subset)]
    return examples[: spec.limit]


def _identify_data(
    examples: Sequence[Example],
    input_digests: Sequence[str],
    edition: EditionInfo,
    spec: TaskSpec,
    variant: str,
) -> DataIdentity:
    hasher = hashlib.sha256()
    if choices := examples[0].choices:
        hasher.update(json.dumps(choices).encode())
    for example, shown in zip(examples, input_digests, strict=True):
        sample = example.sample
        row = [sample.id, sample.digest(shown), example.references, example.label, example.cluster]
        hasher.update(json.dumps(row).encode())
    ids = [example.sample.id for example in examples]
    part = f"{spec.subset} #{ids_digest(ids)}" if spec.subset is not None else ""
    part += f" first {spec.limit}" if spec.limit is not None else ""
    return DataIdentity(
        edition=edition.label,
        version=edition.version,
        digest=hasher.hexdigest(),
        items=len(examples),
        variant=variant,
        part=part.strip(),
    )
