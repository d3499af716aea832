"""A live model as the machine sees it: towers, blocks, layers, identity."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.asked import hash_of
from harness.contract import blamed, check_loaded
from harness.errors import CheckpointError, InputError, PartError
from harness.model_config import read_config, refuse_quantised
from harness.plugin import (
    Answering,
    BundledModel,
    Granularity,
    Group,
    LayerInfo,
    LoadedModel,
    ModelFamily,
    Tower,
)
from harness.plugin.faults import one_line
from harness.plugin.manager import Plugins
from harness.plugin.registry import Provider
from harness.spec import ModelSpec
from harness.versions import own_distribution

#: Where people learn to add what is not known here.
GUIDE = "docs/adding_a_model_family.md"
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True, kw_only=True)
class Model:
    """A loaded model with its prunable layers in forward order."""

    spec: ModelSpec
    family: str
    loaded: LoadedModel
    identity: Mapping[str, str]
    """Digests of the weights as loaded and of the files around them; never a path."""
    bundled: Provider[type[BundledModel]] | None = None
    backend: Answering | None = None
    """What answers tasks in the family's place, with the live weights."""
    layers: tuple[LayerInfo, ...] = field(init=False)
    _modules: Mapping[str, nn.Module] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for tower in self.loaded.towers:
            _refuse_without_layers(tower, self.spec.name)
        found = dict(_prunable_layers(self.loaded))
        if not found:
            raise InputError(f"model {self.spec.name}: no prunable layer in any tower")
        _refuse_other_matrices(self.loaded, self.spec.name)
        object.__setattr__(self, "layers", tuple(found))
        object.__setattr__(self, "_modules", {i.name: module for i, module in found.items()})
        self.loaded.module.eval().requires_grad_(False)

    @property
    def answers(self) -> Any:
        """What tasks ask: it has the capabilities that count for them."""
        return self.backend or self.loaded

    @property
    def towers(self) -> tuple[Tower, ...]:
        return tuple(self.loaded.towers)

    @property
    def blocks(self) -> list[nn.Module]:
        """The blocks of all towers in forward order."""
        return [block for tower in self.towers for _, block in tower.blocks]

    def layers_of(self, tower: str, block: int) -> tuple[LayerInfo, ...]:
        """The prunable layers of one block."""
        return tuple(i for i in self.layers if i.tower == tower and i.block == block)

    @property
    def device(self) -> torch.device:
        return next(self.loaded.module.parameters()).device

    @property
    def attention(self) -> str:
        """The attention implementation in use, where the model's config tells."""
        config = getattr(self.loaded.module, "config", None)
        return str(getattr(config, "_attn_implementation", None) or "unknown")

    def module(self, layer: LayerInfo) -> nn.Module:
        return self._modules[layer.name]

    def weight(self, layer: LayerInfo) -> Tensor:
        """The layer's live weight as (out, in); writing to it changes the model."""
        return matrix(self._modules[layer.name])

    @property
    def digest(self) -> str:
        """One hash of `identity`."""
        return hash_of(dict(self.identity))


def matrix(module: nn.Module) -> Tensor:
    """The weight of a linear layer as a view (out, in)."""
    weight = module.weight
    assert isinstance(weight, Tensor)
    return out_in(module, weight.detach())


def out_in(module: nn.Module, tensor: Tensor) -> Tensor:
    """View a tensor that lies like a layer's weight as (out, in); GPT-2's Conv1D is (in, out)."""
    return tensor.t() if type(module).__name__ == "Conv1D" else tensor


def group_layers(layers: Sequence[LayerInfo], granularity: Granularity) -> list[Group]:
    """Layers by group, in forward order."""
    members: dict[str, list[LayerInfo]] = {}
    for layer in layers:
        members.setdefault(layer.group(granularity), []).append(layer)
    return [
        Group(name=name, tower=found[0].tower, layers=tuple(found))
        for name, found in members.items()
    ]


def _prunable_layers(loaded: LoadedModel) -> Iterator[tuple[LayerInfo, nn.Module]]:
    for tower in loaded.towers:
        for index, (block_name, block) in enumerate(tower.blocks):
            for role, module in block.named_modules():
                name = f"{block_name}.{role}"
                if _is_linear(module) and loaded.prunable(name):
                    rows, columns = matrix(module).shape
                    cross = role in tower.cross_roles
                    yield (
                        LayerInfo(
                            name=name,
                            tower=tower.name,
                            block=index,
                            role=role,
                            shape=(rows, columns),
                            stream=tower.cross_stream or tower.name if cross else tower.name,
                        ),
                        module,
                    )


def _refuse_without_layers(tower: Tower, model: str) -> None:
    parts = [part for _, block in tower.blocks for part in block.modules()]
    if not any(map(_is_linear, parts)):
        kinds = sorted({type(part).__name__ for part in parts if not list(part.children())})
        raise InputError(
            f"model {model}: tower {tower.name} has {len(tower.blocks)} blocks and no linear layer "
            f"in them that could be pruned; they are made of {', '.join(kinds) or 'nothing'}"
        )


