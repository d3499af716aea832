"""The commands of ``harness``, put together."""

from __future__ import annotations

import typer

from harness import __version__
from harness.cli import (
    audit,
    backends,
    data,
    doctor,
    evaluate,
    export,
    leaderboard,
    models,
    plugins,
    prune,
    run,
    tasks,
)
from harness.cli.border import surround

app = typer.Typer(
    name="harness",
    help="Prune vision-language and unimodal models, and measure what it costs them.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.command("run")(run.run)
app.command("prune")(prune.prune)
app.command("eval")(evaluate.evaluate)
app.command("export")(export.export)
app.add_typer(data.app, name="data")
app.command("leaderboard")(leaderboard.leaderboard)
app.command("doctor")(doctor.doctor)
app.command("plugins")(plugins.plugins)
app.command("tasks")(tasks.tasks)
app.add_typer(models.app, name="models")
app.add_typer(audit.app, name="audit")
app.add_typer(backends.commands_of("lavis", "LAVIS: its checkpoints, and itself as a backend."))
audit.app.command("lavis")(backends.audit_of("lavis"))


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"harness {__version__}")
        raise typer.Exit


@app.callback()
def _callback(
    version: bool = typer.Option(
        False, "--version", help="Print the version.", callback=_print_version, is_eager=True
    ),
) -> None:
    return None


surround(app)
