"""A model whose weights are NaN is filed as failed on every kind of task, and never scored."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.pipeline import run
from harness.plugin.manager import Plugins
from harness.spec import parse_spec
from harness.store import Store
from tests.end_to_end.worlds import image_folder
from tests.plugins.tiny_families import TABLE
from tests.tasks import worlds
from tests.tasks.task_files import write_tasks


def write_wikitext(folder: Path) -> None:
    folder.mkdir()
    (folder / "wiki.test.raw").write_text("a b c d " * 40)


LOGITS = "are not finite (nan); no answer can be picked by them"
LIKELIHOOD = "is nan; a model whose logits are finite gives a number"
#: Model, task, profile, what writes the task's data, the end of the reason.
CASES: list[tuple[str, str, str | None, Callable[[Path], object], str]] = [
    ("vit", "imagenet", "classifier", image_folder, LOGITS),
    ("clip", "imagenet", "zero-shot-1", worlds.write_imagenet, "no class is nearest to an image"),
    ("blip_nlvr", "nlvr2", "lavis", worlds.write_nlvr2, LOGITS),
    ("blip_vqa", "vqav2", "lavis-rank-480", worlds.write_vqav2, LOGITS),
    ("blip_vqa", "gqa", "lavis", worlds.write_gqa, LOGITS),
    ("blip_caption", "nocaps", "lavis", worlds.write_nocaps, LOGITS),
    ("blip2_t5", "gqa", "lavis", worlds.write_gqa, LOGITS),
    ("blip_retrieval", "flickr30k", "itc", worlds.write_flickr30k, "nothing to rank"),
    ("llava", "okvqa", "lmms-eval", worlds.write_okvqa, LOGITS),
    ("llama", "wikitext", "w64", write_wikitext, "items is NaN, first 0"),
    ("llama", "lm_eval:choice", None, write_tasks, LIKELIHOOD),
    ("llama", "lm_eval:cloze", None, write_tasks, LIKELIHOOD),
    ("llama", "lm_eval:rolling", None, write_tasks, LIKELIHOOD),
    ("llama", "lm_eval:generate", None, write_tasks, LOGITS),
]


@pytest.mark.parametrize(
    ("kind", "task", "profile", "write", "told"), CASES, ids=lambda part: str(part)[:20]
)
def test_nothing_is_filed_as_a_score(
    kind: str,
    task: str,
    profile: str | None,
    write: Callable[[Path], object],
    told: str,
    plugins: Plugins,
    tmp_path: Path,
) -> None:
    if task.startswith("lm_eval"):
        pytest.importorskip("lm_eval", reason="needs the extra lm-eval")
    TABLE[kind][1](tmp_path / kind)
    path = tmp_path / kind / "model.safetensors"
    tensors = {name: torch.full_like(tensor, torch.nan) for name, tensor in load_file(path).items()}
    save_file(tensors, path, metadata={"format": "pt"})
    write(tmp_path / "data")
    spec = parse_spec(
        {
            "model": {"name": str(tmp_path / kind)},
            "pruners": [{"recipe": "dense"}],
            "tasks": [{"name": task, "profile": profile}],
            "data": {"folders": {task.partition(":")[0]: str(tmp_path / "data")}},
            "results": str(tmp_path / "results"),
            "cache": str(tmp_path / "cache"),
        }
    )

    outcome = run(spec, plugins)

    store = Store(spec.results)
    failures = list(store.failures())
    assert outcome.failures
    assert not list(store.evals())
    assert {failure.row for failure in failures} >= {"dense"}
    for failure in failures:
        assert failure.task == task
        assert failure.reason.startswith("RunError: ")
        assert failure.reason.endswith(told), failure.reason
