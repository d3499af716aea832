"""BLIP: captioning, question answering, retrieval and judging a pair.

Li et al., "BLIP: Bootstrapping Language-Image Pre-training for Unified Vision-Language
Understanding and Generation", ICML 2022 (arXiv:2201.12086), as ``BlipForConditionalGeneration``,
``BlipForQuestionAnswering`` and ``BlipForImageTextRetrieval`` of transformers, and as our own
``BlipForNlvr`` for the head that it lacks. Prunable are the linear layers of the vision,
text-encoder and text-decoder blocks.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from harness.plugin import LoadedModel, ModelFamily, ModelSpec, hookimpl
from harness_plugins.families.blip.answering import BlipAnswerer
from harness_plugins.families.blip.captioning import BlipCaptioner
from harness_plugins.families.blip.nlvr import BlipJudge
from harness_plugins.families.blip.retrieval import BlipRetriever
from harness_plugins.images import load_image_processor
from harness_plugins.pretrained import load_tokenizer, load_transformer

HEADS: Mapping[str, Callable[..., LoadedModel]] = {
    "BlipForConditionalGeneration": BlipCaptioner,
    "BlipForQuestionAnswering": BlipAnswerer,
    "BlipForImageTextRetrieval": BlipRetriever,
    "BlipForNlvr": BlipJudge,
}


class BlipFamily:
    """BLIP of any size, with any of its heads."""

    name: ClassVar[str] = "blip"

    def matches(self, config: Mapping[str, Any]) -> bool:
        return bool(HEADS.keys() & set(config.get("architectures") or ()))

    def load(self, folder: str, spec: ModelSpec) -> LoadedModel:
        module = load_transformer(folder, spec, own={"BlipForNlvr": _nlvr})
        return HEADS[type(module).__name__](
            module,
            tokenizer=load_tokenizer(folder, spec),
            processor=load_image_processor(folder, spec),
        )


def _nlvr() -> Any:
    from harness_plugins.families.blip.nlvr_module import BlipForNlvr

    return BlipForNlvr


@hookimpl
def harness_model_families() -> list[type[ModelFamily]]:
    return [BlipFamily]
