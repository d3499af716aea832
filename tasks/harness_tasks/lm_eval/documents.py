"""Documents: what lm-eval asks of a model for one item, as one example of ours."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.plugin import DataError, Example, InputError, Sample
from harness_tasks.lm_eval.loading import Suite, quiet

#: Parts of a task's config that say where data lie; the data themselves are hashed.
PLACES = ("dataset_path", "dataset_name", "dataset_kwargs", "metadata")


@dataclass(frozen=True)
class Document:
    """One item of a task with its requests."""

    id: str
    task: str
    doc: Any
    """As the data set has it."""
    requests: Sequence[Any]
    """``lm_eval.api.instance.Instance``, in lm-eval's order; one per answer to choose from."""

    @property
    def length(self) -> int:
        """Characters of the longest request."""
        return max(len(text) for text in self.texts)

    @property
    def texts(self) -> list[str]:
        """What the model reads, one text per request."""
        return ["".join(part for part in r.args if isinstance(part, str)) for r in self.requests]


def build_documents(suite: Suite) -> list[Document]:
    """All items of all tasks, with prompts and few-shot examples as lm-eval builds them.

    Raises:
        InputError: A task shows pictures, or runs what a model writes.
        DataError: A prompt cannot be built.
    """
    documents = []
    for name, task in suite.tasks.items():
        if getattr(task, "MULTIMODAL", False):
            raise InputError(f"lm_eval task {name} shows images or sound; only text is asked here")
        if getattr(task, "UNSAFE_CODE", False):
            raise InputError(f"lm_eval task {name} would run code that the model writes")
        try:
            with quiet():
                task.build_all_requests()
        except Exception as error:  # a task file may run code of its own
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            shots = task.get_config("num_fewshot")
            source = _source(task)
            raise DataError(source, f"no {shots}-shot prompts for {name} ({reason})") from error
        by_item: dict[int, list[Any]] = {}
        for request in task.instances:
            by_item.setdefault(request.doc_id, []).append(request)
        documents += [
            Document(f"{name}/{index}", name, found[0].doc, sorted(found, key=lambda r: r.idx))
            for index, found in by_item.items()
        ]
    return documents


def _source(task: Any) -> Any:
    return (task.get_config("metadata") or {}).get("config_source", task.task_name)


def to_example(document: Document, suite: Suite) -> Example:
    """The label tells tasks of a group apart; every item stands for itself."""
    answers = _answers(suite.tasks[document.task], document.doc)
    return Example(
        sample=Sample(
            id=document.id,
            prompt="\n".join(dict.fromkeys(document.texts)),
            target=answers[0] if answers else "",
        ),
        references=answers,
        label=document.task if len(suite.tasks) > 1 else "",
        cluster=document.id,
    )


def _answers(task: Any, doc: Any) -> tuple[str, ...]:
    """What counts as right, in words; nothing where the text itself is scored."""
    if task.OUTPUT_TYPE == "loglikelihood_rolling":
        return ()
    target = task.doc_to_target(doc)
    choices: Sequence[Any] = ()
    if task.get_config("doc_to_choice") is not None:
        choices = task.doc_to_choice(doc)
        if task.multiple_input:  # the choices stand in the prompts, and this tells the right one
            target = task.doc_to_text(doc)
    found = target if isinstance(target, list) else [target]
    named = dict(enumerate(choices))
    return tuple(str(named.get(each, each)) for each in found)


def digest_tasks(suite: Suite) -> str:
    """Hash of what the tasks say, but for where their data lie."""
    configs = {
        name: {key: value for key, value in task.dump_config().items() if key not in PLACES}
        for name, task in suite.tasks.items()
    }
    text = json.dumps(configs, sort_keys=True, default=lambda part: type(part).__qualname__)
    return hashlib.sha256(text.encode()).hexdigest()
