"""``harness run --from RECORD``: run the one cell of a record again and compare."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli import options, specs
from harness.cli.streams import say, tell
from harness.errors import InputError, RunError
from harness.wording import shown

if TYPE_CHECKING:
    from harness.record import EvalRecord, PruneRecord
    from harness.spec import RunSpec, Setting


#: Options that say, in the record's place, what of it is a path or starts a program; and where to.
SAID_ANEW = ("model", "dense", "backend", "pruner", "calibration", "train", "data", "include_path")
OWN = ("device", "results")
#: A text in a setting that is taken from a record: a choice's name, and never a path.
WORD = re.compile(r"[A-Za-z0-9_+-]*")


def replay_spec(path: Path, given: Mapping[str, Any]) -> RunSpec:
    """The spec of a record's cell, into another results folder.

    A record may be a stranger's: what it says of folders, files and programs is not taken from it;
    the options say it. Everything else is names and numbers.

    Args:
        given: The command's options, by name; None = not given.

    Raises:
        InputError: The file is no record, lies in that very results folder, or names a place that
            no option names; or an option changes what the record says.
    """
    from harness.spec import parse_spec

    options_given = {name: value for name, value in given.items() if value is not None}
    for name in options_given:
        if name not in (*SAID_ANEW, *OWN):
            raise InputError(
                f"--{name.replace('_', '-')}: does not go with --from, the record says it"
            )
    results = given["results"] or options.RESULTS
    record = _read(path)
    if results.resolve() in path.resolve().parents:
        raise InputError(
            f"--from {path}: lies in {results}, where its cell counts as done; "
            f"give another folder by --results"
        )
    try:
        recorded = parse_spec({**record.circumstances.spec, "results": "r", "cache": "c"})
    except InputError as error:
        raise InputError(f"--from {path}: circumstances.spec: {error}") from None
    content = recorded.model_dump(exclude_unset=True)
    said = specs.build_spec(config=None, **{"pruner": "dense", **options_given})
    model = {**content["model"], "device": said.model.device}
    for name, place in (("model", "name"), ("dense", "dense"), ("backend", "backend")):
        if name in options_given:
            model[place] = said.model.model_dump(exclude_unset=True)[place]
    content |= {"model": model, "results": said.results, "cache": said.cache}
    if "pruner" in options_given:
        content["pruners"] = said.model_dump(exclude_unset=True)["pruners"]
    if {"data", "include_path"} & options_given.keys():
        content["data"] = said.data
    for name in {"calibration", "train"} & options_given.keys():
        counts = {key: content.get(name, {}).get(key) for key in ("samples", "subset")}
        content[name] = specs.given(**counts) | said.model_dump(exclude_unset=True)[name]
    spec = parse_spec(content, specs.CALLED)
    _refuse_places(path, spec, options_given.keys())
    return spec


def _refuse_places(path: Path, spec: RunSpec, said: Collection[str]) -> None:
    """Refuse what a record names and the command does not: folders, files, programs."""
    for option, what in _places_in(spec):
        name = option.removeprefix("--")
        is_said = name in said or (name == "data" and "include_path" in said)
        if not is_said:
            raise InputError(
                f"--from {path}: the record names {what}; what a record says of places and "
                f"programs is not taken from it: say {option}"
            )


def _places_in(spec: RunSpec) -> Iterator[tuple[str, str]]:
    """(option that says it, what it is) of every path and program in a spec."""
    from harness.plugin.manager import load_plugins

    if spec.model.name not in load_plugins().models:
        yield "--model", f"the model {shown(spec.model.name)}"
    if spec.model.dense is not None:
        yield "--dense", f"the dense model {shown(spec.model.dense)}"
    if spec.model.backend is not None:
        environment = shown(str(spec.model.backend.environment))
        yield "--backend", f"the program of {environment}"
    for pruner in spec.pruners:
        yield from (("--pruner", what) for what in _texts_that_may_be_paths(pruner.settings))
    for option, source in (("--calibration", spec.calibration), ("--train", spec.train)):
        if source.path is not None:
            yield option, f"the samples in {shown(str(source.path))}"
        yield from ((option, what) for what in _texts_that_may_be_paths(source.options))
    for folder in filter(None, (spec.data.root, *spec.data.folders.values())):
        yield "--data", f"the data in {shown(str(folder))}"


def _texts_that_may_be_paths(settings: Mapping[str, Setting]) -> Iterator[str]:
    for key, value in settings.items():
        is_place = key.rpartition(".")[2] in ("path", "file", "folder")
        if isinstance(value, str) and (is_place or not WORD.fullmatch(value)):
            yield f"{shown(key)} {shown(value)}"


def report_replay(path: Path, results: Path, *, as_json: bool) -> None:
    """Say whether the new record equals the old one; beside JSON, on stderr.

    Raises:
        RunError: It differs, or the cell has another identity here.
    """
    from harness.record import EvalRecord
    from harness.store import Store

    old, store = _read(path), Store(results)
    new = (
        store.find_eval(old.task, old.key)
        if isinstance(old, EvalRecord)
        else store.find_prune(old.key)
    )
    if new is None:
        raise RunError(
            f"replay of {path.name}: the cell has another identity here (model, data, plugin "
            f"source or device differ)"
        )
    if new.got != old.got:
        fields = [
            name
            for name in type(old.got).model_fields
            if getattr(new.got, name) != getattr(old.got, name)
        ]
        raise RunError(f"replay of {path.name}: differs in {', '.join(fields)}")
    told = f"replay of {path.name}: equal"
    if as_json:
        tell(told)
    else:
        say(told)


def _read(path: Path) -> PruneRecord | EvalRecord:
    from harness.record import EvalRecord, PruneRecord
    from harness.store import read_record

    if path.name.startswith("prune-"):
        return read_record(path, PruneRecord)
    if path.name.startswith("eval-") and path.suffix == ".json":
        return read_record(path, EvalRecord)
    raise InputError(f"--from {path}: a record is prune-….json or eval-….json")
