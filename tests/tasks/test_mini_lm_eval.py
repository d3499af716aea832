"""lm-eval reads the folder of the mini edition, and the bundled language model does its tasks."""

from pathlib import Path
from typing import Any

import pytest

from harness.model import load_model
from harness.plugin.manager import Plugins
from harness.spec import ModelSpec
from harness_tasks.editions.mini import Mini

pytest.importorskip("lm_eval", reason="lm-eval is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries that only lm-eval loads

TASKS = ("mini_completion", "mini_yes_no", "mini_cloze", "mini_report")


@pytest.fixture
def manager(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    import datasets
    from lm_eval.tasks import TaskManager

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path))
    info = Mini().provide("lm_eval", cache)
    assert info is not None
    return TaskManager(include_path=str(info.path), include_defaults=False)


def test_lm_eval_reads_every_task_and_the_group(manager: Any) -> None:
    loaded = manager.load(list(TASKS))
    suite = manager.load(["mini_suite"])

    assert set(manager.all_tasks) == {*TASKS, "mini_suite"}
    assert suite["group_map"] == {"mini_suite": ["mini_completion", "mini_yes_no"]}
    for name in TASKS:
        assert len(list(loaded["tasks"][name].test_docs())) == 200
    for name in TASKS[:3]:
        assert len(list(loaded["tasks"][name].fewshot_docs())) == 20


def test_the_bundled_model_beats_chance(manager: Any, plugins: Plugins) -> None:
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM

    loaded = load_model(ModelSpec(name="mini-lm"), plugins).loaded
    model = HFLM(pretrained=loaded.module, tokenizer=loaded.tokenizer, batch_size=32)
    results = simple_evaluate(
        model=model,
        tasks=["mini_suite", "mini_cloze", "mini_report"],
        task_manager=manager,
        limit=60,
        bootstrap_iters=0,
    )["results"]

    assert results["mini_completion"]["acc,none"] >= 0.5
    assert results["mini_completion"]["acc_norm,none"] >= 0.5
    assert results["mini_cloze"]["exact_match,first-word"] >= 0.3
    assert results["mini_report"]["word_perplexity,none"] <= 4
