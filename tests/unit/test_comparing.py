"""Evaluations beside the dense one: from their logs alone, whatever was there first."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.leaderboard import compare_all, items_of, make_boards, to_markdown, write_boards
from harness.record import EvalGot, EvalRecord
from harness.store import Store, encode, log_digest, read_record
from tests.unit.test_leaderboard import eval_record, prune_record

PRUNED = prune_record("a")
#: Ten items of five images: dense has all right, the pruned model five.
DENSE, HALF = [1.0] * 10, [1.0, 0.0] * 5


def log_of(scores: list[float], clusters: int = 5, **changes: Any) -> list[dict[str, Any]]:
    return [
        {"id": str(i), "cluster": str(i % clusters), "score": score, "weight": 1.0} | changes
        for i, score in enumerate(scores)
    ]


def file(
    store: Store,
    row: str,
    log: list[dict[str, Any]],
    *,
    score: float | None = math.nan,
    change: Callable[[dict[str, Any]], Any] = lambda got: got,
    **made_of: Any,
) -> EvalRecord:
    """File an evaluation whose score is the mean of its log in percent, unless said otherwise."""
    pruned = None if row in ("dense", "blind") else PRUNED
    record = eval_record(row, 0, pruned=pruned)
    made_of = {"scale": 100.0, "is_correctness": True} | made_of
    if score is not None and math.isnan(score):
        score = made_of["scale"] * sum(line["score"] for line in log) / len(log)
    told = {"score": score, "samples": log_digest(log), **made_of}
    got = EvalGot.model_validate(change(record.got.model_dump() | told))
    record = record.model_copy(update={"got": got})
    store.file_eval(record, log)
    return record


def the_pruned(store: Store) -> Any:
    """The row's score on the one board there is."""
    [board] = write_boards(store)
    [row] = [row for row in board.rows if row.name == "a"]
    [score] = row.scores.values()
    return score


def log_file(store: Store, row: str) -> Path:
    [path] = store.root.glob(f"records/*/{row}/*/*/*.samples.jsonl.gz")
    return path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    store.file_prune(PRUNED)
    return store


def test_a_dense_run_that_comes_later_is_compared_with_all_that_was_there(store: Store) -> None:
    file(store, "a", log_of(HALF))

    before = the_pruned(store)
    file(store, "dense", log_of(DENSE))
    after = the_pruned(store)

    assert before.delta is before.p is before.q is before.low is None
    assert before.absent == {"delta": "the dense model has no score here yet"}
    assert (after.value, after.delta, after.flips, after.absent) == (50, -50, 0.5, {})
    # Every image loses one of its two items: five sums of -1, which two of 2^5 patterns reach.
    assert (after.low, after.high) == (-50, -50)
    assert after.p == 2 / 2**5


def test_the_order_of_filing_changes_no_byte(tmp_path: Path) -> None:
    pages = []
    for name, rows in (("one", ("a", "dense")), ("other", ("dense", "a"))):
        store = Store(tmp_path / name)
        store.file_prune(PRUNED)
        for row in rows:
            file(store, row, log_of(DENSE if row == "dense" else HALF))
            write_boards(store)
        pages.append({p.name: p.read_bytes() for p in (store.root / "leaderboards").iterdir()})

    assert pages[0] == pages[1]
    assert len(pages[0]) == 2


@pytest.mark.parametrize("row", ["a", "dense"])
def test_without_the_log_of_either_there_is_no_delta_and_the_board_says_so(
    store: Store, row: str
) -> None:
    file(store, "a", log_of(HALF))
    file(store, "dense", log_of(DENSE))
    log_file(store, row).unlink()

    score = the_pruned(store)

    why = f"the per-sample log of {row} is missing, or not the one that was filed"
    assert (score.value, score.delta, score.absent) == (50, None, {"delta": why})
    [page] = store.root.glob("leaderboards/*.md")
    assert f"vqav2/lavis: delta is absent in a 0.500: {why}" in page.read_text()


