"""Records -> boards: what may stand beside each other, in which order, with which doubts shown.

A board holds one model on one edition. Rows are ranked within a sparsity, by what they keep of the
dense score on the tasks that all of them have. Subsets and limits have boards of their own.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from harness.record import EvalRecord, FailureRecord, PruneRecord, hash_of
from harness.statistics import holm
from harness.store import Store, slug

SIGNIFICANT = 0.05
#: Rows stand on one board only within this much of the sparsity asked for.
SPARSITY_TOLERANCE = 0.005
CONTROLS = ("dense", "blind")
LABELS = {
    "mini": "miniature world: generated data, not the real benchmark",
    "full": "full data",
    "folder": "data of a local folder",
}


LEGEND = (
    "Scores stand with the difference to dense and its paired 95 % interval, clustered by image; "
    "± is the standard deviation over seeds. A star marks p < 0.05 after Holm's adjustment over "
    "the board. `kept` is the mean share of the dense score. Unstructured zeros are simulated: no "
    "speed-up is expected from them."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One task under one profile on one part of its data."""

    task: str
    profile: str
    part: str
    metric: str
    unit: str
    higher_is_better: bool
    items: int
    source: str
    """Hash of task code and data: the same words about other data are another column."""

    @property
    def head(self) -> str:
        part = f" {self.part}" if self.part else ""
        arrow = "↑" if self.higher_is_better else "↓"
        return f"{self.task}{part} {arrow}"

    @property
    def description(self) -> str:
        unit = f" ({self.unit})" if self.unit else ""
        return (
            f"{self.task}{' ' + self.part if self.part else ''}: {self.metric}{unit}, "
            f"profile {self.profile}, {self.items} items"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One row on one column, over all its seeds."""

    value: float
    spread: float | None
    """Standard deviation over seeds, with two or more."""
    delta: float | None = None
    low: float | None = None
    high: float | None = None
    """Paired 95 % interval; over several seeds the hull of theirs."""
    p: float | None = None
    """Largest over the seeds, adjusted by Holm over the board."""
    flips: float | None = None
    """Share of items whose correctness changed."""
    seconds: float = 0.0
    overlap: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One pruner at one sparsity."""

    name: str
    sparsity: float
    achieved: float
    seeds: tuple[int, ...]
    scores: Mapping[Column, Score]
    failures: Mapping[str, str]
    """Task -> reason; "" = pruning itself."""
    origin: str
    """Distributions and versions of its parts."""
    retained: float | None
    """Mean share of the dense score, over the columns that all rows of its sparsity have."""
    prune_seconds: float | None
    peak_bytes: int | None

    @property
    def is_control(self) -> bool:
        return self.name in CONTROLS


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Rows that may be compared."""

    model: str
    digest: str
    edition: str
    is_partial: bool
    held: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def name(self) -> str:
        """File name without suffix."""
        partial = "-partial" if self.is_partial else ""
        held = "" if self.held == "cpu float32" else f"-{self.held}"
        return slug(f"{self.model}-{self.digest[:6]}-{self.edition}{partial}{held}")

    @property
    def title(self) -> str:
        partial = ", parts of the splits: not comparable with whole ones" if self.is_partial else ""
        return f"{self.model} on {LABELS.get(self.edition, self.edition)}{partial}"


def make_boards(
    prunes: Iterable[PruneRecord],
    evals: Iterable[EvalRecord],
    failures: Iterable[FailureRecord],
) -> list[Board]:
    """Sort all records into boards; the order of the records does not matter."""
    pruned = {record.key: record for record in prunes}
    by_board: dict[tuple[str, str, str, bool, str], list[EvalRecord]] = {}
    for record in sorted(evals, key=lambda record: record.key):
        data = record.asked.data
        key = (
            record.model,
            hash_of(dict(record.asked.model)),
            data.edition,
            bool(data.part),
            _held(record),
        )
        by_board.setdefault(key, []).append(record)
    failed = list(failures)
    return [_make_board(key, by_board[key], pruned, failed) for key in sorted(by_board)]


def _held(record: EvalRecord) -> str:
    held = record.asked.held
    batch = "" if record.asked.batch_size == 32 else f" batch {record.asked.batch_size}"
    return f"{held.device} {held.dtype}{batch}"


def _make_board(
    key: tuple[str, str, str, bool, str],
    records: Sequence[EvalRecord],
    pruned: Mapping[str, PruneRecord],
    failures: Sequence[FailureRecord],
) -> Board:
    model, digest, edition, is_partial, held = key
    groups: dict[tuple[str, float, str], list[EvalRecord]] = {}
    for record in records:
        parts = _parts_digest(record, pruned)
        groups.setdefault((record.row, record.asked_sparsity, parts), []).append(record)
    adjusted = _adjusted_p(records)
    columns = sorted({_column(record) for record in records}, key=lambda c: (c.task, c.profile))
    names = [(name, sparsity) for name, sparsity, _ in groups]
    rows = []
    for (name, sparsity, parts), found in groups.items():
        shown = f"{name} #{parts[:6]}" if names.count((name, sparsity)) > 1 else name
        mine = [
            f
            for f in failures
            if (f.model, f.row, f.sparsity) == (model, name, sparsity)
            and hash_of(dict(f.asked.model)) == digest
        ]
        rows.append(_make_row(shown, sparsity, found, pruned, adjusted, mine))
    return Board(
        model=model,
        digest=digest,
        edition=edition,
        is_partial=is_partial,
        held=held,
        columns=tuple(columns),
        rows=tuple(_ranked(rows)),
    )


def _parts_digest(record: EvalRecord, pruned: Mapping[str, PruneRecord]) -> str:
    prune = pruned.get(record.asked.pruned or "")
    if prune is None:
        return ""
    parts = [part.model_dump(mode="json") for part in prune.asked.parts]
    calibration = prune.asked.calibration
    source = [calibration.source, calibration.samples] if calibration else []
    return hash_of([parts, source])


def _column(record: EvalRecord) -> Column:
    asked, got = record.asked, record.got
    profile = asked.profile
    source = [asked.data.digest, asked.task.source, profile.model_dump(mode="json")]
    return Column(
        task=record.task,
        profile=f"{profile.label} v{profile.version}",
        part=asked.data.part,
        metric=got.metric,
        unit=got.unit,
        higher_is_better=got.higher_is_better,
        items=asked.data.items,
        source=hash_of(source)[:6],
    )


def _adjusted_p(records: Sequence[EvalRecord]) -> dict[str, float]:
    """Record key -> its p adjusted over all comparisons of the board but the blind ones."""
    compared = [r for r in records if r.got.comparison is not None and r.row not in CONTROLS]
    values = [r.got.comparison.p for r in compared if r.got.comparison is not None]
    return {record.key: p for record, p in zip(compared, holm(values), strict=True)}


def _make_row(
    name: str,
    sparsity: float,
    records: Sequence[EvalRecord],
    pruned: Mapping[str, PruneRecord],
    adjusted: Mapping[str, float],
    failures: Sequence[FailureRecord],
) -> Row:
    by_column: dict[Column, list[EvalRecord]] = {}
    for record in records:
        by_column.setdefault(_column(record), []).append(record)
    made = {
        record.key: record
        for record in (pruned.get(r.asked.pruned or "") for r in records)
        if record is not None
    }
    costs = [record.circumstances for record in made.values()]
    peaks = [cost.peak_memory_bytes for cost in costs if cost.peak_memory_bytes is not None]
    done = {record.task for record in records}
    return Row(
        name=name,
        sparsity=sparsity,
        achieved=fmean(record.achieved_sparsity for record in records),
        seeds=tuple(sorted({r.seed for r in records if r.seed is not None})),
        scores={column: _score(found, adjusted) for column, found in by_column.items()},
        failures={f.task or "": f.reason for f in failures if f.task not in done},
        origin=_origin(made.values()),
        retained=None,
        prune_seconds=fmean(sum(c.seconds.values()) for c in costs) if costs else None,
        peak_bytes=max(peaks) if peaks else None,
    )


def _score(records: Sequence[EvalRecord], adjusted: Mapping[str, float]) -> Score:
    values = [record.got.score for record in records]
    comparisons = [r.got.comparison for r in records if r.got.comparison is not None]
    score = Score(
        value=fmean(values),
        spread=stdev(values) if len(values) > 1 else None,
        seconds=fmean(sum(r.circumstances.seconds.values()) for r in records),
        overlap=max(record.got.calibration_overlap for record in records),
    )
    if not comparisons:
        return score
    flips = [
        (c.worse + c.better) / c.items
        for c in comparisons
        if c.worse is not None and c.better is not None
    ]
    p_values = [adjusted[record.key] for record in records if record.key in adjusted]
    return replace(
        score,
        delta=fmean(c.delta for c in comparisons),
        low=min(c.low for c in comparisons),
        high=max(c.high for c in comparisons),
        p=max(p_values) if p_values else None,
        flips=fmean(flips) if flips else None,
    )


def _origin(records: Iterable[PruneRecord]) -> str:
    parts = {f"{p.distribution} {p.version}" for record in records for p in record.asked.parts}
    return ", ".join(sorted(parts))


def _ranked(rows: Sequence[Row]) -> list[Row]:
    """Dense and blind first, then by sparsity, then by what is kept of the dense score."""
    controls = sorted((row for row in rows if row.is_control), key=lambda r: CONTROLS.index(r.name))
    dense = next((row for row in controls if row.name == "dense"), None)
    ranked = []
    for sparsity in sorted({row.sparsity for row in rows if not row.is_control}):
        group = [row for row in rows if row.sparsity == sparsity and not row.is_control]
        shared = [c for c in group[0].scores if all(c in row.scores for row in group)]
        group = [replace(row, retained=_retained(row, dense, shared)) for row in group]
        # Rows that miss the sparsity stand after those that meet it, without a rank.
        ranked += sorted(group, key=lambda r: (not _meets(r), -(r.retained or 0.0), r.name))
    return [*controls, *ranked]


def _meets(row: Row) -> bool:
    return abs(row.achieved - row.sparsity) <= SPARSITY_TOLERANCE


def _retained(row: Row, dense: Row | None, columns: Sequence[Column]) -> float | None:
    shares = []
    for column in columns:
        if dense is None or column not in dense.scores:
            return None
        ours, theirs = row.scores[column].value, dense.scores[column].value
        top, bottom = (ours, theirs) if column.higher_is_better else (theirs, ours)
        shares.append(top / bottom if bottom and math.isfinite(bottom) else 0.0)
    return fmean(shares) if shares and _meets(row) else None


def write_boards(store: Store, digest: str | None = None) -> list[Board]:
    """Rewrite ``leaderboards/`` from all records; returns the boards of one model, or all."""
    boards = make_boards(store.prunes(), store.evals(), store.failures())
    for board in boards:
        store.write_leaderboard(f"{board.name}.md", to_markdown(board))
        store.write_leaderboard(f"{board.name}.csv", to_csv(board))
    return [board for board in boards if digest is None or board.digest == digest]


def to_markdown(board: Board) -> str:
    """The board as a Markdown page; no time stamp, so equal records give equal bytes."""
    heads = [
        "pruner",
        "sparsity",
        *(c.head for c in board.columns),
        "kept",
        "prune",
        "peak",
        "from",
    ]
    lines = [
        f"# {board.title}",
        "",
        f"Model digest `{board.digest[:12]}`, held as {board.held}.",
        "",
        *(f"- {column.description}" for column in board.columns),
        "",
        "| " + " | ".join(heads) + " |",
        "|" + "---|" * len(heads),
        *("| " + " | ".join(_cells(row, board.columns)) + " |" for row in board.rows),
        "",
        LEGEND,
    ]
    notes = [f"- {row.name} {row.sparsity:g}: {n}" for row in board.rows for n in _notes(row)]
    return "\n".join([*lines, *(["", *notes] if notes else [])]) + "\n"


def _notes(row: Row) -> list[str]:
    notes = [f"✗ {task or 'pruning'} failed: {why}" for task, why in row.failures.items()]
    notes += [
        f"{score.overlap} items of {column.task} show what it was calibrated on"
        for column, score in row.scores.items()
        if score.overlap
    ]
    if not row.is_control and not _meets(row):
        notes.append(f"asked {row.sparsity:g}, achieved {row.achieved:.4f}: not ranked")
    return notes


def _cells(row: Row, columns: Sequence[Column]) -> list[str]:
    seeds = f" ({len(row.seeds)} seeds)" if len(row.seeds) > 1 else ""
    return [
        f"{row.name}{seeds}",
        "" if row.is_control else f"{row.achieved:.3f}",
        *(score_text(row, column) for column in columns),
        "" if row.retained is None else f"{100 * row.retained:.1f} %",
        "" if row.prune_seconds is None else f"{row.prune_seconds:.1f} s",
        "" if row.peak_bytes is None else f"{row.peak_bytes / 2**20:.0f} MiB",
        row.origin,
    ]


def score_text(row: Row, column: Column) -> str:
    """``81.2 (−3.1 [−4.0, −2.2])*``; ``-`` = not run, ``✗`` = failed."""
    score = row.scores.get(column)
    if score is None:
        return "✗" if column.task in row.failures or "" in row.failures else "-"
    text = number(score.value, column)
    if score.spread is not None:
        text += f" ± {number(score.spread, column)}"
    if score.delta is None or score.low is None or score.high is None:
        return text
    star = "*" if score.p is not None and score.p < SIGNIFICANT else ""
    low, high = number(score.low, column), number(score.high, column)
    return f"{text} ({number(score.delta, column, sign=True)} [{low}, {high}]){star}"


def number(value: float, column: Column, *, sign: bool = False) -> str:
    """Percentages with one digit, other scores with three significant ones below 10."""
    digits = 1 if column.unit == "%" or abs(value) >= 100 else 2 if abs(value) >= 10 else 3
    return f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"


def to_csv(board: Board) -> str:
    """One line per row and column, numbers in full."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(
        "model digest edition partial held pruner sparsity achieved seeds task profile part metric "
        "items score spread delta low high p flips kept prune_seconds eval_seconds peak_bytes "
        "origin".split()
    )
    for row in board.rows:
        for column, score in sorted(row.scores.items(), key=lambda pair: pair[0].task):
            cells = [
                board.model, board.digest, board.edition, board.is_partial, board.held,
                row.name, row.sparsity, row.achieved, " ".join(map(str, row.seeds)),
                column.task, column.profile, column.part, column.metric, column.items,
                score.value, score.spread, score.delta, score.low, score.high, score.p,
                score.flips, row.retained, row.prune_seconds, score.seconds, row.peak_bytes,
                row.origin,
            ]  # fmt: skip
            writer.writerow(["" if cell is None else cell for cell in cells])
    return buffer.getvalue()
