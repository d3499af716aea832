"""Boards: who stands beside whom, in which order, with which marks."""

import csv
import math
from typing import Any

import pytest

from harness.asked import (
    CalibrationIdentity,
    DataIdentity,
    EvalAsked,
    Held,
    PartIdentity,
    ProfileIdentity,
    PruneAsked,
    TrainIdentity,
)
from harness.cli.boards import board_json
from harness.leaderboard import Comparison, make_boards, to_csv, to_markdown
from harness.leaderboard.sweeps import make_sweeps
from harness.record import Circumstances, EvalGot, EvalRecord, FailureRecord, PruneGot, PruneRecord
from harness.sparsity import GroupSparsity, SparsityReport

HELD = Held(device="cpu", dtype="float32", attention="sdpa")


def prune_record(
    row: str, *, sparsity: float = 0.5, seed: int | None = 0, source: str = "s"
) -> PruneRecord:
    asked = PruneAsked(
        model={"weights": "w"},
        held=HELD,
        parts=(
            PartIdentity(
                kind="local", name=row, distribution="stranger", version="0.3", source=source
            ),
        ),
        sparsity=sparsity,
        p_max=None,
        pattern=None,
        seed=seed,
        calibration=CalibrationIdentity(source="mini", samples=8, digest=str(seed)),
    )
    group = GroupSparsity(name="prunable", numel=1000, keep=int(1000 * (1 - sparsity)))
    report = SparsityReport(model=group, towers=(), blocks=(), layers=(), zeros_of_dense=0)
    got = PruneGot(
        target_keep=500, sparsity=report, budget={}, masks="m", weights=f"{row}{seed}{source}"
    )
    return PruneRecord(
        model="net",
        pruner=row,
        asked=asked,
        got=got,
        circumstances=Circumstances(
            seconds={"prune": 2.0, "score": 1.0}, peak_memory_bytes=3 * 2**20
        ),
    )


def eval_record(
    row: str,
    score: float,
    *,
    pruned: PruneRecord | None = None,
    task: str = "vqav2",
    profile: str | ProfileIdentity = "lavis",
    got: dict[str, Any] | None = None,
    **data: Any,
) -> EvalRecord:
    higher = task != "wikitext"
    asked = EvalAsked(
        model={"weights": "w"},
        pruned=pruned.key if pruned else None,
        blind=row == "blind",
        held=HELD,
        task=PartIdentity(kind="task", name=task, distribution="harness", version="1", source="t"),
        profile=(ProfileIdentity(name=profile, version=1) if isinstance(profile, str) else profile),
        data=DataIdentity(
            **({"edition": "mini", "version": "1", "digest": "d", "items": 100} | data)
        ),
        batch_size=32,
    )
    found = EvalGot(
        metric="accuracy" if higher else "perplexity",
        unit="%" if higher else "",
        higher_is_better=higher,
        **{"score": score, "low": score, "high": score, "samples": "x", **(got or {})},
    )
    return EvalRecord(
        model="net",
        row=row,
        task=task,
        asked_sparsity=pruned.asked.sparsity if pruned else 0,
        achieved_sparsity=pruned.got.sparsity.model.sparsity if pruned else 0,
        seed=pruned.asked.seed if pruned else None,
        asked=asked,
        got=found,
        circumstances=Circumstances(seconds={"evaluate": 5.0}),
    )


def difference(delta: float, low: float, high: float, p: float) -> Comparison:
    return Comparison(delta=delta, low=low, high=high, p=p)


def one_board(
    prunes: list[PruneRecord],
    evals: list[EvalRecord],
    failures: Any = (),
    comparisons: dict[str, Comparison] | None = None,
) -> Any:
    boards = make_boards(prunes, evals, failures, comparisons or {})
    assert len(boards) == 1
    return boards[0]