def test_a_log_of_another_digest_is_not_compared(store: Store, tmp_path: Path) -> None:
    file(store, "a", log_of(HALF))
    file(store, "dense", log_of(DENSE))
    other = Store(tmp_path / "other")
    file(other, "dense", log_of(DENSE, output="edited"))
    log_file(store, "dense").write_bytes(log_file(other, "dense").read_bytes())

    assert "not the one that was filed" in the_pruned(store).absent["delta"]


def test_a_score_that_is_not_made_of_its_log_is_not_compared(store: Store) -> None:
    file(store, "a", log_of(HALF), score=51)
    file(store, "dense", log_of(DENSE))

    assert the_pruned(store).absent == {"delta": "the per-sample log of a does not give its score"}


def test_every_log_is_read_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [file(store, row, log_of(HALF)) for row in ("a", "blind", "dense")]
    read = store.read_samples
    opened: list[str] = []
    monkeypatch.setattr(store, "read_samples", lambda r: [opened.append(r.row), read(r)][1])

    compared = compare_all(store, records)

    assert sorted(opened) == ["a", "blind", "dense"]
    assert compared.keys() == {records[0].key, records[1].key}


def test_one_item_has_a_difference_and_no_interval(store: Store) -> None:
    file(store, "a", log_of([0.5]), is_correctness=False)
    file(store, "dense", log_of([0.75]))

    score = the_pruned(store)

    assert (score.delta, score.low, score.high, score.flips) == (-25, None, None, None)
    assert score.absent == {"interval of delta": "one item: no interval"}
    [page] = store.root.glob("leaderboards/*.md")
    assert "| 50.0 (-25.0) |" in page.read_text()
    assert "inf" not in page.read_text().replace("-sdpa", "")


def test_an_infinite_score_has_no_difference(store: Store) -> None:
    """exp of 800 is no float; the difference to it is none either."""
    made_of = {"scale": 1.0, "transform": "exp", "is_correctness": False}
    file(store, "a", log_of([800.0, 800.0]), score=math.inf, **made_of)
    file(store, "dense", log_of([0.0, 0.0]), score=1.0, **made_of)

    score = the_pruned(store)

    assert (score.value, score.delta, score.p) == (math.inf, None, None)
    assert score.absent == {"delta": "inf against 1.0 for dense"}


def test_an_undefined_score_has_no_difference(store: Store) -> None:
    absent = {"absent": {"accuracy": "one image"}}
    file(store, "a", log_of(HALF, score=None), score=None, **absent)
    file(store, "dense", log_of(DENSE))

    score = the_pruned(store)

    assert (score.value, score.delta) == (None, None)
    assert score.absent == {"accuracy": "one image", "delta": "the score of a is undefined"}


@pytest.mark.parametrize(
    ("unit", "metric", "scores", "score"),
    [
        ("%", "accuracy", HALF, 50.0),
        ("", "word_perplexity,none", HALF, math.exp(0.5)),
        ("", "CIDEr-D", HALF, 0.5),
    ],
)
def test_an_old_record_is_read_and_compared_anew(
    store: Store, unit: str, metric: str, scores: list[float], score: float
) -> None:
    """It holds a comparison, which is left aside, and does not say how its score is made."""
    for row, log in (("a", log_of(scores)), ("dense", log_of(scores))):
        record = file(store, row, log, score=score)
        [path] = store.root.glob(f"records/*/{row}/*/*/eval-*.json")
        content = json.loads(path.read_text())
        del content["digest"]
        got = content["got"] | {"unit": unit, "metric": metric}
        for name in ("transform", "scale", "is_correctness"):
            del got[name]
        got["comparison"] = {"delta": -77.0, "worse": 3 if unit else None} if row == "a" else None
        path.write_text(json.dumps(content | {"got": got}))
        old = read_record(path, EvalRecord)
        assert (old.key, b"comparison" in encode(old)) == (record.key, False)
        assert items_of(store, old).main() == pytest.approx(score)

    found = the_pruned(store)

    assert (found.value, found.delta, found.absent) == (score, 0, {})
    assert found.flips == (0 if unit else None)


def test_boards_without_comparisons_say_nothing_of_them() -> None:
    [board] = make_boards([PRUNED], [eval_record("a", 5, pruned=PRUNED)], [], {})

    assert "absent" not in to_markdown(board)
