"""Adapters beside a model's weights: merged by PEFT where it is installed, else refused.

An adapter (LoRA; Hu et al., ICLR 2022, arXiv:2106.09685) changes the model, so weights that are
read without it are another model's.
"""

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.plugin import CheckpointError
from harness_plugins.weight_files import shipped

CONFIG, TENSORS, PICKLE = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"


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
    if find_spec("peft") is None:
        raise CheckpointError(
            f"{folder}: {CONFIG} says that an adapter belongs to its weights; have it merged by "
            f"pip install 'harness[adapters]', or merge it once: PeftModel.from_pretrained(model, "
            f"folder).merge_and_unload().save_pretrained(...)"
        )
    return found[CONFIG].parent


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
    for kind in ("missing", "unexpected"):
        if keys := sorted(getattr(report, f"{kind}_keys")):
            raise KeyError(f"{len(keys)} {kind} tensors, first {keys[0]}")
    return wrapped.merge_and_unload(safe_merge=True)