def test_controls_come_first_and_rows_by_what_they_keep() -> None:
    a, b, c = prune_record("a"), prune_record("b"), prune_record("c", sparsity=0.3)
    evals = [
        eval_record("a", 60, pruned=a),
        eval_record("b", 70, pruned=b),
        eval_record("c", 50, pruned=c),
        eval_record("blind", 40),
        eval_record("dense", 90),
    ]

    board = one_board([a, b, c], evals)

    assert [row.name for row in board.rows] == ["dense", "blind", "c", "b", "a"]
    assert board.rows[3].retained == pytest.approx(70 / 90)
    assert board.rows[3].origin == "stranger 0.3 (unknown source)"  # filed without its code
    assert board.rows[3].prune_seconds == 3.0


def test_the_window_that_a_row_was_calibrated_on_stands_under_the_board() -> None:
    record = prune_record("wanda")
    got = record.got.model_copy(update={"window": 128})
    windowed = record.model_copy(update={"got": got})

    def page(pruned: PruneRecord) -> str:
        return to_markdown(one_board([pruned], [eval_record("wanda", 80, pruned=pruned)]))

    assert "\n- wanda 0.5: calibrated on windows of 128 tokens\n" in page(windowed)
    assert "calibrated on windows" not in page(record)


def test_lower_is_better_for_perplexity() -> None:
    a, b = prune_record("a"), prune_record("b")
    evals = [
        eval_record("dense", 10, task="wikitext"),
        eval_record("a", 20, pruned=a, task="wikitext"),
        eval_record("b", 12.5, pruned=b, task="wikitext"),
    ]

    board = one_board([a, b], evals)

    assert [(row.name, row.retained) for row in board.rows[1:]] == [("b", 0.8), ("a", 0.5)]


def test_averages_are_over_the_tasks_that_all_rows_have() -> None:
    a, b = prune_record("a"), prune_record("b")
    evals = [
        eval_record("dense", 90),
        eval_record("dense", 50, task="gqa"),
        eval_record("a", 45, pruned=a),
        eval_record("a", 50, pruned=a, task="gqa"),
        eval_record("b", 54, pruned=b),
    ]

    rows = {row.name: row for row in one_board([a, b], evals).rows}

    assert rows["a"].retained == pytest.approx(0.5)
    assert rows["b"].retained == pytest.approx(0.6)


def test_mini_full_and_partial_rows_never_share_a_board() -> None:
    evals = [
        eval_record("dense", 90),
        eval_record("dense", 60, edition="full"),
        eval_record("dense", 61, edition="full", part="@400 #c0ffee"),
    ]

    boards = make_boards([], evals, [], {})

    assert len({board.name for board in boards}) == 3
    assert "not the real benchmark" in next(b for b in boards if b.edition == "mini").title
    assert "not comparable" in next(b for b in boards if b.is_partial).title


def test_retrained_rows_never_share_a_board_with_one_shot_ones() -> None:
    shot, tuned = prune_record("a"), prune_record("a + finetune")
    stream = TrainIdentity(source="s", samples=9, digest="d")
    tuned = tuned.model_copy(update={"asked": tuned.asked.model_copy(update={"train": stream})})
    evals = [
        eval_record("dense", 90),
        eval_record("a", 80, pruned=shot),
        eval_record("a + finetune", 88, pruned=tuned),
    ]

    plain, retrained = make_boards([shot, tuned], evals, [], {})

    assert [row.name for row in plain.rows] == ["dense", "a"]
    assert [row.name for row in retrained.rows] == ["dense", "a + finetune"]
    assert (plain.is_retrained, retrained.is_retrained) == (False, True)
    assert retrained.name == f"{plain.name}-retrained"
    assert "pruned and retrained" in to_markdown(retrained)


def test_a_model_that_keeps_its_removed_units_as_zeros_says_so() -> None:
    record = prune_record("upop")
    masked = record.model_copy(
        update={"got": record.got.model_copy(update={"units": {"block.0": 3}})}
    )
    shrunk = masked.model_copy(update={"got": masked.got.model_copy(update={"is_shrunk": True})})

    for pruned, name in ((masked, "upop (masked, not shrunk)"), (shrunk, "upop")):
        evals = [eval_record("dense", 90), eval_record("upop", 80, pruned=pruned)]
        assert [row.name for row in one_board([pruned], evals).rows] == ["dense", name]


