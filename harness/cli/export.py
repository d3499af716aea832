"""``harness export``: a saved pruned model in another form."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from harness.cli import backends, options, specs
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.semi_structured import Speed


def export(
    folder: Annotated[str, typer.Argument(help="Folder that `harness prune --save` wrote.")],
    to: Annotated[
        Literal["hf", "masks", "2:4", "lavis"],
        typer.Option("--to", help="A Hugging Face folder, masks, 2:4 on CUDA, LAVIS's .pth."),
    ],
    save: Annotated[Path, typer.Option("--save", help="Folder, or .pth, to write; new.")],
    dense: options.DenseOption = None,
    base: options.BaseOption = None,
    device: options.DeviceOption = None,
    as_json: options.JsonOption = False,
) -> int:
    """Write a saved pruned model in another form.

    2:4 is measured where it is written: theoretical and real speed of each layer shape.
    """
    from harness.cli import render
    from harness.cli.loading import load_plugins
    from harness.export import export as write

    if to == "lavis":
        if dense is not None or device is not None or as_json:
            raise InputError("--to lavis takes --base alone, not --dense, --device or --json")
        return backends.write_checkpoint("lavis", Path(folder), save, base)
    if base is not None:
        raise InputError(f"--base {base}: goes with --to lavis, not with --to {to}")
    place = specs.resolve_device(device or "auto")
    speeds = write(folder, save, to, load_plugins(), device=place, dense=dense)
    if as_json:
        shown = [{**dataclasses.asdict(speed), "measured": speed.measured} for speed in speeds]
        render.print_json({"folder": str(save), "speeds": shown})
    elif speeds:
        _print_speeds(speeds)
    return 0


def _print_speeds(speeds: Sequence[Speed]) -> None:
    from harness.cli.screen import stdout

    rows = [
        (
            str(speed.layers),
            f"{speed.shape[0]} x {speed.shape[1]}",
            f"{speed.dense:.3f} ms",
            f"{speed.sparse:.3f} ms",
            f"{speed.measured:.2f} times",
            f"{speed.theoretical:.2f} times",
        )
        for speed in speeds
    ]
    screen = stdout()
    heads = ("layers", "of shape", "dense", "2:4", "faster, measured", "in theory")
    screen.table(heads, rows)
    screen.paragraph(
        f"One multiplication by {speeds[0].tokens} tokens each. Zeros without a pattern make no "
        f"multiplication faster."
    )
