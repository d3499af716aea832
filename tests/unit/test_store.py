"""Records are written once, whole, and found again by their key."""

import json
import threading
from pathlib import Path

import pytest

from harness.circumstances import Circumstances
from harness.errors import DataError
from harness.record import (
    DataIdentity,
    EvalAsked,
    EvalGot,
    EvalRecord,
    FailureRecord,
    Held,
    PartIdentity,
    ProfileIdentity,
)
from harness.resume import ResumeLog
from harness.store import Store, log_digest, read_record, slug


def eval_record(score: float = 50.0, row: str = "dense", pruned: str | None = None) -> EvalRecord:
    asked = EvalAsked(
        model={"weights": "w"},
        pruned=pruned,
        blind=False,
        held=Held(device="cpu", dtype="float32", attention="sdpa"),
        task=PartIdentity(
            kind="task", name="vqav2", distribution="harness", version="1", source="s"
        ),
        profile=ProfileIdentity(name="lavis", version=1),
        data=DataIdentity(edition="mini", version="1", digest="d", items=2),
        batch_size=32,
    )
    got = EvalGot(
        metric="VQA accuracy",
        unit="%",
        higher_is_better=True,
        score=score,
        low=score - 1,
        high=float("inf"),
        samples=log_digest([{"id": "1", "score": 0.5}]),
    )
    return EvalRecord(
        model="Mini Model",
        row=row,
        task="vqav2",
        asked_sparsity=0.0,
        achieved_sparsity=0.0,
        seed=None,
        asked=asked,
        got=got,
        circumstances=Circumstances(host="here"),
    )


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    store, record = Store(tmp_path), eval_record()

    path = store.file_eval(record, [{"id": "1", "score": 0.5}])

    assert path.relative_to(tmp_path).as_posix() == (
        f"records/mini-model/dense/0/seedless/eval-vqav2-{record.key[:12]}.json"
    )
    assert store.find_eval("vqav2", record.key) == record
    assert list(store.evals()) == [record]
    assert list(store.read_samples(record)) == [{"id": "1", "score": 0.5}]
    assert json.loads(path.read_text())["got"]["high"] == "Infinity"


def test_the_key_leaves_circumstances_out() -> None:
    record = eval_record()
    elsewhere = record.model_copy(update={"circumstances": Circumstances(host="there")})

    assert record.key == elsewhere.key


def test_a_filed_record_is_never_overwritten(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = store.file_eval(eval_record(50.0), [{"id": "1"}])
    before = path.read_bytes()

    store.file_eval(eval_record(60.0), [{"id": "2"}])

    assert path.read_bytes() == before
    assert not list(tmp_path.rglob(".*.json.*")), "temporary files are left"


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    records = [eval_record(pruned=str(index)) for index in range(20)]
    threads = [
        threading.Thread(target=store.file_eval, args=(record, [{"id": record.key}]))
        for record in records * 2
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {record.key for record in store.evals()} == {record.key for record in records}


def test_a_leaderboard_is_rewritten_only_when_bytes_change(tmp_path: Path) -> None:
    store = Store(tmp_path)

    assert store.write_leaderboard("a.md", "one")
    assert not store.write_leaderboard("a.md", "one")
    assert store.write_leaderboard("a.md", "two")


def test_a_failure_is_filed_apart(tmp_path: Path) -> None:
    store, record = Store(tmp_path), eval_record()
    failure = FailureRecord(
        model=record.model,
        row=record.row,
        task="vqav2",
        sparsity=0,
        seed=None,
        asked=record.asked,
        reason="out of memory",
        circumstances=Circumstances(),
    )

    store.file_failure(failure)

    assert store.find_eval("vqav2", record.key) is None
    assert [f.reason for f in store.failures()] == ["out of memory"]


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    path = Store(tmp_path).file_eval(eval_record(), [])
    path.write_text("{}")

    with pytest.raises(DataError, match=r"eval-vqav2-.*not a EvalRecord: model is missing"):
        read_record(path, EvalRecord)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Salesforce/blip2-flan-t5-xl", "salesforce-blip2-flan-t5-xl"),
        ("ecoflap score.eps=0.01", "ecoflap-score.eps-0.01"),
        ("..", "unnamed"),
    ],
)
def test_slugs(text: str, expected: str) -> None:
    assert slug(text) == expected


def test_a_resume_log_survives_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with ResumeLog(path) as log:
        log.add("generate", 2, [3, 0], ["yes", "no"])
    with path.open("a") as file:
        file.write('["generate", 2, [[1, "hal')

    with ResumeLog(path) as log:
        assert log["generate", 3] == "yes"
        assert log["generate", 0] == "no"
        assert ("generate", 1) not in log
        assert ("match", 0) not in log
        log.add("generate", 5, [1], ["red"])

    with ResumeLog(path) as log:
        assert log["generate", 1] == "red"
        assert log.batch_sizes == {2: 2, 5: 1}
