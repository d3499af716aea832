"""``harness run --from RECORD``: run the one cell of a record again and compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli import options
from harness.cli.streams import say, tell
from harness.errors import InputError, RunError

if TYPE_CHECKING:
    from harness.record import EvalRecord, PruneRecord
    from harness.spec import RunSpec


def replay_spec(path: Path, *, device: str, results: Path) -> RunSpec:
    """The spec of a record's cell, into another results folder.

    Raises:
        InputError: The file is no record, or lies in that very results folder.
    """
    from harness.spec import parse_spec

    record = _read(path)
    if results.resolve() in path.resolve().parents:
        raise InputError(
            f"--from {path}: lies in {results}, where its cell counts as done; "
            f"give another folder by --results"
        )
    content: dict[str, Any] = dict(record.circumstances.spec)
    model = {**content["model"], "device": options.resolve_device(device)}
    cache = options.cache_folder()
    return parse_spec({**content, "model": model, "results": results, "cache": cache})


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
