"""``harness eval``: evaluate a model as it is."""

from __future__ import annotations

from harness.cli import options, specs


def evaluate(
    tasks: options.TasksOption = None,
    model: options.ModelOption = None,
    data: options.DataOption = None,
    include_path: options.IncludeOption = None,
    device: options.DeviceOption = None,
    dtype: options.DTypeOption = None,
    images: options.ImagesOption = None,
    backend: options.BackendOption = None,
    init: options.InitOption = None,
    ignore_tensors: options.IgnoreOption = None,
    dense: options.DenseOption = None,
    batch_size: options.BatchOption = None,
    limit: options.LimitOption = None,
    results: options.ResultsOption = None,
    config: options.ConfigOption = None,
    as_json: options.JsonOption = False,
) -> int:
    """Evaluate a model as it is, e.g. a folder that `harness prune --save` wrote."""
    from harness.cli import render
    from harness.cli.loading import load_plugins
    from harness.cli.progress import live_progress
    from harness.errors import InputError
    from harness.pipeline import run

    spec = specs.build_spec(
        config=config,
        unused=specs.OF_PRUNING,
        command="eval",
        model=model,
        pruner="dense",
        tasks=tasks,
        data=data,
        include_path=include_path,
        device=device,
        dtype=dtype,
        images=images,
        backend=backend,
        init=init,
        ignore_tensors=ignore_tensors,
        dense=dense,
        batch_size=batch_size,
        limit=limit,
        results=results,
    )
    if not spec.tasks:
        raise InputError("--tasks: name the tasks to evaluate on; `harness tasks` lists them")
    with live_progress() as display:
        outcome = run(spec, load_plugins(display))
    render.print_outcome(outcome, spec.results, as_json=as_json)
    return 1 if outcome.failures or outcome.absent else 0
