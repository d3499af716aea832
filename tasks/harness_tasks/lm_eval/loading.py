"""Find one of lm-eval's tasks or groups, in a folder of task files or among the bundled ones.

Reading the bundled files takes seconds, so they are read only for a name that the folder lacks.
"""

import difflib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.plugin import DataError, InputError

#: What `datasets` calls files on disk, where a hub's data set would have its id.
FILE_FORMATS = ("json", "csv", "parquet", "text", "arrow", "pandas", "xml")
#: The seed of few-shot examples that lm-eval uses unless told otherwise.
FEWSHOT_SEED = 1234


@dataclass(frozen=True)
class Suite:
    """A task, or all tasks of a group or a tag, with their data."""

    name: str
    tasks: Mapping[str, Any]
    """Name -> ``lm_eval.api.task.Task``, in lm-eval's order."""
    group: Any | None
    """``lm_eval.api.group.Group``; None for a single task and for a tag."""


@contextmanager
def quiet() -> Iterator[None]:
    """Inside it lm-eval tells errors only, and nobody draws bars into our own progress."""
    from tqdm.std import tqdm

    log = logging.getLogger("lm_eval")
    level, draw = log.level, tqdm.__init__

    def draw_nothing(bar: Any, *args: Any, **kwargs: Any) -> None:
        draw(bar, *args, **{**kwargs, "disable": True})

    log.setLevel(logging.ERROR)
    tqdm.__init__ = draw_nothing
    try:
        yield
    finally:
        log.setLevel(level)
        tqdm.__init__ = draw


@contextmanager
def templates_compiled_once() -> Iterator[None]:
    """Inside it lm-eval compiles each Jinja template once, not anew for every field of every item.

    Prompts stay the same; writing them takes a fraction of the time.
    """
    from lm_eval.utils import env

    env.from_string = cache(env.from_string)
    try:
        yield
    finally:
        del env.from_string


def find_manager(folder: Path | None) -> Any:
    """lm-eval's index of the task files in `folder`.

    Raises:
        InputError: lm-eval is not installed.
    """
    return _index(folder, bundled=False)


@cache
def _bundled_manager(folder: Path | None) -> Any:
    """The same, and of its own; kept, since it takes seconds and one run may name many tasks."""
    return _index(folder, bundled=True)


def _index(folder: Path | None, *, bundled: bool) -> Any:
    if why := why_no_lm_eval():
        raise InputError(why)
    from lm_eval.tasks import TaskManager

    with quiet():
        return TaskManager(include_path=folder, include_defaults=bundled)


def why_no_lm_eval() -> str:
    """Why lm-eval's tasks cannot be asked here; empty if they can."""
    missing = [name for name in ("lm_eval", "accelerate") if find_spec(name) is None]
    if not missing:
        return ""
    return f"lm_eval tasks need {' and '.join(missing)}: pip install 'pruning-harness[lm-eval]'"


def load_suite(name: str, folder: Path) -> Suite:
    """Load the tasks of that name and their data; the folder's go before bundled ones.

    Raises:
        InputError: There is no such name; near matches are listed.
        DataError: A task file or a data set cannot be read.
    """
    own = folder if folder.is_dir() else None
    manager = find_manager(own)
    if not _is_known(name, manager):
        manager = _bundled_manager(own)
    if name not in manager.all_tasks:
        near = difflib.get_close_matches(name, manager.all_tasks, n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else "`lm-eval ls tasks` lists its own"
        raise InputError(f"lm_eval has no task {name!r}; {hint}")
    try:
        with quiet():
            loaded = manager.load(name)
    except Exception as error:  # a task file may run code of its own
        raise _explain(name, folder, manager, error) from error
    return Suite(name, loaded["tasks"], loaded["groups"].get(name))


def _is_known(name: str, manager: Any) -> bool:
    """Whether the manager has it, and by name all members of a group."""
    entry = manager.task_index.get(name)
    if entry is None:
        return False
    members = (entry.cfg or {}).get("task") if entry.kind.name == "GROUP" else ()
    return all(_is_known(m, manager) for m in members or () if isinstance(m, str))


def _explain(name: str, folder: Path, manager: Any, error: Exception) -> DataError:
    """One line for what went wrong while tasks were loaded."""
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    entries = list(_leaves(name, manager))
    hub = [
        e.cfg for e in entries if e.cfg and e.cfg.get("dataset_path") not in (*FILE_FORMATS, None)
    ]
    lost = [cfg for cfg in hub if cfg["dataset_path"] in reason] or hub
    if not lost:
        path = entries[0].yaml_path if len(entries) == 1 else folder
        return DataError(path or folder, f"lm-eval cannot load {name} ({reason})")
    place = [lost[0]["dataset_path"], lost[0].get("dataset_name")]
    wanted = ", ".join(repr(part) for part in place if part)
    return DataError(
        Path(place[0]),
        f"not in the local Hugging Face cache, and lm_eval:{name} wants it ({reason}). Run "
        f'python -c "import datasets; datasets.load_dataset({wanted})" once with a network and '
        f"without HF_HUB_OFFLINE, or give task files for data of your own by --include-path DIR",
    )


def _leaves(name: str, manager: Any) -> Iterator[Any]:
    """Index entries of the single tasks behind a name."""
    entry = manager.task_index.get(name)
    if entry is None:
        return
    match entry.kind.name:
        case "GROUP":
            for member in (entry.cfg or {}).get("task") or ():
                inner = member if isinstance(member, str) else member.get("task")
                if isinstance(inner, str):
                    yield from _leaves(inner, manager)
        case "TAG":
            for member in sorted(entry.tags):
                yield from _leaves(member, manager)
        case _:
            yield entry


def set_shots(tasks: Sequence[Any], shots: int | None) -> None:
    """Fix number and seed of the examples in every prompt, as lm-eval's own evaluation does.

    Args:
        shots: None = as each task says, none where it does not.

    Raises:
        InputError: A task has no prompt with examples; lm-eval would quietly leave them out.
    """
    for task in tasks:
        own = task.get_config("num_fewshot")
        if shots and own == 0:
            raise InputError(
                f"lm_eval task {task.task_name} says num_fewshot: 0, which lm-eval never changes; "
                f"ask for its profile default"
            )
        task.set_config(key="num_fewshot", value=(own or 0) if shots is None else shots)
        task.set_fewshot_seed(seed=FEWSHOT_SEED)
