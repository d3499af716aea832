"""Filed records: ranked by ``leaderboard``, replayed by ``run --from``."""

import json
import shutil
from pathlib import Path
from random import Random
from typing import Any

from harness.cli.replay import replay_spec
from harness.leaderboard import write_boards
from harness.pipeline import run
from harness.plugin.manager import Plugins
from harness.store import DIGEST, Store
from tests.end_to_end.worlds import image_folder, vit_spec
from tests.fuzz.judging import Area, Attempt
from tests.fuzz.nasty import a_changed_json_file, change_bytes
from tests.fuzz.words import run_whole
from tests.plugins.tiny_families import TABLE

PLACES = "/a/strangers/place"


class Records:
    """A results folder with one record at a time changed and put back."""

    def __init__(self, root: Path, plugins: Plugins) -> None:
        (root / "vit").mkdir(parents=True)
        TABLE["vit"][1](root / "vit")
        self.root, self.results = root, root / "results"
        data = image_folder(root / "data")
        run(vit_spec(root / "vit", data, self.results, ("magnitude", "wanda")), plugins)
        shutil.rmtree(self.results / "cache", ignore_errors=True)
        self.files = sorted(path for path in self.results.rglob("records/**/*") if path.is_file())
        self.records = [path for path in self.files if path.suffix == ".json"]

    def ranked(self, draw: Random) -> Attempt:
        path = draw.choice(self.records if draw.random() < 0.85 else self.files)
        before = path.read_bytes()
        change = a_changed_json_file if path.suffix == ".json" else change_bytes
        after = signed(change(draw, before)) if draw.random() < 0.7 else change(draw, before)

        def give() -> str:
            path.write_bytes(after)
            try:
                words = ["leaderboard", "--results", str(self.results)]
                run_whole([*words, *["--json"] * draw.randrange(2)])
                return what_is_no_number(write_boards(Store(self.results)))
            finally:
                path.write_bytes(before)
                shutil.rmtree(self.results / "leaderboards", ignore_errors=True)

        return f"{path.name} {after[:200]!r}", give

    def replayed(self, draw: Random) -> Attempt:
        path = draw.choice(self.records)
        after = a_changed_json_file(draw, path.read_bytes())
        if draw.random() < 0.5:
            content = json.loads(path.read_bytes())
            spec = content["circumstances"]["spec"]
            spec |= {"model": {"name": "mini-clip"}, "data": {}, "calibration": {}, "train": {}}
            _name_a_place(draw, spec)
            after = json.dumps(content).encode()
        given = self.root / "given" / path.name

        def give() -> str:
            given.parent.mkdir(exist_ok=True)
            given.write_bytes(after)
            options = dict.fromkeys((*GIVEN, "results"))
            spec = replay_spec(given, options)
            said = spec.model_dump_json(exclude={"results", "cache"})
            return f"{PLACES} is taken from a record" if PLACES in said else ""

        return f"--from {path.name} {after[-300:]!r}", give


def signed(content: bytes) -> bytes:
    """A record as one of an older harness, which holds no hashes: what it says is taken for it."""
    try:
        record = json.loads(content)
    except (ValueError, RecursionError):
        return content
    if isinstance(record, dict):
        record.pop(DIGEST, None)
    return json.dumps(record).encode()


GIVEN = (
    *("config", "model", "pruner", "sparsity", "seed", "tasks", "data", "include_path"),
    *("calibration", "train", "finetune", "device", "dtype", "images", "backend", "init"),
    *("ignore_tensors", "dense", "batch_size", "limit", "pattern"),
)


def _name_a_place(draw: Random, spec: dict[str, Any]) -> None:
    """Let the record name a folder, a file or a program, or nothing that is one."""
    place = PLACES
    settings = {"recipe": "wanda", "budget": "from-file", "settings": {"budget.path": place}}
    spec |= draw.choice(
        [
            {},
            {"model": {"name": place}},
            {"model": {"name": "mini-clip", "dense": place}},
            {"model": {"name": "mini-clip", "backend": {"name": "lavis", "environment": place}}},
            {"pruners": [settings]},
            {"calibration": {"source": "captions", "path": place}},
            {"calibration": {"source": "captions", "options": {"split": place}}},
            {"train": {"source": "captions", "path": place}},
            {"data": {"root": place}},
            {"data": {"folders": {"lm_eval": place}}},
            {"results": place},
            {"cache": place},
        ]
    )


def what_is_no_number(boards: Any) -> str:
    """A score on a board that is no number."""
    for board in boards:
        for row in board.rows:
            for score in row.scores.values():
                if score.value != score.value:
                    return f"{row.name} has a score that is no number"
    return ""


def areas(root: Path, plugins: Plugins) -> list[Area]:
    records = Records(root, plugins)
    return [
        Area("records on boards", records.ranked, 6),
        Area("records replayed", records.replayed, 6),
    ]
