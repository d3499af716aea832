"""A cell that fails, a full disk, damaged files, signals: what is kept, and what is told."""

import errno
import gzip
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.atomic import new_folder
from harness.cli.signals import ending_alike
from harness.errors import CheckpointError, InputError, RunError, StorageError
from harness.interrupted import end_if_asked
from harness.leaderboard import compare_all
from harness.model import Model
from harness.pipeline import prune_to_folder, run
from harness.plugin.manager import Plugins
from harness.pruning import Fine, prune
from harness.resume import ResumeLog
from harness.spec import RunSpec
from harness.store import Store, log_digest
from harness.unfinished import clear_unfinished, unfinished_file
from harness_plugins.families.vit import ViT
from harness_tasks.calibration.source_files import kept_image, unpacked
from tests.end_to_end.worlds import TinyFolder, contents, image_folder, snapshot, vit_spec
from tests.unit.test_store import eval_record

Spec = Callable[..., RunSpec]


@pytest.fixture
def world(tiny_folder: TinyFolder, tmp_path: Path) -> Spec:
    data = image_folder(tmp_path / "data")

    def spec(*pruners: str, results: str = "r", **changes: Any) -> RunSpec:
        return vit_spec(tiny_folder("vit"), data, tmp_path / results, pruners, **changes)

    return spec


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("out of memory"),
        IndexError("index out of range in self"),
        InputError("refused late"),
        OSError(errno.EIO, "Input/output error"),
    ],
)
def test_an_error_of_a_cell_stops_neither_the_others_nor_the_boards(
    error: Exception, world: Spec, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = world("magnitude", "wanda")

    def fail() -> None:
        raise error

    with monkeypatch.context() as broken:
        broken.setattr("harness.prune_cell.prune", instead_of("magnitude", fail))
        outcome = run(spec, plugins)

    assert [failure.partition(":")[0] for failure in outcome.failures] == ["magnitude 0.5"]
    assert "in fail" in outcome.tracebacks[0]
    assert {r.row for r in Store(spec.results).evals()} == {"dense", "blind", "wanda"}
    [board] = outcome.boards
    assert "magnitude" in {row.name for row in board.rows}
    assert not run(spec, plugins).failures


def instead_of(pruner: str, happens: Callable[[], None]) -> Callable[..., Any]:
    """Pruning in which something happens in the place of what one pruner does."""

    def pruned(model: Model, fine: Fine, *others: Any) -> Any:
        if fine.composition.label == pruner:
            happens()
        return prune(model, fine, *others)

    return pruned


def test_an_interrupt_is_no_failure_of_a_cell(
    world: Spec, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = world("magnitude")
    interrupt = instead_of("magnitude", lambda: os.kill(os.getpid(), signal.SIGINT))
    monkeypatch.setattr("harness.prune_cell.prune", interrupt)

    with pytest.raises(KeyboardInterrupt):
        run(spec, plugins)

    assert len(list(Store(spec.results).evals())) == 4
    assert not list(Store(spec.results).failures())


def test_an_interrupt_that_a_library_swallows_ends_the_run_all_the_same(
    world: Spec, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pydantic tells an interrupt that meets it at work as an error of its own."""
    spec = world("magnitude", "wanda")

    def swallow() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            raise ValueError("error calling function") from None

    monkeypatch.setattr("harness.prune_cell.prune", instead_of("magnitude", swallow))

    with ending_alike() as ended, pytest.raises(KeyboardInterrupt):
        run(spec, plugins)

    assert ended.code == 143
    assert not list(Store(spec.results).failures())
    assert {r.row for r in Store(spec.results).evals()} == {"dense", "blind"}
    end_if_asked()  # the next command is not asked


def test_an_error_inside_the_model_is_one_line_of_prune(
    world: Spec, plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = world("wanda")
    monkeypatch.setattr("harness.prune_cell.prune", lambda *_: torch.zeros(2) @ torch.zeros(3))

    with pytest.raises(
        RunError, match=r"^wanda 0.5 seed 0: RuntimeError: .*prune_cell.py:\d+"
    ) as told:
        prune_to_folder(spec, plugins, tmp_path / "saved")

    assert told.value.exit_code == 1
    assert isinstance(told.value.__cause__, RuntimeError)
    assert not (tmp_path / "saved").exists()


@pytest.mark.parametrize("place", [0, 1, 5, 9])
def test_where_the_disk_is_full_the_run_stops_and_goes_on_later(
    place: int, world: Spec, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = contents_of_whole(world, plugins)
    spec, settle, left = world("magnitude"), os.fsync, [place]

    def full(handle: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        settle(handle)

    with monkeypatch.context() as small:
        small.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match=r"cannot be written .no room is left.;.* make room"):
            run(spec, plugins)
    assert not list(spec.results.rglob("*.part"))
    with monkeypatch.context() as watched:
        calls: list[int] = []
        classify = ViT.classify
        watched.setattr(
            ViT, "classify", lambda self, s: [calls.append(len(s)), classify(self, s)][1]
        )
        run(spec, plugins)

    if place < 2:  # dense had answered the first task, and neither log nor record was filed
        assert sum(calls) == 3 * 28 - 10
    assert contents(spec.results) == expected


def contents_of_whole(world: Spec, plugins: Plugins) -> dict[str, Any]:
    spec = world("magnitude", results="whole")
    run(spec, plugins)
    return contents(spec.results)


KINDS = {
    "prune record": "records/*/magnitude/*/*/prune-*.json",
    "eval record": "records/*/dense/*/*/eval-*.json",
    "per-sample log": "records/*/dense/*/*/*.samples.jsonl.gz",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", ["emptied", "cut", "changed"])
def test_a_damaged_file_counts_as_missing_is_told_and_made_anew(
    kind: str, damage: str, world: Spec, plugins: Plugins
) -> None:
    spec = world("magnitude")
    run(spec, plugins)
    expected, before = contents(spec.results), snapshot(spec.results / "records")
    path = min(spec.results.glob(KINDS[kind]))
    content = path.read_bytes()
    changed = {
        "eval record": content.replace(b'"transform": "mean"', b'"transform": "exp"'),
        "prune record": content.replace(b'"target_keep": ', b'"target_keep": 1'),
    }.get(kind, gzip.compress(b"{}\n"))
    path.write_bytes({"emptied": b"", "cut": content[:-20], "changed": changed}[damage])
    assert path.read_bytes() != content

    outcome = run(spec, plugins)

    [note] = outcome.notes
    assert note.startswith(str(path))
    assert note.endswith("counts as missing")
    assert contents(spec.results) == expected
    assert run(spec, plugins).notes == []
    others = {name: seen for name, seen in before.items() if name not in str(path)}
    assert snapshot(spec.results / "records").items() >= others.items()


def test_damaged_caches_are_told_and_made_anew(world: Spec, plugins: Plugins) -> None:
    spec = world("ecoflap score.samples=2")
    run(spec, plugins)
    expected = contents(spec.results)
    [scores] = spec.results.glob("cache/scores/*")
    [masks] = spec.results.glob("cache/masks/*")
    scores.write_text(scores.read_text().replace("0.", "1.", 1))
    masks.write_bytes(masks.read_bytes()[:-1] + b"\xff")
    for record in spec.results.glob("records/*/ecoflap*/*/*/eval-*"):
        record.unlink()

    notes = run(spec, plugins).notes

    assert sorted(note.partition(":")[0] for note in notes) == sorted(map(str, (scores, masks)))
    assert contents(spec.results) == expected


def test_a_batch_that_is_damaged_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with ResumeLog(path) as log:
        log.add("generate", 1, [0], ["cat"])
        log.add("generate", 1, [1], ["dog"])
    path.write_bytes(path.read_bytes().replace(b"cat", b"cap"))

    with ResumeLog(path) as log:
        assert ("generate", 0) not in log
        assert log["generate", 1] == "dog"
        assert log.damaged == 1


@pytest.mark.parametrize("line", ["\u2028", "\u2029", "\u0085", "\x0c", "\x1c"])
def test_what_looks_like_the_end_of_a_line_is_text(line: str, tmp_path: Path) -> None:
    store, rows = Store(tmp_path / "r"), []
    for row, pruned in (("dense", None), ("a", "key")):
        log = [
            {"id": f"i{line}", "cluster": "c", "output": f"a{line}b", "score": 1.0, "weight": 1.0}
        ]
        record = eval_record(100.0, row, pruned)
        got = record.got.model_copy(update={"samples": log_digest(log), "scale": 100.0})
        rows.append(record.model_copy(update={"got": got}))
        store.file_eval(rows[-1], log)
    with ResumeLog(tmp_path / "log.jsonl") as resumed:
        resumed.add("generate", 1, [0], [f"a{line}b"])

    [compared] = compare_all(store, store.evals()).values()
    assert (compared.delta, store.notes) == (0, {})
    assert [sample["output"] for sample in store.read_samples(rows[0])] == [f"a{line}b"]
    assert ResumeLog(tmp_path / "log.jsonl")["generate", 0] == f"a{line}b"


@pytest.mark.parametrize(
    ("number", "code", "told"),
    [
        (signal.SIGINT, 130, "interrupted; what was done is filed, run again to go on"),
        (signal.SIGTERM, 143, "ended by SIGTERM; what was done is filed, run again to go on"),
        (signal.SIGHUP, 129, "ended by SIGHUP; what was done is filed, run again to go on"),
    ],
)
def test_signals_end_alike_and_a_second_one_at_once(
    number: signal.Signals, code: int, told: str
) -> None:
    before = signal.getsignal(number)

    with ending_alike() as ended:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        assert signal.getsignal(number) is signal.SIG_DFL

    assert (ended.code, ended.told) == (code, told)
    assert signal.getsignal(number) is before


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending_alike():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_a_killed_process_began_is_removed_and_what_a_living_one_writes_is_not(
    tmp_path: Path,
) -> None:
    left = tmp_path / "a" / ".record.json.abcd.part"
    left.parent.mkdir()
    left.write_text("half")

    with unfinished_file(tmp_path / "a" / "other.json") as living:
        living.write_text("half")
        living.replace(living.with_suffix(".new"))  # as safetensors does
        clear_unfinished(tmp_path)
        assert living.with_suffix(".new").exists()

    assert list(left.parent.iterdir()) == []


def test_a_folder_that_a_killed_process_began_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".saved[1].abcd.part"
    left.mkdir()
    (left / "model.safetensors").write_text("half")

    with (
        pytest.raises(CheckpointError, match="cannot be written .no room is left"),
        new_folder(tmp_path / "saved[1]"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")

    assert list(tmp_path.iterdir()) == []


def test_what_was_unpacked_for_calibration_is_unpacked_anew_where_it_is_damaged(
    tmp_path: Path,
) -> None:
    packed = tmp_path / "c4.json.gz"
    packed.write_bytes(gzip.compress(b"one\ntwo\n"))
    plain = unpacked(packed, tmp_path / "cache")
    image = kept_image(b"an image", tmp_path / "cache")

    plain.write_bytes(b"one\ntwi\n")
    image.write_bytes(b"an imago")

    assert unpacked(packed, tmp_path / "cache").read_bytes() == b"one\ntwo\n"
    assert kept_image(b"an image", tmp_path / "cache").read_bytes() == b"an image"
