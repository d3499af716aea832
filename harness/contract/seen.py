"""Whose it was, and what was seen in place of what is right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from harness.errors import HarnessError, PartError
from harness.plugin.faults import one_line


@contextmanager
def blamed(title: str) -> Iterator[None]:
    """Let errors of the work inside name the part whose it is, and where it was.

    Raises:
        PartError: A contract was broken, or the part's code raised what no part raises on purpose.
    """
    try:
        yield
    except PartError as error:
        raise PartError(f"{title}: {error}") from error.__cause__
    except HarnessError:
        raise
    except Exception as error:
        raise PartError(f"{title}: raised {one_line(error)}") from error


def kind_of(value: Any) -> str:
    """What a value is, for a message: ``a numpy.ndarray``, ``a torch.int64 tensor (4, 8)``."""
    if isinstance(value, Tensor):
        where = "" if value.device.type == "cpu" else f" on {value.device}"
        return f"a {value.dtype} tensor {tuple(value.shape)}{where}"
    if value is None:
        return "None"
    kind = value if isinstance(value, type) else type(value)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{'the class' if kind is value else 'a'} {module}{kind.__qualname__}"


def check_tensor(name: str, found: Any, dtype: torch.dtype, like: Tensor) -> None:
    """Whether it is a tensor of that dtype, and of another's shape and device.

    Raises:
        PartError: It is something else.
    """
    is_right = isinstance(found, Tensor) and (found.dtype, found.shape, found.device) == (
        dtype,
        like.shape,
        like.device,
    )
    if not is_right:
        where = "" if like.device.type == "cpu" else f" on {like.device}"
        raise PartError(
            f"{name} is {kind_of(found)}; a {dtype} tensor {tuple(like.shape)}{where} is right"
        )
