"""BLIP-2: vision tower, Q-Former, and T5, a decoder-only language model or a retrieval head.

Li et al., "BLIP-2: Bootstrapping Language-Image Pre-training with Frozen Image Encoders and Large
Language Models", ICML 2023 (arXiv:2301.12597), as ``Blip2ForConditionalGeneration`` and
``Blip2ForImageTextRetrieval`` of transformers. Prunable are the linear layers of the vision and
language blocks; the Q-Former, the projections, embeddings and heads are not (ECoFLaP, section 4;
588 matrices for FlanT5-XL).
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from harness.plugin import LoadedModel, ModelFamily, ModelSpec, hookimpl
from harness_plugins.families.blip2.generation import Blip2
from harness_plugins.families.blip2.retrieval import Blip2Retriever
from harness_plugins.images import load_image_processor
from harness_plugins.pretrained import load_tokenizer, load_transformer

HEADS: Mapping[str, Callable[..., LoadedModel]] = {
    "Blip2ForConditionalGeneration": Blip2,
    "Blip2ForImageTextRetrieval": Blip2Retriever,
}


class Blip2Family:
    """BLIP-2 of any size."""

    name: ClassVar[str] = "blip2"

    def matches(self, config: Mapping[str, Any]) -> bool:
        return bool(HEADS.keys() & set(config.get("architectures") or ()))

    def load(self, folder: str, spec: ModelSpec) -> LoadedModel:
        module = load_transformer(folder, spec)
        return HEADS[type(module).__name__](
            module,
            tokenizer=load_tokenizer(folder, spec),
            processor=load_image_processor(folder, spec),
        )


@hookimpl
def harness_model_families() -> list[type[ModelFamily]]:
    return [Blip2Family]
