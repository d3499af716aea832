"""T5 and FlanT5: an encoder reads the prompt, a decoder says the answer.

Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer",
JMLR 2020 (arXiv:1910.10683), as ``T5ForConditionalGeneration`` of transformers. Prunable are the
linear layers of the blocks; embeddings, relative position biases and the head are not.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from harness.plugin import ModelFamily, ModelSpec, Sample, hookimpl
from harness_plugins.language import Prompted, language_towers
from harness_plugins.pretrained import load_tokenizer, load_transformer, target_text


class T5(Prompted):
    """A loaded T5; a calibration text without a prompt is cut in two, as ECoFLaP cuts C4."""

    _encodes = True

    def __init__(self, module: Any, *, tokenizer: Any) -> None:
        super().__init__(module, tokenizer=tokenizer)
        self.tokenizer = tokenizer
        self.towers = language_towers(module)

    def collate(self, samples: Sequence[Sample]) -> Any:
        halves = [self._halves(sample) for sample in samples]
        return self._paired([read for read, _ in halves], [said for _, said in halves], {})

    def _halves(self, sample: Sample) -> tuple[list[int], list[int]]:
        """What is read and what is said: prompt and target, or two halves of the target."""
        target = self._ids(target_text(sample))
        if sample.prompt:
            return self._prompt_ids(sample.prompt), target
        middle = len(target) // 2
        return [*target[:middle], self._tokenizer.eos_token_id], target[middle:]


class T5Family:
    """Any size of ``T5ForConditionalGeneration``."""

    name: ClassVar[str] = "t5"

    def matches(self, config: Mapping[str, Any]) -> bool:
        return "T5ForConditionalGeneration" in (config.get("architectures") or ())

    def load(self, folder: str, spec: ModelSpec) -> T5:
        module = load_transformer(folder, spec)
        return T5(module, tokenizer=load_tokenizer(folder, spec))


@hookimpl
def harness_model_families() -> list[type[ModelFamily]]:
    return [T5Family]
