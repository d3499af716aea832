"""Ask a live model through lm-eval's own class for Hugging Face models."""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from harness.plugin import LoadedModel, RunError
from harness_tasks.lm_eval.documents import Document
from harness_tasks.lm_eval.loading import quiet

if TYPE_CHECKING:
    from torch import Tensor


def make_respondent(model: LoadedModel) -> Callable[[Sequence[Document]], list[Any]]:
    """A function from documents to lm-eval's raw responses: per request a list, one per repeat.

    The module is the live one, pruned or not; the tokenizer is a copy, since lm-eval may give it
    a padding token. As many sequences as there are documents pass the model at a time. Logits that
    are no numbers are a RunError: lm-eval would pick answers by them.
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
            picks = kind == "generate_until"
            with quiet(), _finite_steps(module, documents) if picks else nullcontext():
                responses = getattr(lm, kind)(asked)
            for request, response in zip(asked, responses, strict=True):
                answers.setdefault(id(request), []).append(response)
        found = [[answers[id(r)] for r in document.requests] for document in documents]
        for document, of_requests in zip(documents, found, strict=True):
            _check_likelihoods(document, of_requests)
        return found

    return respond


@contextmanager
def _finite_steps(module: Any, documents: Sequence[Document]) -> Iterator[None]:
    """Refuse texts whose tokens were picked, at any step, by logits that are no numbers.

    lm-eval puts the requests into an order of its own, so that all items are named.
    """
    import torch

    best: list[Tensor] = []
    handle = module.register_forward_hook(
        lambda _module, _inputs, output: best.append(output.logits[:, -1].amax(dim=1))
    )
    try:
        yield
    finally:
        handle.remove()
    found = torch.cat(best)
    bad = found[~found.isfinite()]
    if len(bad):
        names = ", ".join(repr(document.id) for document in documents)
        raise RunError(
            f"logits of an item among {names} are not finite ({float(bad[0])}); no answer can be "
            f"picked by them"
        )


def _check_likelihoods(document: Document, responses: Sequence[Sequence[Any]]) -> None:
    """A log-likelihood may be -inf, of what the model rules out; NaN and +inf are none."""
    for response in (each for repeats in responses for each in repeats):
        value = response[0] if isinstance(response, tuple) else response
        if isinstance(value, float) and not value < math.inf:
            raise RunError(
                f"a log-likelihood of item {document.id!r} is {value}; a model whose logits are "
                f"finite gives a number"
            )