def test_a_model_whose_pattern_is_of_permuted_inputs_says_so() -> None:
    record = prune_record("ria")
    permuted = record.model_copy(
        update={"got": record.got.model_copy(update={"is_permuted": True})}
    )

    for pruned, name in ((record, "ria"), (permuted, "ria (inputs permuted)")):
        evals = [eval_record("dense", 90), eval_record("ria", 80, pruned=pruned)]
        assert [row.name for row in one_board([pruned], evals).rows] == ["dense", name]


def test_seeds_are_averaged_with_their_spread() -> None:
    runs = [prune_record("a", seed=seed) for seed in (0, 1, 2)]
    evals = [
        eval_record("a", score, pruned=run) for run, score in zip(runs, (60, 61, 62), strict=True)
    ]
    comparisons = {
        record.key: difference(delta, delta - 5, delta + 5, 0.01)
        for record, delta in zip(evals, (-30, -29, -28), strict=True)
    }

    row = one_board(runs, [eval_record("dense", 90), *evals], (), comparisons).rows[1]
    score = next(iter(row.scores.values()))

    assert row.seeds == (0, 1, 2)
    assert (score.value, score.spread, score.delta) == (61, 1, -29)
    assert (score.low, score.high) == (-35, -23)


def test_p_values_are_adjusted_over_the_board() -> None:
    a, b = prune_record("a"), prune_record("b")
    blind = eval_record("blind", 10)
    one, other = eval_record("a", 80, pruned=a), eval_record("b", 79, pruned=b)
    comparisons = {
        blind.key: difference(-80, -81, -79, 0.0001),
        one.key: difference(-10, -20, -1, 0.03),
        other.key: difference(-11, -21, -2, 0.02),
    }

    board = one_board([a, b], [eval_record("dense", 90), blind, one, other], (), comparisons)

    assert "80.0 (-10.0 [-20.0, -1.0])*" in to_markdown(board)
    rows = {row.name: row for row in board.rows}
    assert [next(iter(rows[n].scores.values())).p for n in "ab"] == [0.04, 0.04]
    assert [next(iter(rows[n].scores.values())).q for n in "ab"] == [0.03, 0.03]


def test_a_sweep_has_its_mean_between_its_ends() -> None:
    """60, 50, 20 at 0.1, 0.2, 0.4: (5.5 + 7) / 0.3. One sparsity alone makes no sweep."""
    scores = {0.4: 20, 0.1: 60, 0.2: 50}
    runs = {sparsity: prune_record("a", sparsity=sparsity) for sparsity in scores}
    single = prune_record("b")
    evals = [
        eval_record("dense", 90),
        eval_record("dense", 80, task="gqa"),
        eval_record("b", 70, pruned=single),
        *(eval_record("a", scores[sparsity], pruned=run) for sparsity, run in runs.items()),
        eval_record("a", 40, task="gqa", pruned=runs[0.1]),
    ]
    board = one_board([single, *runs.values()], evals)

    [sweep] = make_sweeps(board)

    assert (sweep.name, sweep.sparsities) == ("a", (0.1, 0.2, 0.4))
    assert {column.task: mean for column, mean in sweep.means.items()} == {
        "vqav2": pytest.approx(12.5 / 0.3)
    }
    assert "| a | 0.1 0.2 0.4 | - | 41.7 |" in to_markdown(board)
    assert "sweep" not in to_markdown(one_board([single], evals[:3]))


def failure_of(cell: EvalRecord | PruneRecord, reason: str = "out of memory") -> FailureRecord:
    is_eval = isinstance(cell, EvalRecord)
    return FailureRecord(
        model="net",
        row=cell.row if is_eval else cell.pruner,
        task=cell.task if is_eval else None,
        sparsity=cell.asked_sparsity if is_eval else cell.asked.sparsity,
        seed=cell.seed if is_eval else cell.asked.seed,
        asked=cell.asked,
        reason=reason,
        circumstances=Circumstances(),
    )


