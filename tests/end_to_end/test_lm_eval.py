"""lm-eval's tasks by the command line: on tiny models, and on real data where they are at hand."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Run
from tests.end_to_end.worlds import TinyFolder
from tests.tasks.task_files import write_tasks

pytest.importorskip("lm_eval", reason="needs the extra lm-eval")
ROOT = Path(__file__).parent.parent.parent


def read_board(results: Path) -> list[dict[str, str]]:
    [path] = (results / "leaderboards").glob("*.csv")
    lines = csv.DictReader(path.read_text().splitlines())
    return [line for line in lines if line["main"] == "True"]


def test_tasks_and_groups_stand_on_a_board_with_metric_and_filter(
    harness: Run, tiny_folder: TinyFolder, tmp_path: Path
) -> None:
    write_tasks(tmp_path / "tasks")
    command = (
        *("run", "--model", str(tiny_folder("llama")), "--pruner", "magnitude"),
        *("--tasks", "lm_eval:by_size,lm_eval:choice/1shot,lm_eval:generate,lm_eval:rolling@9"),
        *("--include-path", str(tmp_path / "tasks")),
    )

    first, second = harness(*command), harness(*command)

    assert first.returncode == 0, first.stderr
    assert "8 cells evaluated, 0 filed before" in first.stdout
    assert "0 cells evaluated, 8 filed before" in second.stdout
    for word in ("it/s", "Traceback", "Warning"):
        assert word not in first.stderr
    pages = [page.read_text() for page in (tmp_path / "results" / "leaderboards").glob("*.md")]
    whole, part = sorted(pages, key=lambda page: "not comparable" in page)
    heads = ("by_size acc,none", "choice/1shot acc,none", "generate exact_match,first-word")
    assert "".join(f" lm_eval:{head} ↑ |" for head in heads) in whole
    assert re.search(r"\| lm_eval:rolling @\S+ #\w+ word_perplexity,none ↓ \|", part)
    assert re.search(r"\| lm_eval:by_size: pruner \| sparsity \|.* choice \| few \|", whole)
    tables = [page.read_text() for page in (tmp_path / "results" / "leaderboards").glob("*.csv")]
    lines = [line for table in tables for line in csv.DictReader(table.splitlines())]
    [line] = [
        line
        for line in lines
        if (line["task"], line["pruner"], line["main"]) == ("lm_eval:by_size", "magnitude", "True")
    ]
    assert line["items"] == "16"
    assert 0 <= float(line["flips"]) <= 1
    assert float(line["low"]) <= float(line["delta"]) <= float(line["high"])


def test_a_model_that_is_no_language_model_is_refused(
    harness: Run, tiny_folder: TinyFolder, tmp_path: Path
) -> None:
    write_tasks(tmp_path / "tasks")
    done = harness(
        *("eval", "--model", str(tiny_folder("vit")), "--tasks", "lm_eval:choice"),
        *("--include-path", str(tmp_path / "tasks")),
    )

    assert done.returncode == 2
    assert "task lm_eval needs a model that can serve as a language model" in done.stderr


#: Parts, so that it takes seconds; MMLU's holds two questions of every subject.
USUAL = {
    "arc_easy@60": 0.25,
    "arc_challenge@60": 0.25,
    "hellaswag@60": 0.25,
    "boolq@60": 0.5,
    "winogrande@60": 0.5,
    "openbookqa@60": 0.25,
    "piqa@60": 0.5,
    "rte@60": 0.5,
    "mmlu/5shot@114": 0.25,
}


def test_the_usual_tasks_run_on_real_data(harness: Run, tmp_path: Path) -> None:
    """A children's-story model of 260,000 weights guesses."""
    data = Path(os.environ.get("HARNESS_DATA", "/nowhere"))
    model = data / "models" / "stories260k"
    if not (data / "lm_eval").is_dir() or not model.is_dir():
        pytest.skip("HARNESS_DATA names no folder with lm_eval/*.jsonl and models/stories260k")
    writer = [sys.executable, str(ROOT / "benchmarks" / "lm_eval_tasks.py")]
    subprocess.run([*writer, str(data / "lm_eval"), str(tmp_path / "tasks")], check=True)

    done = harness(
        *("eval", "--model", str(model), "--include-path", str(tmp_path / "tasks")),
        *("--tasks", ",".join(f"lm_eval:{name}" for name in USUAL)),
    )

    assert done.returncode == 0, done.stderr
    rows = {row["task"].removeprefix("lm_eval:"): row for row in read_board(tmp_path / "results")}
    assert len(rows) == len(USUAL)
    for name, chance in USUAL.items():
        row = rows[re.split("[/@]", name)[0]]
        assert (row["metric"], row["items"]) == ("acc,none", name.partition("@")[2])
        assert abs(float(row["score"]) - chance) < 0.3, row
