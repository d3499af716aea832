"""What decides a number, in one place.

A cell's key is the hash of its record's `asked`. In it stand

- the model: its weights, config, tokenizer, processor and chat template as they were loaded
  (`Model.identity`; a folder that was saved pruned holds its files to its manifest, `checkpoint`);
- data, by content: every evaluated item and every calibration sample, images byte for byte;
- what was asked: options of all parts, sparsity, pattern, seed, profile, precision, device type;
- the code (this module): of the parts that were asked for (methods, task), and of what computes
  beside them: the harness's own rooms, the model's family, the sources of samples, a backend. Each
  is a `PartIdentity`, whose `source` is the hash of all that it runs (`harness.sources`) and whose
  `libraries` are the versions of what it computes with.

Where no file tells what computed it, a part cannot be identified and is refused.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any

from harness import __version__
from harness.asked import PartIdentity, PartKind, hash_of
from harness.errors import InputError
from harness.plugin import Fingerprinted
from harness.plugin.manager import Plugins
from harness.plugin.registry import Provider, Registry
from harness.sources import Code, Sources

#: The harness's rooms: these, all that they import, and all that plugins may import.
ROOMS = ("harness.prune_cell", "harness.eval_cell", "harness.dense", "harness.plugin")
#: But for these, which decide no number: they ask, hold, tell and file, and what passes through
#: them is compared with digests or stands in `asked` itself. A new room computes unless said here.
BOOKKEEPING = (
    *("harness.bench", "harness.spec", "harness.record", "harness.asked"),
    *("harness.identity", "harness.sources", "harness.imports"),
    *("harness.atomic", "harness.unfinished", "harness.store", "harness.digests"),
    *("harness.checkpoint", "harness.folder_manifest"),
    "harness.semi_structured",
    *("harness.errors", "harness.cost", "harness.versions", "harness.heap", "harness.data"),
    *("harness.entry", "harness.wording", "harness.warned", "harness.dependencies"),
    *("harness.told", "harness.escape", "harness.interrupted"),
    *("harness.plugin.faults", "harness.plugin.giving", "harness.plugin.installed"),
    *("harness.plugin.manager", "harness.plugin.registry", "harness.plugin.hookspecs"),
    *("harness.plugin.events", "harness.plugin.manifest", "harness.plugin.prerequisites"),
)
#: Libraries that check, carry and fetch: what they hand on is counted by itself.
CARRIERS = frozenset({"huggingface_hub", "pluggy", "pydantic", "safetensors", "tqdm"})
#: Kinds of which what they give is counted by content, whatever library reads it.
GIVE_DATA = ("calibration", "train")


def identify_part(kind: PartKind, provider: Provider[Any], part: object = None) -> PartIdentity:
    """Name, origin, code and all options of a part, or what stands for them (`Fingerprinted`).

    Raises:
        InputError: There is no file of its module.
    """
    options = dataclasses.asdict(part) if dataclasses.is_dataclass(type(part)) else {}  # type: ignore[call-overload]
    if isinstance(part, Fingerprinted):
        options = {**options, **part.fingerprint()}
    code = _code(provider)
    return PartIdentity(
        kind=kind,
        name=provider.name,
        distribution=provider.origin.distribution,
        version=provider.origin.version,
        source=code.digest,
        libraries={} if kind in GIVE_DATA else _computing(code),
        options=options,
    )


def identify_machine() -> PartIdentity:
    """The harness's own rooms that compute."""
    code = _machine_code()
    return PartIdentity(
        kind="machine",
        name="harness",
        distribution="pruning-harness",
        version=__version__,
        source=code.digest,
        libraries=_computing(code),
    )


def identify_beside(
    plugins: Plugins, named: Mapping[PartKind, str | None]
) -> tuple[PartIdentity, ...]:
    """What computes beside the parts that were asked for: the machine, and what has these names.

    Args:
        named: ``family``, ``calibration``, ``train``, ``backend`` -> name; None = there is none.
    """
    registries: Mapping[PartKind, Registry[Any]] = {
        "family": plugins.model_families,
        "calibration": plugins.calibration_sources,
        "train": plugins.calibration_sources,
        "backend": plugins.backends,
    }
    parts = [
        identify_part(kind, registries[kind].get(name))
        for kind, name in named.items()
        if name is not None
    ]
    return (identify_machine(), *parts)


def code_of(provider: Provider[Any], found: Sources) -> Code:
    """All that a part runs: the module of its class, those of its bases, and what they import.

    The module that its plugin entered by counts with its own file: it says what bears the name.

    Raises:
        InputError: There is no file of its module.
    """
    if not inspect.isclass(provider.given):
        return Code({"": hash_of(repr(provider.given))}, {})
    modules = list(dict.fromkeys(base.__module__ for base in provider.given.__mro__))
    entry = [provider.origin.module] if provider.origin.module else []
    code = found.follow(modules[:1], bases=modules[1:], beside=entry, without=["harness"])
    if modules[0] not in code.files:
        raise InputError(
            f"{provider.name} of {provider.origin} is of module {modules[0]}, which has no file: "
            f"its scores could not be told from those of another; install it as a package"
        )
    return code


def machine_code(found: Sources) -> Code:
    """What the harness itself computes with."""
    door = [f"harness.plugin.{name}" for name in found.modules_in("harness.plugin")]
    return found.follow([*ROOMS, *door], without=BOOKKEEPING)


def _computing(code: Code) -> dict[str, str]:
    return {name: code.libraries[name] for name in sorted(code.libraries) if name not in CARRIERS}


#: The files of this process, each read once.
_SOURCES = Sources()


@cache
def _code(provider: Provider[Any]) -> Code:
    return code_of(provider, _SOURCES)


@cache
def _machine_code() -> Code:
    return machine_code(_SOURCES)
