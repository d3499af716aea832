"""Task files and items for EleutherAI's lm-evaluation-harness: a folder for ``--include-path``."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from harness_tasks.editions.mini.scene import Draw, Scene
from harness_tasks.editions.mini.text.claims import Claim, claim
from harness_tasks.editions.mini.text.reports import article, paragraph, sentence, true_or_false

CHOICES = 4
Item = dict[str, Any]


def completion(scene: Scene, draw: Draw) -> Item:
    """A report and four sentences of which one is true, as HellaSwag asks how a text goes on."""
    report = paragraph(scene, draw)
    said = claim(scene, draw, lambda found: len(found.others) >= CHOICES - 1)
    fillers = draw.sample([said.answer, *said.others[: CHOICES - 1]], CHOICES)
    return {
        "report": report,
        "choices": [sentence(said.saying(filler)) for filler in fillers],
        "label": fillers.index(said.answer),
    }


def yes_no(scene: Scene, draw: Draw) -> Item:
    """A passage and a question that it answers, as in BoolQ."""
    passage = paragraph(scene, draw)
    question, answer = true_or_false(scene, draw)
    return {"passage": passage, "question": question, "label": ("no", "yes").index(answer)}


def cloze(scene: Scene, draw: Draw) -> Item:
    """A report whose last word is left out."""
    report = paragraph(scene, draw)
    said = claim(scene, draw, _ends_in_a_word)
    opening = said.saying("")
    return {"report": f"{report} {opening[0].upper()}{opening[1:]}".strip(), "answer": said.answer}


def _ends_in_a_word(said: Claim) -> bool:
    return said.frame.endswith("{}") and said.answer.isalpha()


def page(scene: Scene, draw: Draw) -> Item:
    """An article, for the likelihood of all its words."""
    return {"page": article(scene, draw).strip()}


#: lm-eval's task -> the split it tells of, how an item is made, and its part of the task file.
TASKS: dict[str, tuple[str, Callable[[Scene, Draw], Item], dict[str, Any]]] = {
    "mini_completion": (
        "completion",
        completion,
        {
            "output_type": "multiple_choice",
            "doc_to_text": "{{report}}",
            "doc_to_choice": "choices",
            "doc_to_target": "label",
            "metric_list": [
                {"metric": metric, "aggregation": "mean", "higher_is_better": True}
                for metric in ("acc", "acc_norm")
            ],
        },
    ),
    "mini_yes_no": (
        "yes-no",
        yes_no,
        {
            "output_type": "multiple_choice",
            "doc_to_text": "{{passage}}\n{{question}}\nAnswer:",
            "doc_to_choice": ["no", "yes"],
            "doc_to_target": "label",
            "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        },
    ),
    "mini_cloze": (
        "cloze",
        cloze,
        {
            "output_type": "generate_until",
            "doc_to_text": "{{report}}",
            "doc_to_target": "answer",
            "generation_kwargs": {"until": ["."], "max_gen_toks": 4, "do_sample": False},
            "filter_list": [
                {
                    "name": "first-word",
                    "filter": [
                        {"function": "regex", "regex_pattern": r"^\s*(\w+)"},
                        {"function": "take_first"},
                    ],
                }
            ],
            "metric_list": [
                {
                    "metric": "exact_match",
                    "aggregation": "mean",
                    "higher_is_better": True,
                    "ignore_case": True,
                }
            ],
        },
    ),
    "mini_report": (
        "report",
        page,
        {
            "output_type": "loglikelihood_rolling",
            "doc_to_text": "",
            "doc_to_target": "page",
            "metric_list": [{"metric": "word_perplexity"}, {"metric": "bits_per_byte"}],
        },
    ),
}
SUITE = {
    "group": "mini_suite",
    "task": ["mini_completion", "mini_yes_no"],
    "aggregate_metric_list": [{"metric": "acc", "aggregation": "mean", "weight_by_size": True}],
    "metadata": {"version": 1.0},
}


def write_lm_eval(folder: Path, home: Path, splits: Mapping[str, Sequence[Scene]]) -> None:
    """One YAML file and one folder of JSON lines per task, and the group ``mini_suite``.

    Args:
        home: Where `folder` will lie at last: lm-eval wants absolute paths of local files.
    """
    for task, (split, make, content) in TASKS.items():
        names = {"test": split, "fewshot": f"{split} fewshot"}
        scenes = {part: splits[name] for part, name in names.items() if name in splits}
        for part, told in scenes.items():
            draw = Draw(f"{task} {part}")
            _write_lines(folder / task / f"{part}.jsonl", (make(scene, draw) for scene in told))
        files = {part: str(home.absolute() / task / f"{part}.jsonl") for part in scenes}
        head = {
            "task": task,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": files},
            **{f"{part}_split": part for part in files},
        }
        _write_yaml(folder / f"{task}.yaml", head | content | {"metadata": {"version": 1.0}})
    _write_yaml(folder / "mini_suite.yaml", SUITE)


def _write_lines(path: Path, items: Iterable[Item]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")


def _write_yaml(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(yaml.safe_dump(dict(content), sort_keys=False), encoding="utf-8")
