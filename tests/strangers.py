"""Packages of strangers, as an installer would leave them in a folder on the path."""

from pathlib import Path

PRUNER = """\
import harness.plugin as hp

class Snr:
    name, statistics = "snr", frozenset()

    def prune(self, job):
        {body}
        keep = hp.keep_largest(job.weight.abs(), job.keep_count, compare="row", pattern=job.pattern)
        return hp.LayerResult(keep=keep)

@hp.hookimpl
def harness_local_pruners():
    return [Snr]

@hp.hookimpl
def harness_recipes():
    return [hp.Recipe(name="snr", paper="none", local=("snr",))]
"""


def install(folder: Path, files: dict[str, str], entry_point: str = "harness_snr") -> None:
    """Put a distribution ``harness-snr 0.1`` with these files and that entry point there."""
    for name, source in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    information = folder / "harness_snr-0.1.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: harness-snr\nVersion: 0.1\n"
    )
    (information / "entry_points.txt").write_text(f"[harness]\nsnr = {entry_point}\n")
    (information / "RECORD").write_text("".join(f"{name},,\n" for name in files))


def pruner(body: str = "pass") -> str:
    """Source of a plugin with one pruner, which does that before it prunes."""
    return PRUNER.format(body=body)
