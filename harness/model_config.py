"""A model's ``config.json``: read as JSON, and held to what any model can be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import CheckpointError, InputError
from harness.plugin.manager import Plugins
from harness.spec import ModelSpec

#: Bytes of a config, with lists of labels; the largest known ones are a few hundred thousand.
LONGEST = 1 << 24
#: What is made one by one as a config says: a number beyond any model's would take for ever.
COUNTED = re.compile(r"(layers?|depths?|blocks?|stages?|experts|labels|groups)$")
MOST, LABELS = 10_000, 1_000_000
#: The largest side of a matrix, in rows or columns.
WIDEST = 1 << 26
SIDE = re.compile(
    r"(vocab|hidden|intermediate|embed|inner|ffn|mlp).*(size|dim)$|^(d_|n_embd$|dim$)"
)


def read_config(folder: str, spec: ModelSpec, plugins: Plugins) -> dict[str, Any]:
    """The model's ``config.json``, from a folder or the local hub cache.

    Raises:
        InputError: There is no such model.
        CheckpointError: It is no JSON object, or no model can be as it says.
    """
    path = Path(folder) / "config.json"
    try:
        path = path if path.is_file() else _cached_config(folder, spec, plugins)
        with path.open("rb") as file:
            written = file.read(LONGEST + 1)
        config = json.loads(written) if len(written) <= LONGEST else None
    except OSError as error:
        raise InputError(f"model {folder}: cannot be read ({error.strerror or error})") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not a readable config ({error})") from None
    if not isinstance(config, dict):
        raise CheckpointError(f"{path}: a config is a JSON object, not {type(config).__name__}")
    _check(path, config)
    return config


def _check(path: Path, config: Mapping[str, Any]) -> None:
    named = config.get("architectures") or []
    if not (isinstance(named, list) and all(isinstance(name, str) for name in named)):
        raise CheckpointError(f"{path}: architectures is a list of names, not {named!r:.60}")
    for key, number in _numbers(config):
        most = None
        if COUNTED.search(key):
            most = LABELS if key.endswith("labels") else MOST
        elif SIDE.search(key):
            most = WIDEST
        if most is not None and number > most:
            raise CheckpointError(f"{path}: {key} is {_short(number)}; at most {most:,} is right")


def _short(number: float) -> str:
    return f"{number:,}" if abs(number) < 1e18 else "larger than 1e18"


def _numbers(content: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """Every number with the key that it, or the list that it is in, stands under."""
    if isinstance(content, int | float) and not isinstance(content, bool):
        yield key, content
    elif isinstance(content, Mapping):
        for name, value in content.items():
            yield from _numbers(value, name)
    elif isinstance(content, list):
        for value in content:
            yield from _numbers(value, key)


def refuse_quantised(config: Mapping[str, Any], model: str) -> None:
    for part in (config, *config.values()):
        how = part.get("quantization_config") if isinstance(part, Mapping) else None
        if how:
            method = how.get("quant_method") if isinstance(how, Mapping) else how
            raise InputError(
                f"model {model}: its config says weights quantised by {method}; quantised weights "
                f"are not pruned; give the full-precision checkpoint"
            )


def _cached_config(name: str, spec: ModelSpec, plugins: Plugins) -> Path:
    if Path(name).is_dir():
        adapter = (Path(name) / "adapter_config.json").is_file()
        also = "; an adapter alone is no model: merge it into the one it was made for, and save it"
        raise CheckpointError(
            f"{name}: no config.json; a model folder has one{also if adapter else ''}"
        )
    if name.count("/") != 1 or name.startswith(("/", ".")):
        if "/" in name:
            raise InputError(f"model {name}: no such folder")
        raise plugins.models.unknown(name)
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, "config.json")
    if not isinstance(found, str):
        needed = f"{name} config.json" if spec.init == "random" else name
        raise InputError(
            f"model {name}: neither a folder nor in the local hub cache; "
            f"fetch it once with `hf download {needed}`"
        )
    return Path(found)
