"""LAVIS: its checkpoints, and itself as a second implementation of the same models.

Li et al., "LAVIS: A Library for Language-Vision Intelligence" (arXiv:2209.09019); version 1.0.2.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from harness.plugin import Answering, Backend, LoadedModel, ModelSpec, hookimpl


class Lavis:
    """salesforce-lavis; ECoFLaP's released code keeps its models and their names."""

    name: ClassVar[str] = "lavis"

    def import_checkpoint(
        self,
        sources: Sequence[Path],
        folder: Path,
        *,
        tokenizer: Path | None,
        given: Mapping[str, Mapping[str, Any]],
    ) -> str:
        from harness_plugins.lavis.folders import import_checkpoint

        return import_checkpoint(sources, folder, tokenizer=tokenizer, given=given)

    def export_checkpoint(self, folder: Path, target: Path, *, base: Path | None) -> Sequence[str]:
        from harness_plugins.lavis.folders import export_checkpoint

        return export_checkpoint(folder, target, base=base)

    def setup(self, environment: Path) -> str:
        from harness_plugins.lavis.environment import set_up

        return set_up(environment)

    def start(
        self, model: LoadedModel, folder: str, spec: ModelSpec, environment: Path
    ) -> Answering:
        from harness_plugins.lavis.answering import start_answering

        return start_answering(model, folder, spec, environment)


@hookimpl
def harness_backends() -> list[type[Backend]]:
    return [Lavis]