def _refuse_other_matrices(loaded: LoadedModel, model: str) -> None:
    found = {
        f"{part_name}.{name}": parameter
        for tower in loaded.towers
        for block_name, block in tower.blocks
        for part_name, part in block.named_modules(prefix=block_name)
        if not _is_linear(part) and not _is_table(part)
        for name, parameter in part.named_parameters(recurse=False)
        if parameter.squeeze().dim() > 1
    }
    missed = {name: found[name] for name in found if loaded.prunable(name)}
    if missed:
        mixtures = tuple(name.partition("expert")[0] for name in missed if "expert" in name)
        others = [name for name in missed if not name.startswith(mixtures)]
        first = next(iter(others or missed))
        why = (
            "mixtures of experts are not supported"
            if not others
            else f"a family of their own has to say that they stay as they are ({GUIDE})"
        )
        raise InputError(
            f"model {model}: {sum(i.numel() for i in missed.values()):,} weights of its blocks, "
            f"first {first} {tuple(missed[first].shape)}, are not linear layers that can be "
            f"pruned; {why}"
        )


def _is_table(module: nn.Module) -> bool:
    """Whether a part looks rows up, or has a filter of its own for each channel."""
    depthwise = isinstance(module, CONVOLUTIONS) and module.groups == module.in_channels
    return isinstance(module, nn.Embedding) or depthwise


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"


def identify(loaded: LoadedModel) -> dict[str, str]:
    """Digests of the weights and of the config, tokenizer and processor files."""
    files = {
        kind: hashlib.sha256(text.encode()).hexdigest()
        for kind, text in sorted(loaded.files().items())
    }
    return {"weights": weights_digest(loaded.module), **files}


def weights_digest(
    module: nn.Module, instead: Callable[[str, Tensor], Tensor] | None = None
) -> str:
    """Hash of names, shapes, dtypes and bytes of parameters and persistent buffers.

    The order of keys does not matter; tied tensors count once, under their first name.

    Args:
        instead: Gives what is to be hashed in place of a tensor of that name.
    """
    hasher = hashlib.sha256()
    seen: set[tuple[int, int, torch.Size]] = set()
    for name, tensor in sorted(module.state_dict().items()):
        place = (tensor.data_ptr(), tensor.storage_offset(), tensor.shape)
        if place in seen and tensor.numel():
            continue
        seen.add(place)
        hasher.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        hasher.update(tensor_bytes(tensor if instead is None else instead(name, tensor)))
    return hasher.hexdigest()


def tensor_bytes(tensor: Tensor) -> memoryview:
    """The raw bytes of a tensor, without a copy where it is contiguous on the CPU."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return memoryview(np.ascontiguousarray(flat.view(torch.uint8).numpy()).data)


def load_model(spec: ModelSpec, plugins: Plugins) -> Model:
    """Find the family of a bundled model, folder or hub id and load it.

    A family that another distribution brings goes before those that know a whole kind of models.

    Raises:
        InputError: Nothing of that name is there, it is quantised, or no family knows its
            architecture.
        CheckpointError: The weights cannot be read.
    """
    bundled = plugins.models.get(spec.name) if spec.name in plugins.models else None
    folder = str(bundled.given().folder()) if bundled else spec.name
    config = read_config(folder, spec, plugins)
    refuse_quantised(config, spec.name)
    own = own_distribution().name
    for provider in sorted(plugins.model_families, key=lambda i: i.origin.distribution == own):
        if provider.given().matches(config):
            loaded = _load(provider, folder, spec, is_own=provider.origin.distribution == own)
            return Model(
                spec=spec,
                family=provider.name,
                loaded=loaded,
                identity={} if spec.device == "meta" else identify(loaded),
                bundled=bundled,
                backend=_start_backend(loaded, folder, spec, plugins),
            )
    families = ", ".join(provider.name for provider in plugins.model_families)
    lack = f"model {spec.name}: no family for architecture {config.get('architectures')}"
    known = f"families: {families}; {GUIDE} shows how to add one"
    raise InputError("; ".join(filter(None, [lack, known, plugins.told_aside()])))


def _load(
    provider: Provider[type[ModelFamily]], folder: str, spec: ModelSpec, *, is_own: bool
) -> LoadedModel:
    """Let a family load a folder; what ours stumbles over is the folder's fault."""
    try:
        with blamed(f"model family {provider.name} of {provider.origin}"):
            return check_loaded(provider.given().load(folder, spec))
    except PartError as error:
        if not is_own or error.__cause__ is None:
            raise
        raise CheckpointError(
            f"model {spec.name}: its files make no model of family {provider.name} "
            f"({one_line(error.__cause__)})"
        ) from error.__cause__


def _start_backend(
    loaded: LoadedModel, folder: str, spec: ModelSpec, plugins: Plugins
) -> Answering | None:
    if spec.backend is None:
        return None
    backend = plugins.backends.get(spec.backend.name).given()
    return backend.start(loaded, folder, spec, spec.backend.environment)