def test_a_failed_cell_shows_and_does_not_rank() -> None:
    a = prune_record("a")
    evals = [eval_record("dense", 90), eval_record("dense", 50, task="gqa")]
    evals.append(eval_record("a", 45, pruned=a))
    failure = failure_of(eval_record("a", 0, pruned=a, task="gqa"))

    text = to_markdown(one_board([a], evals, [failure]))

    assert "| ✗ |" in text
    assert "- a 0.5: ✗ gqa/lavis failed: out of memory" in text


def test_a_profile_that_failed_is_not_hidden_by_another_of_the_same_task() -> None:
    a = prune_record("a")
    evals = [
        eval_record("dense", 90),
        eval_record("dense", 80, profile="official"),
        eval_record("a", 45, pruned=a),
    ]
    failure = failure_of(eval_record("a", 0, pruned=a, profile="official"))

    text = to_markdown(one_board([a], evals, [failure]))

    assert "| pruner | sparsity | vqav2/lavis ↑ | vqav2/official ↑ |" in text
    assert "| a | 0.500 | 45.0 | ✗ |" in text
    assert "- a 0.5: ✗ vqav2/official failed: out of memory" in text


def test_a_pruner_that_failed_has_a_row_and_spoils_no_average() -> None:
    a, b = prune_record("a"), prune_record("b")
    evals = [eval_record("dense", 90), eval_record("a", 45, pruned=a)]

    board = one_board([a], evals, [failure_of(b, "no gradient")])

    assert [(row.name, row.achieved, row.retained) for row in board.rows[1:]] == [
        ("a", 0.5, 0.5),
        ("b", None, None),
    ]
    text = to_markdown(board)
    assert "| b | ✗ | ✗ |" in text
    assert "- b 0.5: ✗ pruning failed: no gradient" in text


def test_a_failure_that_a_later_run_made_good_is_forgotten() -> None:
    """Later code gives the cell another key, but it is the same cell of the same row and seed."""
    old, new = prune_record("a", source="old"), prune_record("a", source="new")
    evals = [eval_record("dense", 90), eval_record("a", 45, pruned=new)]
    failures = [failure_of(old), failure_of(eval_record("a", 0, pruned=old))]

    board = one_board([new], evals, failures)

    assert [(row.name, row.failures) for row in board.rows] == [("dense", {}), ("a", {})]


def test_one_failed_seed_is_told_beside_the_others_mean() -> None:
    one, two = prune_record("a", seed=0), prune_record("a", seed=1)
    evals = [eval_record("dense", 90), eval_record("a", 45, pruned=one)]

    text = to_markdown(one_board([one, two], evals, [failure_of(eval_record("a", 0, pruned=two))]))

    assert "| a | 0.500 | 45.0 |" in text
    assert "- a 0.5: ✗ vqav2/lavis failed: out of memory" in text


def test_a_failure_on_a_subset_stays_off_the_whole_board() -> None:
    a = prune_record("a")
    evals = [eval_record("dense", 90), eval_record("a", 45, pruned=a)]
    failure = failure_of(eval_record("a", 0, pruned=a, part="@400 #c0ffee"))

    assert "✗" not in to_markdown(one_board([a], evals, [failure]))


def test_a_task_on_other_data_has_a_column_that_says_so() -> None:
    evals = [eval_record("dense", 90), eval_record("dense", 70, digest="other")]

    board = one_board([], evals)

    heads = [board.head(column) for column in board.columns]
    assert heads == [f"vqav2/lavis {column.source} ↑" for column in board.columns]
    assert heads == sorted(set(heads))
    assert len(board.rows[0].scores) == 2


def test_another_split_has_a_column_of_its_own_on_the_same_board() -> None:
    evals = [
        eval_record("dense", 90),
        eval_record("dense", 70, variant="dev"),
        eval_record("a", 60, pruned=prune_record("a"), variant="dev"),
    ]

    board = one_board([prune_record("a")], evals)

    assert list(map(board.head, board.columns)) == ["vqav2/lavis ↑", "vqav2/lavis dev ↑"]
    assert not board.is_partial
    assert "| a | 0.500 | - | 60.0 |" in to_markdown(board)


