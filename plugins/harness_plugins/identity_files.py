"""What decides a model beside its weights, as text: config, generation, tokenizer, processor."""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

#: What of a generation_config.json has no effect: sampling, what `generation_arguments` gives, and
#: where it came from.
OVERRIDDEN = (
    *("do_sample", "temperature", "top_k", "top_p", "min_p", "typical_p", "top_h"),
    *("epsilon_cutoff", "eta_cutoff", "num_beams", "max_length", "max_new_tokens", "min_length"),
    *("length_penalty", "transformers_version", "_from_model_config", "use_cache"),
    *("output_attentions", "output_hidden_states", "output_scores", "return_dict_in_generate"),
)
#: Keys of a config, tokenizer or processor that say where it came from, not what it does.
PROVENANCE = frozenset(
    """
    _name_or_path name_or_path transformers_version dtype torch_dtype architectures _commit_hash
    _from_model_config is_local local_files_only trust_remote_code backend tokenizer_class
    processor_class image_processor_type
    """.split()
)


def identity_files(model: Any, tokenizer: Any = None, processor: Any = None) -> dict[str, str]:
    """What was loaded beside the weights, as text, without what tells its origin.

    The config with the class that was made of it, how it generates unless told otherwise, the
    tokenizer with its chat template, the image processor.
    """
    files = {"config": _text({"class": type(model).__name__, **model.config.to_dict()})}
    if generating := _generation(model):
        files["generation"] = _text(generating)
    if tokenizer is not None:
        files["tokenizer"] = tokenizer_text(tokenizer)
    if processor is not None:
        files["images"] = _text({"class": type(processor).__name__, **processor.to_dict()})
    return files


def _generation(model: Any) -> dict[str, dict[str, Any]]:
    """What the folder says of generation: all but sampling and a profile's settings.

    Of a model that generates with transformers' defaults there is none.
    """
    settings = {
        name: part.generation_config.to_diff_dict()
        for name, part in model.named_modules()
        if getattr(part, "generation_config", None) is not None
    }
    said = {
        name: {key: value for key, value in content.items() if key not in OVERRIDDEN}
        for name, content in settings.items()
    }
    return {name: content for name, content in said.items() if content}


def tokenizer_text(tokenizer: Any) -> str:
    """What the tokenizer does: its rules or, without a fast backend, its files; its settings."""
    if hasattr(tokenizer, "backend_tokenizer"):
        rules = [str(tokenizer.backend_tokenizer.to_str())]
    else:
        with TemporaryDirectory() as folder:
            tokenizer.save_vocabulary(folder)
            rules = [path.read_bytes().hex() for path in sorted(Path(folder).iterdir())]
    settings = {
        key: value
        for key, value in tokenizer.init_kwargs.items()
        if not key.endswith("_file") and key != "chat_template"  # what it was made with
    }
    content = {
        "class": type(tokenizer).__name__,
        "rules": rules,
        "settings": settings,
        "special": tokenizer.special_tokens_map,
        "template": tokenizer.chat_template,
    }
    return _text(content)


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(_plain(content), sort_keys=True, default=str)


def _plain(content: Any) -> Any:
    """Drop provenance from nested configs too."""
    if isinstance(content, Mapping):
        return {str(k): _plain(v) for k, v in content.items() if k not in PROVENANCE}
    return content
