"""Other implementations of the same models, e.g. the library that a paper was written with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from harness.plugin.capabilities import LoadedModel
from harness.plugin.samples import Sample

if TYPE_CHECKING:
    from harness.spec import ModelSpec


class Backend(Protocol):
    """A library whose checkpoints become our folders, and that runs in a place of its own."""

    name: ClassVar[str]

    def import_checkpoint(
        self,
        sources: Sequence[Path],
        folder: Path,
        *,
        tokenizer: Path | None,
        given: Mapping[str, Mapping[str, Any]],
    ) -> str:
        """Make a model folder of the library's checkpoint.

        Args:
            sources: Files or folders that together hold the model; a later one goes over those
                before it.
            folder: New or empty; written in full or not at all.
            tokenizer: Folder of the tokenizer, where no source has one.
            given: What the checkpoint does not tell, per section of the folder's config.

        Returns:
            What was made, in one line.

        Raises:
            CheckpointError: A source cannot be read, or its tensors are not the model's.
            InputError: Something that the checkpoint does not tell was not given.
        """
        ...

    def export_checkpoint(self, folder: Path, target: Path, *, base: Path | None) -> Sequence[str]:
        """Write a model folder as the library's checkpoint.

        Args:
            target: New file; written in full or not at all.
            base: Folder that was made of a checkpoint, for what our class does without.

        Returns:
            Notes, one a line.

        Raises:
            CheckpointError: The library has no such model.
        """
        ...

    def setup(self, environment: Path) -> str:
        """Make the environment that the library runs in, unless it is there.

        Returns:
            What is in it, in one line.

        Raises:
            RunError: It could not be made.
        """
        ...

    def start(
        self, model: LoadedModel, folder: str, spec: ModelSpec, environment: Path
    ) -> Answering:
        """Start the library with a model of that architecture; it ends with this process.

        Args:
            folder: Where `model` was loaded from.

        Raises:
            InputError: The environment is not there, or the library has no such model.
        """
        ...


class Answering(Protocol):
    """The library at work on a model; it has the capabilities that it answers with."""

    label: str
    """Library and version: part of the identity of what it answers."""

    def take_weights(self) -> None:
        """Answer with the model's weights as they are now."""
        ...

    def losses(self, samples: Sequence[Sample]) -> list[float]:
        """The calibration loss of each sample by itself."""
        ...