def test_a_board_as_data_keeps_the_profiles_of_a_task_apart() -> None:
    evals = [eval_record("dense", 90), eval_record("dense", 80, profile="official")]

    [row] = board_json(one_board([], evals))["rows"]

    assert {(s["task"], s["profile"]): s["score"] for s in row["scores"]} == {
        ("vqav2", "lavis v1"): 90,
        ("vqav2", "official v1"): 80,
    }


def test_all_metrics_and_labels_and_why_one_is_absent_are_on_every_output() -> None:
    a, b = prune_record("a", seed=0), prune_record("a", seed=1)
    got = {
        "breakdown": {"yes/no": 95.0},
        "metrics": {"BLEU-4": 0.25},
        "absent": {"SPICE": "no jar"},
    }
    other = got | {"metrics": {"BLEU-4": 0.75}}
    evals = [
        eval_record("dense", 90, got=got),
        eval_record("a", 80, pruned=a, got=got),
        eval_record("a", 82, pruned=b, got=other),
    ]
    board = one_board([a, b], evals)

    text = to_markdown(board)
    assert "| vqav2/lavis: pruner | sparsity | BLEU-4 | yes/no |" in text
    assert "| a | 0.500 | 0.5 | 95.0 |" in text
    assert "vqav2/lavis: SPICE is absent: no jar" in text
    lines = [line for line in csv.DictReader(to_csv(board).splitlines()) if line["pruner"] == "a"]
    told = [tuple(line[key] for key in "metric label main score absent".split()) for line in lines]
    assert told == [
        ("accuracy", "", "True", "81.0", ""),
        ("BLEU-4", "", "False", "0.5", ""),
        ("accuracy", "yes/no", "False", "95.0", ""),
        ("SPICE", "", "False", "", "no jar"),
    ]
    [score] = board_json(board)["rows"][1]["scores"]
    assert score["metrics"] == {"BLEU-4": 0.5}
    assert score["breakdown"] == {"yes/no": 95.0}
    assert score["absent"] == {"SPICE": "no jar"}


def test_changed_profiles_stand_apart_and_say_how_they_ask() -> None:
    plain = ProfileIdentity(name="lavis", version=1, prompt="Q: {}", changed=True)
    profiles = [plain, plain.model_copy(update={"generation": {"num_beams": 3}})]
    got = {"breakdown": {"yes/no": 95.0}}
    evals = [eval_record("dense", 90, profile=p, got=got) for p in profiles]

    board = one_board([], evals)

    text = to_markdown(board)
    assert "100 items; asked with prompt 'Q: {}'\n" in text
    assert "100 items; asked with prompt 'Q: {}', num_beams 3\n" in text
    for column in board.columns:
        assert f"| vqav2/lavis* {column.source}: pruner |" in text
    lines = list(csv.DictReader(to_csv(board).splitlines()))
    assert {line["source"] for line in lines} == {column.source for column in board.columns}


def test_an_undefined_score_is_shown_as_such_and_not_ranked_in_its_column() -> None:
    """The other column alone decides what is kept: 40 of 50 and 45 of 50."""
    a, b = prune_record("a"), prune_record("b")
    undefined = {"score": None, "low": None, "high": None, "absent": {"accuracy": "one image"}}
    evals = [
        eval_record("dense", 90),
        eval_record("dense", 50, task="gqa"),
        eval_record("a", 0, pruned=a, got=undefined),
        eval_record("a", 40, pruned=a, task="gqa"),
        eval_record("b", 10, pruned=b),
        eval_record("b", 45, pruned=b, task="gqa"),
    ]

    board = one_board([a, b], evals)

    assert [(row.name, row.retained) for row in board.rows[1:]] == [("b", 0.9), ("a", 0.8)]
    text = to_markdown(board)
    assert "| a | 0.500 | 40.0 | – | 80.0 % |" in text
    assert "vqav2/lavis: accuracy is absent in a 0.500: one image" in text
    lines = [line for line in csv.DictReader(to_csv(board).splitlines()) if line["pruner"] == "a"]
    assert [(line["task"], line["main"], line["score"], line["absent"]) for line in lines] == [
        ("gqa", "True", "40.0", ""),
        ("vqav2", "True", "", "one image"),
    ]
    scores = {s["task"]: s for s in board_json(board)["rows"][2]["scores"]}
    assert (scores["vqav2"]["score"], scores["vqav2"]["absent"]) == (
        None,
        {"accuracy": "one image"},
    )


