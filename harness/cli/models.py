"""``harness models``: models and sizes, families, and what a model weighs before it is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import completion, options

if TYPE_CHECKING:
    from harness.footprint import Outline
    from harness.plugin.manager import Plugins

WEIGHTS = (
    "Of a size there is a config alone: `harness models show NAME` reads it, and --init random "
    "draws weights for it. Weights come as a folder, or from the hub: `hf download OWNER/NAME` "
    "once, then --model OWNER/NAME."
)
#: Of anything that is counted here.
MOST = 2**31 - 1
app = typer.Typer(help="List models; show what one weighs and needs.", invoke_without_command=True)


@app.callback()
def models(context: typer.Context, as_json: options.JsonOption = False) -> int:
    """List models, sizes without weights, and the families that load folders and hub ids."""
    if context.invoked_subcommand is None:
        from harness.cli.loading import load_plugins

        _print_models(load_plugins(), as_json=as_json)
    return 0


@app.command("show")
def show(
    model: Annotated[
        str,
        typer.Argument(help="Bundled model, folder, or hub id.", autocompletion=completion.models),
    ],
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
    from harness.cli.loading import load_plugins
    from harness.footprint import Work, outline

    work = Work(samples=samples, tokens=tokens, batch_size=batch_size)
    _print_outline(outline(model, load_plugins(), work), as_json=as_json)
    return 0


def _print_models(found: Plugins, *, as_json: bool) -> None:
    from harness.cli import render
    from harness.cli.parts import first_line

    models = [
        {
            "name": provider.name,
            "about": first_line(provider.given),
            "weights": has_weights(provider.given().folder()),
            "edition": provider.given.edition,
            "from": str(provider.origin),
        }
        for provider in found.models
    ]
    families = [
        {"name": p.name, "loads": first_line(p.given), "from": str(p.origin)}
        for p in found.model_families
    ]
    if as_json:
        render.print_json({"bundled": models, "families": families})
    else:
        _print_lists(models, families)


def _print_lists(models: Sequence[dict[str, Any]], families: Sequence[dict[str, Any]]) -> None:
    from harness.cli.screen import Head, stdout

    screen = stdout()
    for title, has in (("models with their weights", True), ("sizes without weights", False)):
        rows = [(model["name"], model["about"]) for model in models if model["weights"] is has]
        if rows:
            screen.table([Head("model", is_whole=True), "what it is"], rows, title=title)
    screen.paragraph(WEIGHTS)
    rows = [(family["name"], family["loads"]) for family in families]
    screen.table(
        [Head("family", is_whole=True), "what it loads"], rows, title="folders and hub ids"
    )


def has_weights(folder: Path) -> bool:
    """Whether a model's folder holds weights beside its config."""
    return any(folder.glob("*.safetensors"))


def _print_outline(found: Outline, *, as_json: bool) -> None:
    from harness.cli import render
    from harness.cli.screen import Head, stdout
    from harness.footprint import DTYPES

    content = _content(found)
    if as_json:
        render.print_json(content)
        return
    rows = [
        (
            tower["name"],
            *(f"{tower[key]:,}" for key in ("blocks", "layers", "prunable", "tokens")),
        )
        for tower in content["towers"]
    ]
    counts = (f"{content[key]:,}" for key in ("blocks", "layers", "prunable"))
    rows += [
        ("prunable in all", *counts, ""),
        ("weights in all", "", "", f"{content['weights']:,}", ""),
    ]
    heads = ("blocks", "layers", "prunable weights", "tokens of a sample")
    screen = stdout()
    title = f"{content['model']}: family {content['family']}"
    screen.table(["tower", *(Head(head, is_right=True) for head in heads)], rows, title=title)
    held = [("weights", *(_gigabytes(content["bytes"][dtype]) for dtype in DTYPES))]
    held += [
        (stage, *(_gigabytes(peaks[dtype]) for dtype in DTYPES))
        for stage, peaks in content["peaks"].items()
    ]
    dtypes = [Head(dtype, is_right=True, is_whole=True) for dtype in DTYPES]
    screen.table(["GB", *dtypes], held, title="expected at the peak of each stage")
    work, sides = found.work, " × ".join(map(str, found.work.image))
    screen.paragraph(
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
