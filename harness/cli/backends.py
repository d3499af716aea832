"""``harness lavis …`` and ``harness audit lavis``: another library, by its backend's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import options, specs
from harness.cli.streams import say, tell
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.backend_audit import BackendAudit
    from harness.plugin import Backend


#: Samples that an audit asks unless it is told otherwise.
AUDITED = 16
#: Keys of a config that an audit has no use for.
UNUSED = ("pruners", "sparsities", "pattern", "train", "finetune", "tasks", "data", "results")


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
        from harness.atomic import refuse_filled

        refuse_filled(to)
        made = _backend(name).import_checkpoint(
            sources, to, tokenizer=tokenizer, given=_sections(config)
        )
        say(f"{to}: {made}")
        return 0

    @app.command("export")
    def _export(
        folder: Annotated[Path, typer.Argument(help="Model folder, pruned or not.")],
        to: Annotated[Path, typer.Option("--to", help="Checkpoint to write; a new file.")],
        base: options.BaseOption = None,
    ) -> int:
        """Write a model folder as a checkpoint."""
        return write_checkpoint(name, folder, to, base)

    @app.command("setup")
    def _setup(
        folder: Annotated[
            Path | None, typer.Option("--dir", help="Where; in the cache folder unless given.")
        ] = None,
    ) -> int:
        """Make the environment that `--backend` and `harness audit` start."""
        environment = options.environment_of(name, folder)
        tell(f"{environment}: installing, unless it is there; this takes minutes")
        say(f"{environment}: {_backend(name).setup(environment)}")
        return 0

    return app


def write_checkpoint(name: str, folder: Path, to: Path, base: Path | None) -> int:
    """Write a model folder as a backend's checkpoint, and tell what it does without."""
    from harness.export import export_checkpoint

    for note in export_checkpoint(_backend(name), folder, to, base=base):
        say(f"note: {note}")
    say(f"{to}: written")
    return 0


def audit_of(name: str) -> Callable[..., int]:
    """The command that compares one backend with the model's family."""

    def _audit(
        model: options.ModelOption = None,
        calibration: options.CalibrationOption = None,
        folder: Annotated[
            Path | None, typer.Option("--dir", help="The backend's environment.")
        ] = None,
        seed: options.SeedOption = None,
        device: options.DeviceOption = None,
        batch_size: options.BatchOption = None,
        config: options.ConfigOption = None,
        as_json: options.JsonOption = False,
    ) -> int:
        """Compare losses and generated texts of the same weights on the same samples."""
        from harness.backend_audit import audit_backend
        from harness.cli.loading import load_plugins

        spec = specs.build_spec(
            config=config,
            unused=UNUSED,
            command=f"audit {name}",
            model=model,
            pruner="dense",
            seed=seed,
            calibration=calibration,
            device=device,
            backend=f"{name}={options.environment_of(name, folder)}",
            batch_size=batch_size,
        )
        if calibration is None and config is None:
            few = spec.calibration.model_copy(update={"samples": AUDITED})
            spec = spec.model_copy(update={"calibration": few})
        found = audit_backend(spec, load_plugins())
        _print_audit(found, as_json=as_json)
        return 0 if found.is_equal else 1

    return _audit


def _print_audit(audit: BackendAudit, *, as_json: bool) -> None:
    """Losses and texts of a family beside those of a backend."""
    import dataclasses

    from harness.cli import render
    from harness.cli.screen import stdout

    if as_json:
        render.print_json({**dataclasses.asdict(audit), "is_equal": audit.is_equal})
        return
    losses = audit.losses
    rows = [
        (
            "loss",
            str(losses.samples),
            f"{losses.ours:.6f}",
            f"{losses.theirs:.6f}",
            f"at most {losses.largest:.1e} of a loss",
        )
    ]
    for texts in audit.texts:
        pairs = [(repr(ours), repr(theirs)) for _, ours, theirs in texts.different[:1]]
        ours, theirs = pairs[0] if pairs else ("", "")
        different = f"{len(texts.different)} different"
        rows.append((f"texts, {texts.generation}", str(texts.samples), ours, theirs, different))
    heads = (audit.model, "samples", "family", audit.backend, "difference")
    stdout().table(heads, rows)


def _backend(name: str) -> Backend:
    from harness.cli.loading import load_plugins

    return load_plugins().backends.get(name).given()


def _sections(path: Path | None) -> dict[str, dict[str, Any]]:
    """Settings per section of a config."""
    if path is None:
        return {}
    from harness.cli.config_file import read_mapping

    content = read_mapping(path)
    for section, settings in content.items():
        if not isinstance(settings, dict):
            raise InputError(
                f"--config {path}: {section} is {settings!r}; sections like "
                f"vision_config: {{num_attention_heads: 16}} are wanted"
            )
    return content