def test_a_mean_over_seeds_that_one_lacks_is_absent_and_names_the_seed() -> None:
    runs = [prune_record("a", seed=seed) for seed in (0, 1)]
    undefined = {"score": None, "low": None, "high": None, "absent": {"accuracy": "no items"}}
    evals = [
        eval_record("a", 60, pruned=runs[0]),
        eval_record("a", 0, pruned=runs[1], got=undefined),
    ]
    comparisons = {
        evals[0].key: difference(-30, -31, -29, 0.01),
        evals[1].key: Comparison(absent={"delta": "no log"}),
    }

    [score] = one_board(runs, evals, (), comparisons).rows[0].scores.values()

    assert score.value is score.spread is score.delta is score.low is score.p is None
    assert score.absent == {"accuracy": "no items (seed 1)", "delta": "no log (seed 1)"}


@pytest.mark.parametrize(("dense", "kept"), [(0, None), (math.inf, None), (10, 0.5)])
def test_nothing_is_kept_of_a_dense_score_that_is_none(dense: float, kept: float | None) -> None:
    a = prune_record("a")
    task = "wikitext" if math.isinf(dense) else "vqav2"
    evals = [eval_record("dense", dense, task=task), eval_record("a", 5, pruned=a, task=task)]

    assert one_board([a], evals).rows[1].retained == kept


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 8},
        {"held": Held(device="cuda", dtype="float32", attention="sdpa")},
        {"held": Held(device="cpu", dtype="bfloat16", attention="sdpa")},
        {"held": Held(device="cpu", dtype="float32", attention="eager")},
    ],
)
def test_what_is_held_otherwise_stands_on_a_board_of_its_own(change: dict[str, Any]) -> None:
    one = eval_record("dense", 90)
    other = one.model_copy(update={"asked": one.asked.model_copy(update=change)})

    boards = make_boards([], [one, other], [], {})

    assert len({board.name for board in boards}) == 2
    assert [board.rows[0].seeds for board in boards] == [(), ()]


def test_a_boards_name_follows_from_its_records_alone() -> None:
    """All that it is held by is said, whatever the defaults are and what else is in the folder."""
    usual = eval_record("dense", 90)
    rare = usual.model_copy(update={"asked": usual.asked.model_copy(update={"batch_size": 1})})

    [alone] = make_boards([], [usual], [], {})
    names = {board.name for board in make_boards([], [usual, rare], [], {})}

    digest = alone.digest[:6]
    assert alone.name == f"net-{digest}-mini-cpu-float32-sdpa-batch-32"
    assert names == {alone.name, f"net-{digest}-mini-cpu-float32-sdpa-batch-1"}


def test_an_edited_plugin_makes_another_row() -> None:
    old, new = prune_record("a", source="old"), prune_record("a", source="new")
    evals = [
        eval_record("dense", 90),
        eval_record("a", 60, pruned=old),
        eval_record("a", 70, pruned=new),
    ]

    names = [row.name for row in one_board([old, new], evals).rows[1:]]

    assert len(set(names)) == 2
    assert all(name.startswith("a #") for name in names)


def test_the_order_of_records_changes_no_byte() -> None:
    a, b = prune_record("a"), prune_record("b")
    evals = [
        eval_record("dense", 90),
        eval_record("a", 60, pruned=a),
        eval_record("b", 70, pruned=b),
    ]
    one, other = one_board([a, b], evals), one_board([b, a], evals[::-1])

    assert to_markdown(one) == to_markdown(other)
    assert to_csv(one) == to_csv(other)
    assert to_csv(one).splitlines()[1].startswith("net,")
