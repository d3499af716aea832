"""``harness export``: a saved pruned model in another form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.cli import options


def export(
    folder: Annotated[str, typer.Argument(help="Folder that `harness prune --save` wrote.")],
    to: Annotated[
        Literal["hf", "masks", "2:4"],
        typer.Option("--to", help="A Hugging Face folder, masks alone, or 2:4 on CUDA."),
    ],
    save: Annotated[Path, typer.Option("--save", help="Folder to write; new or empty.")],
    dense: options.DenseOption = None,
    device: options.DeviceOption = "auto",
    as_json: options.JsonOption = False,
) -> int:
    """Write a saved pruned model in another form.

    2:4 is measured where it is written: theoretical and real speed of each layer shape.
    """
    from harness.cli import render
    from harness.export import export as write
    from harness.plugin.manager import load_plugins

    place = options.resolve_device(device)
    speeds = write(folder, save, to, load_plugins(), device=place, dense=dense)
    render.print_export(save, speeds, as_json=as_json)
    return 0
