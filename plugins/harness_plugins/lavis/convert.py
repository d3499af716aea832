"""LAVIS's state dicts in our names and back, bit for bit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from harness.plugin import CheckpointError
from harness_plugins.lavis.architecture import Sections, Shapes, config_of
from harness_plugins.lavis.names import (
    PACKED_BIAS,
    QUERY_BIAS,
    VALUE_BIAS,
    Kind,
    insert,
    kind_of,
)


@dataclass(frozen=True)
class Converted:
    """A LAVIS checkpoint in our names."""

    kind: Kind
    config: Any
    """Of transformers."""
    tensors: Mapping[str, Tensor]
    beside: Mapping[str, Tensor]
    """What our class does without, in LAVIS's names."""

    def module(self) -> Any:
        """Our class with these weights, in eval mode."""
        module = self.kind.our_class(self.config)
        _untie(module, self.tensors)
        module.load_state_dict(self.tensors, strict=False)  # names were compared before
        return module.eval()


def from_lavis(
    state: Mapping[str, Tensor], given: Sections, tokens: Mapping[str, int] | None = None
) -> Converted:
    """Rename all tensors, infer the config, and compare names and shapes with our class.

    Args:
        given: Settings that shapes do not tell, per section of the config.
        tokens: Settings that the tokenizer decides.

    Raises:
        CheckpointError: A tensor is missing, unexpected or of another shape.
    """
    kind = recognised(state)
    tensors: dict[str, Tensor] = {}
    beside: dict[str, Tensor] = {}
    for name, tensor in state.items():
        packed = insert(name, QUERY_BIAS, PACKED_BIAS)
        if kind.is_beside(name):
            beside[name] = tensor
        elif name in kind.copied:
            _check_copy(name, tensor, state, kind)
        elif packed is not None:
            value = tensor_of(state, str(insert(name, QUERY_BIAS, VALUE_BIAS)), kind)
            tensors[packed] = torch.cat([tensor, torch.zeros_like(tensor), value])
        elif insert(name, VALUE_BIAS, QUERY_BIAS) is None:
            ours = kind.ours(name)
            if ours is None:
                raise CheckpointError(f"unexpected tensor {name} in a {kind.name}")
            tensors[ours] = tensor
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    try:
        config = config_of(kind, shapes, given, tokens or {})
    except KeyError as error:
        raise _missing(str(kind.theirs(error.args[0])), kind) from None
    _compare(kind, config, shapes)
    return Converted(kind, config, tensors, beside)


def to_lavis(kind: Kind, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Our tensors in LAVIS's names, and notes about what it has no place for.

    Raises:
        CheckpointError: A tensor has no name there, or one is missing.
    """
    made: dict[str, Tensor] = {}
    notes = []
    for name, tensor in tensors.items():
        query_bias = insert(name, PACKED_BIAS, QUERY_BIAS)
        theirs = kind.theirs(name)
        if kind.has_eva and query_bias is not None:
            query, key, value = tensor.chunk(3)
            made[query_bias] = query.clone()
            made[str(insert(name, PACKED_BIAS, VALUE_BIAS))] = value.clone()
            if key.any():
                notes.append(f"{name}: no biases of keys in EVA-CLIP; attention is blind to them")
        elif theirs is None:
            raise CheckpointError(f"unexpected tensor {name} in a {kind.architecture}")
        else:
            made[theirs] = tensor
    for name, source in {**kind.tied, **kind.copied}.items():
        made.setdefault(name, tensor_of(made, source, kind))
    return made, notes


def recognised(state: Mapping[str, Tensor]) -> Kind:
    """The kind of a state dict.

    Raises:
        CheckpointError: It is none of those in our table.
    """
    kind = kind_of(state)
    if kind is None:
        raise CheckpointError(
            f"not a model of LAVIS that has a table of names; first tensor {next(iter(state))}"
        )
    return kind


def tensor_of(state: Mapping[str, Tensor], name: str, kind: Kind) -> Tensor:
    """The tensor of that name.

    Raises:
        CheckpointError: The state dict has none.
    """
    if name not in state:
        raise _missing(name, kind)
    return state[name]


def _missing(name: str, kind: Kind) -> CheckpointError:
    return CheckpointError(
        f"a {kind.name} without {name}; what holds only a part of a model needs the other "
        f"parts before it, e.g. the language model's folder and eva_vit_g.pth"
    )


def _check_copy(name: str, tensor: Tensor, state: Mapping[str, Tensor], kind: Kind) -> None:
    source = kind.copied[name]
    if not torch.equal(tensor, tensor_of(state, source, kind)):
        raise CheckpointError(f"{name} is not equal to {source}; our class has one for both")


def _compare(kind: Kind, config: Any, shapes: Shapes) -> None:
    """Names and shapes against our class on the meta device."""
    with torch.device("meta"):
        module = kind.our_class(config)
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    tied = {str(kind.ours(name)) for name in (*kind.copied, *kind.tied)}
    for name in sorted(expected.keys() - shapes.keys() - tied):
        raise _missing(str(kind.theirs(name)), kind)
    for name in sorted(shapes.keys() - expected.keys()):
        raise CheckpointError(f"unexpected tensor {kind.theirs(name)} in a {kind.name}")
    for name, shape in shapes.items():
        if shape != expected[name]:
            raise CheckpointError(
                f"{kind.theirs(name)} is {shape}, a {kind.name} of this config has {expected[name]}"
            )


def _untie(module: Any, tensors: Mapping[str, Tensor]) -> None:
    """Give a head that transformers ties a weight of its own, if it has one."""
    head = tensors.get("language_model.lm_head.weight")
    if head is not None:
        module.language_model.lm_head.weight = torch.nn.Parameter(torch.empty_like(head))
