"""Small task files of lm-eval, one per kind of request, over data that is made here."""

import json
from pathlib import Path
from typing import Any

import yaml

from tests.tiny import WORDS


def metrics(*rows: tuple[str, str, bool]) -> list[dict[str, Any]]:
    """From (name, aggregation, whether higher is better)."""
    return [{"metric": m, "aggregation": a, "higher_is_better": h} for m, a, h in rows]


ACCURACIES = metrics(("acc", "mean", True), ("acc_norm", "mean", True))
CHOICE = {
    "output_type": "multiple_choice",
    "doc_to_text": "question : {{q}} answer :",
    "doc_to_choice": "choices",
    "doc_to_target": "label",
    "metric_list": ACCURACIES,
}
ROLLING = {
    "output_type": "loglikelihood_rolling",
    "doc_to_text": "",
    "doc_to_target": "text",
    "metric_list": metrics(
        ("word_perplexity", "weighted_perplexity", False),
        ("byte_perplexity", "weighted_perplexity", False),
        ("bits_per_byte", "bits_per_byte", False),
    ),
}
TASKS: dict[str, dict[str, Any]] = {
    "choice": CHOICE,
    "choice_shot": {**CHOICE, "num_fewshot": 2},
    "choice_zero": {**CHOICE, "num_fewshot": 0},
    "blank": {  # the choices stand in the prompts
        "output_type": "multiple_choice",
        "doc_to_text": "label",
        "doc_to_choice": "choices",
        "doc_to_target": "{{q}}",
        "metric_list": ACCURACIES[:1],
    },
    "generate": {
        "output_type": "generate_until",
        "doc_to_text": "question : {{q}} answer :",
        "doc_to_target": "answer",
        "generation_kwargs": {"until": ["yes"], "max_gen_toks": 4, "do_sample": False},
        "filter_list": [
            {
                "name": name,
                "filter": [
                    {"function": "regex", "regex_pattern": pattern},
                    {"function": "take_first"},
                ],
            }
            for name, pattern in (("first-word", r"^\s*(\w+)"), ("last-word", r"(\w+)\s*$"))
        ],
        "metric_list": metrics(("exact_match", "mean", True)),
    },
    "cloze": {
        "output_type": "loglikelihood",
        "doc_to_text": "{{q}}",
        "doc_to_target": " {{answer}}",
        "metric_list": metrics(("perplexity", "perplexity", False), ("acc", "mean", True)),
    },
    "rolling": ROLLING,
    "rolling_few": {**ROLLING, "test_split": "few"},
    "few": {**CHOICE, "test_split": "few"},
    "correlated": {
        **CHOICE,
        "metric_list": metrics(("mcc", "matthews_corrcoef", True), ("acc", "mean", True)),
    },
}


def group(*names: str, by_size: bool, metric: str = "acc") -> dict[str, Any]:
    aggregate = {"metric": metric, "aggregation": "mean", "weight_by_size": by_size}
    return {"task": list(names), "aggregate_metric_list": [aggregate]}


GROUPS: dict[str, dict[str, Any]] = {
    "by_size": group("choice", "few", by_size=True),
    "by_task": group("choice", "few", by_size=False),
    "unlike": {"task": ["choice", "generate"]},
    "texts": group("rolling", "rolling_few", by_size=True, metric="word_perplexity"),
    "bit_rates": group("rolling", "rolling_few", by_size=False, metric="bits_per_byte"),
    "lost": {"task": ["choice", "arc_easy"]},
}


def row(index: int) -> dict[str, Any]:
    return {
        "q": " ".join(WORDS[index % 9 : index % 9 + 3]),
        "choices": [WORDS[index % 11], f"{WORDS[(index * 3 + 1) % 13]} {WORDS[index % 5]}", "yes"],
        "label": index % 3,
        "text": " ".join(WORDS[(index * k + k) % 20] for k in range(1, 5 + index % 7)),
        "answer": WORDS[index % 7],
    }


def write_lines(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    return str(path)


def write_tasks(folder: Path) -> Path:
    """All of `TASKS` and `GROUPS`, with 13 items, 3 of which make the short split."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row(index) for index in range(21)]
    files = {
        "test": write_lines(folder / "test.jsonl", rows[:13]),
        "few": write_lines(folder / "few.jsonl", rows[13:16]),
        "fewshot": write_lines(folder / "fewshot.jsonl", rows[16:]),
    }
    head = {
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": files},
        "test_split": "test",
        "fewshot_split": "fewshot",
        "metadata": {"version": 1.0},
    }
    for name, content in TASKS.items():
        write_yaml(folder / f"{name}.yaml", {"task": name, **head, **content})
    for name, content in GROUPS.items():
        write_yaml(folder / f"{name}.yaml", {"group": name, **content})
    return folder


def write_yaml(path: Path, content: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False))
