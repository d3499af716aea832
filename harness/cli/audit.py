"""``harness audit``: does something that should not matter change a score?"""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli import options, specs

app = typer.Typer(help="Check what should not change a score.", no_args_is_help=True)

SizesOption = Annotated[
    str, typer.Option("--batch-sizes", help="Sizes to compare; the first is the measure.")
]


@app.command("batch")
def batch(
    tasks: options.TasksOption = None,
    model: options.ModelOption = None,
    data: options.DataOption = None,
    include_path: options.IncludeOption = None,
    batch_sizes: SizesOption = "1,4,32",
    device: options.DeviceOption = None,
    dtype: options.DTypeOption = None,
    images: options.ImagesOption = None,
    limit: options.LimitOption = None,
    config: options.ConfigOption = None,
    as_json: options.JsonOption = False,
) -> int:
    """Ask the same items in batches of several sizes, and count the answers that change."""
    from harness import notation
    from harness.audit import audit_batches
    from harness.cli import render
    from harness.cli.loading import load_plugins
    from harness.cli.progress import live_progress
    from harness.errors import InputError

    sizes = list(
        dict.fromkeys(notation.split_list(batch_sizes, notation.parse_whole, "--batch-sizes"))
    )
    if any(size < 1 for size in sizes):
        raise InputError(f"--batch-sizes {batch_sizes}: every size is at least 1")
    spec = specs.build_spec(
        config=config,
        unused=(*specs.OF_PRUNING, "batch_size", "results"),
        command="audit batch",
        model=model,
        pruner="dense",
        tasks=tasks,
        data=data,
        include_path=include_path,
        device=device,
        dtype=dtype,
        images=images,
        limit=limit,
    )
    if not spec.tasks:
        raise InputError("--tasks: name the tasks to audit")
    with live_progress() as display:
        audits = audit_batches(spec, sizes, load_plugins(display))
    render.print_audits(audits, as_json=as_json)
    return 0
