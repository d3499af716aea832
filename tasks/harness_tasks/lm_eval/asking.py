"""Ask a live model through lm-eval's own class for Hugging Face models."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

from harness.plugin import LoadedModel
from harness_tasks.lm_eval.documents import Document
from harness_tasks.lm_eval.loading import quiet


def make_respondent(model: LoadedModel) -> Callable[[Sequence[Document]], list[Any]]:
    """A function from documents to lm-eval's raw responses: per request a list, one per repeat.

    The module is the live one, pruned or not; the tokenizer is a copy, since lm-eval may give it
    a padding token. As many sequences as there are documents pass the model at a time.
    """
    from lm_eval.models.huggingface import HFLM

    module: Any = model.module
    with quiet():
        lm = HFLM(
            pretrained=module,
            tokenizer=copy.deepcopy(model.tokenizer),  # type: ignore[attr-defined]
            backend="seq2seq" if module.config.is_encoder_decoder else "causal",
        )

    def respond(documents: Sequence[Document]) -> list[Any]:
        requests = [request for document in documents for request in document.requests]
        lm.batch_size_per_gpu = len(documents)
        answers: dict[int, list[Any]] = {}
        for kind in dict.fromkeys(request.request_type for request in requests):
            asked = [r for r in requests if r.request_type == kind for _ in range(r.repeats)]
            with quiet():
                responses = getattr(lm, kind)(asked)
            for request, response in zip(asked, responses, strict=True):
                answers.setdefault(id(request), []).append(response)
        return [[answers[id(r)] for r in document.requests] for document in documents]

    return respond
