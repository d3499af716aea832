"""The manifests of the bundled tasks, one TOML file each; their fields are those of `Manifest`.

A fact that no public source states (a count, a digest, a revision) is left out.
"""

from pathlib import Path

from harness.plugin import Manifest, read_manifest


def manifest_of(task: str) -> Manifest:
    """The manifest ``<task>.toml`` of this folder."""
    return read_manifest(Path(__file__).parent / f"{task}.toml")
