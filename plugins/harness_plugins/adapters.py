"""Adapters beside a model's weights: merged by PEFT where it is installed, else refused.

An adapter (LoRA; Hu et al., ICLR 2022, arXiv:2106.09685) changes the model, so weights that are
read without it are another model's.
"""

import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from safetensors import safe_open

from harness.plugin import CheckpointError
from harness_plugins.weight_files import shipped

CONFIG, TENSORS, PICKLE = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
#: Between the name of a layer and what a LoRA has for it.
LORA = ".lora_"


def find_adapter(folder: str) -> Path | None:
    """The folder of the adapter that lies beside a model's weights, if one does.

    Raises:
        CheckpointError: It cannot be merged here; the message says how to.
    """
    found = shipped(folder, (CONFIG, TENSORS, PICKLE))
    if not found:
        return None
    for needed in (CONFIG, TENSORS):
        if needed not in found:
            also = f"; {PICKLE} is a pickle, which is never opened here" if PICKLE in found else ""
            raise CheckpointError(f"{folder}: holds {', '.join(found)} without {needed}{also}")
    if why := why_not_merged():
        raise CheckpointError(f"{folder}: {why}")
    return found[CONFIG].parent


def why_not_merged() -> str:
    """Why adapters cannot be merged here; empty if they can."""
    if find_spec("peft") is not None:
        return ""
    return (
        f"{CONFIG} says that an adapter belongs to its weights; have it merged by "
        f"pip install 'pruning-harness[adapters]', or merge it once: "
        f"PeftModel.from_pretrained(model, folder).merge_and_unload().save_pretrained(...)"
    )


def merge_adapter(model: Any, adapter: Path) -> Any:
    """The model with an adapter's changes in its weights, as if it had been saved so.

    Raises:
        CheckpointError: The adapter has no weights to merge, or is of another model or a PEFT that
            knows more.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of what PEFT asks transformers
            warnings.simplefilter("error", UserWarning)  # of what it would leave out
            return _merged(model, adapter)
    except (OSError, ValueError, LookupError, TypeError, RuntimeError, UserWarning) as error:
        raise CheckpointError(
            f"{adapter}: cannot merge the adapter ({' '.join(str(error).split())})"
        ) from None


def _merged(model: Any, adapter: Path) -> Any:
    from peft import PeftConfig, PeftModel

    config = PeftConfig.from_pretrained(str(adapter))
    if config.is_prompt_learning:
        raise TypeError(f"it is of type {config.peft_type.value}, which has no weights")
    wrapped = PeftModel(model, config)
    report = wrapped.load_adapter(str(adapter), "default")
    missing = _missing_halves(config, adapter, report.missing_keys)
    for kind, keys in (("missing", missing), ("unexpected", report.unexpected_keys)):
        if keys:
            raise LookupError(f"{len(keys)} {kind} tensors, first {min(keys)}")
    return wrapped.merge_and_unload(safe_merge=True)


def _missing_halves(config: Any, adapter: Path, missing: Sequence[str]) -> list[str]:
    """Missing tensors, but for those of layers that a LoRA says nothing of.

    PEFT starts such a layer at B = 0, so that its weights stay, unless the config says otherwise.
    """
    if getattr(config, "init_lora_weights", None) is not True:
        return list(missing)
    with safe_open(adapter / TENSORS, framework="pt") as file:
        told = {name.partition(LORA)[0] for name in file.keys()}  # noqa: SIM118
    return [name for name in missing if name.partition(LORA)[0] in told]
