"""``harness lavis import | export``: another library's checkpoints, by its backend's name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.errors import InputError

if TYPE_CHECKING:
    from harness.plugin import Backend


def commands_of(name: str, title: str) -> typer.Typer:
    """The commands of one backend; its plugin is imported when one of them runs."""
    app = typer.Typer(name=name, help=title, no_args_is_help=True)

    @app.command("import")
    def _import(
        sources: Annotated[
            list[Path],
            typer.Argument(help="Files or folders that hold the model; later ones go over others."),
        ],
        to: Annotated[Path, typer.Option("--to", help="Model folder to write; new or empty.")],
        tokenizer: Annotated[
            Path | None, typer.Option("--tokenizer", help="Folder with the tokenizer.")
        ] = None,
        config: Annotated[
            Path | None,
            typer.Option("--config", help="YAML or JSON: what the checkpoint does not tell."),
        ] = None,
    ) -> int:
        """Make a model folder of a checkpoint."""
        made = _backend(name).import_checkpoint(
            sources, to, tokenizer=tokenizer, given=_sections(config)
        )
        typer.echo(f"{to}: {made}")
        return 0

    @app.command("export")
    def _export(
        folder: Annotated[Path, typer.Argument(help="Model folder, pruned or not.")],
        to: Annotated[Path, typer.Option("--to", help="Checkpoint to write; a new file.")],
        base: Annotated[
            Path | None,
            typer.Option("--base", help="The folder that was imported and then pruned."),
        ] = None,
    ) -> int:
        """Write a model folder as a checkpoint."""
        for note in _backend(name).export_checkpoint(folder, to, base=base):
            typer.echo(f"note: {note}")
        typer.echo(f"{to}: written")
        return 0

    return app


def _backend(name: str) -> Backend:
    from harness.plugin.manager import load_plugins

    return load_plugins().backends.get(name).given()


def _sections(path: Path | None) -> dict[str, dict[str, Any]]:
    """Settings per section of a config."""
    if path is None:
        return {}
    from harness.cli.options import read_yaml

    content = read_yaml(path)
    for section, settings in content.items():
        if not isinstance(settings, dict):
            raise InputError(
                f"--config {path}: {section} is {settings!r}; sections like "
                f"vision_config: {{num_attention_heads: 16}} are wanted"
            )
    return content
