"""``harness models``: bundled models and families, and what a model weighs before it is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import options

if TYPE_CHECKING:
    from harness.footprint import Outline
    from harness.plugin.manager import Plugins

#: Of anything that is counted here.
MOST = 2**31 - 1
app = typer.Typer(help="List models; show what one weighs and needs.", invoke_without_command=True)


@app.callback()
def models(context: typer.Context, as_json: options.JsonOption = False) -> int:
    """List bundled models and the families that folders and hub ids are loaded by."""
    if context.invoked_subcommand is None:
        from harness.plugin.manager import load_plugins

        _print_models(load_plugins(), as_json=as_json)
    return 0


@app.command("show")
def show(
    model: Annotated[str, typer.Argument(help="Bundled model, folder, or hub id.")],
    samples: Annotated[
        int, typer.Option("--samples", help="Calibration samples.", min=1, max=MOST)
    ] = 128,
    tokens: Annotated[
        int, typer.Option("--tokens", help="Tokens of a text.", min=1, max=MOST)
    ] = 128,
    batch_size: Annotated[
        int, typer.Option("--batch-size", help="To evaluate.", min=1, max=MOST)
    ] = 32,
    as_json: options.JsonOption = False,
) -> int:
    """Say what a model is and what each stage is expected to hold, from its config.json alone."""
    from harness.footprint import Work, outline
    from harness.plugin.manager import load_plugins

    work = Work(samples=samples, tokens=tokens, batch_size=batch_size)
    _print_outline(outline(model, load_plugins(), work), as_json=as_json)
    return 0


def _print_models(found: Plugins, *, as_json: bool) -> None:
    from rich.table import Table

    from harness.cli import render

    bundled = [(p.name, p.given.edition, str(p.origin)) for p in found.models]
    families = [
        (p.name, (p.given.__doc__ or "").partition("\n")[0], str(p.origin))
        for p in found.model_families
    ]
    if as_json:
        heads = {"bundled": ("name", "edition", "from"), "families": ("name", "loads", "from")}
        rows = {"bundled": bundled, "families": families}
        render.print_json(
            {
                kind: [dict(zip(heads[kind], row, strict=True)) for row in rows[kind]]
                for kind in rows
            }
        )
        return
    table = Table("bundled model", "edition", "from")
    for row in bundled:
        table.add_row(*row)
    loads = Table("family", "loads", "from")
    for row in families:
        loads.add_row(*row)
    console = render.stdout()
    console.print(table)
    console.print(loads)


def _print_outline(found: Outline, *, as_json: bool) -> None:
    from rich.table import Table

    from harness.cli import render
    from harness.footprint import DTYPES

    content = _content(found)
    if as_json:
        render.print_json(content)
        return
    table = Table(title=f"{content['model']}: family {content['family']}")
    for head in ("tower", "blocks", "layers", "prunable weights", "tokens of a sample"):
        table.add_column(head, justify="left" if head == "tower" else "right")
    for tower in content["towers"]:
        table.add_row(
            tower["name"],
            *(f"{tower[key]:,}" for key in ("blocks", "layers", "prunable", "tokens")),
        )
    table.add_row(
        "prunable in all", *(f"{content[key]:,}" for key in ("blocks", "layers", "prunable")), ""
    )
    table.add_row("weights in all", "", "", f"{content['weights']:,}", "")
    stages = Table("GB", *DTYPES, title="expected at the peak of each stage")
    stages.add_row("weights", *(_gigabytes(content["bytes"][dtype]) for dtype in DTYPES))
    for stage, peaks in content["peaks"].items():
        stages.add_row(stage, *(_gigabytes(peaks[dtype]) for dtype in DTYPES))
    work, sides = found.work, " × ".join(map(str, found.work.image))
    console = render.stdout()
    console.print(table)
    console.print(stages)
    console.print(
        f"{work.samples} calibration samples, texts of {work.tokens} tokens, images of {sides} "
        f"pixels, evaluated {work.batch_size} at a time. On the CPU, Python and its libraries "
        f"take 0.5 GB more."
    )


def _content(found: Outline) -> dict[str, Any]:
    from harness.footprint import DTYPES

    model = found.model
    layers = {tower.name: found.layers_of(tower) for tower in model.towers}
    peaks = {dtype: found.peaks(width) for dtype, width in DTYPES.items()}
    return {
        "model": model.spec.name,
        "family": model.family,
        "towers": [
            {
                "name": tower.name,
                "blocks": len(tower.blocks),
                "layers": len(layers[tower.name]),
                "prunable": sum(layer.numel for layer in layers[tower.name]),
                "tokens": found.tokens_of(tower),
            }
            for tower in model.towers
        ],
        "blocks": len({(layer.tower, layer.block) for layer in model.layers}),
        "layers": len(model.layers),
        "prunable": found.prunable,
        "weights": found.weights,
        "bytes": {dtype: found.weights * width for dtype, width in DTYPES.items()},
        "peaks": {
            stage: {dtype: of_dtype[stage] for dtype, of_dtype in peaks.items()}
            for stage in peaks["float32"]
        },
        "assumed": {
            "samples": found.work.samples,
            "tokens": found.work.tokens,
            "image": found.work.image,
            "batch_size": found.work.batch_size,
        },
    }


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.2f}"
