"""Task files for lm-eval's usual tasks over local JSON lines, for `--include-path`.

Each includes lm-eval's own task file, so that prompts, few-shot samplers and metrics are its own,
and only says where the data lie. MMLU comes as one file and is written out by subject.

python benchmarks/lm_eval_tasks.py DATA OUT
"""

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

#: Task -> lm-eval's file, our file, and what our fields want otherwise.
TASKS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "arc_easy": ("arc/arc_easy.yaml", "arc_easy", {}),
    "arc_challenge": ("arc/arc_challenge.yaml", "arc_challenge", {}),
    "hellaswag": ("hellaswag/hellaswag.yaml", "hellaswag", {}),
    "boolq": ("super_glue/boolq/default.yaml", "boolq", {"doc_to_target": "answer"}),
    "winogrande": ("winogrande/default.yaml", "winogrande", {}),
    "openbookqa": ("openbookqa/openbookqa.yaml", "openbookqa", {}),
    "piqa": ("piqa/piqa.yaml", "piqa", {}),
    "rte": ("glue/rte/default.yaml", "rte", {}),
}
MMLU_TEST, MMLU_DEV = "mmlu_test_20_per_subject", "mmlu_dev"


def own_files() -> Path:
    """Where lm-eval's own task files lie."""
    found = find_spec("lm_eval")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "tasks"


def write_task(folder: Path, name: str, include: Path, files: dict[str, str], **own: Any) -> None:
    """One task file; splits that are not among `files` are taken out."""
    splits = {f"{split}_split": split if split in files else None for split in ("training", "test")}
    content = {
        "include": str(include),
        "task": name,
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": files},
        "validation_split": None,
        **splits,
        **own,
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


def write_mmlu(data: Path, folder: Path) -> None:
    """One task per subject, with the five dev questions for prompts, and the group ``mmlu``."""
    names = []
    rows = {
        split: [
            json.loads(line)
            for line in (data / f"{file}.jsonl").read_text().rstrip("\n").split("\n")
        ]
        for split, file in (("test", MMLU_TEST), ("dev", MMLU_DEV))
    }
    for subject in sorted({row["subject"] for row in rows["test"]}):
        files = {}
        for split, found in rows.items():
            path = folder / "mmlu" / f"{subject}-{split}.jsonl"
            path.parent.mkdir(exist_ok=True)
            path.write_text(
                "".join(json.dumps(row) + "\n" for row in found if row["subject"] == subject)
            )
            files[split] = str(path)
        name = f"mmlu_{subject}"
        write_task(folder, name, own_files() / "mmlu" / "default" / f"{name}.yaml", files)
        names.append(name)
    group = {
        "group": "mmlu",
        "task": names,
        "aggregate_metric_list": [{"metric": "acc", "weight_by_size": True}],
    }
    (folder / "mmlu.yaml").write_text(yaml.safe_dump(group, sort_keys=False))


def main(data: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, (include, file, own) in TASKS.items():
        files = {"test": str((data / f"{file}.jsonl").resolve())}
        write_task(folder, name, own_files() / include, files, **own)
    write_mmlu(data, folder.resolve())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
