"""Vision-language models that take one turn of a user: an image among the tokens of a prompt."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from harness.plugin import InputError, LoadedModel, ModelSpec, Sample, read_shown
from harness_plugins.chat_template import (
    adopt_template,
    read_processor_settings,
    refuse_template,
    turn_ids,
    word_turn,
)
from harness_plugins.images import blank, load_image_processor, naming_image, processed
from harness_plugins.language import Prompted
from harness_plugins.pretrained import companions, load_tokenizer, load_transformer

#: What a folder's processor needs besides; carried along, so that it works in a saved folder too.
#: The chat template is the tokenizer's to save.
COMPANIONS = ("processor_config.json", "video_preprocessor_config.json")


class VisionChat(Prompted, ABC):
    """A decoder that goes on from a turn, worded by its chat template.

    A turn has the token ids that transformers' own processor gives it. Images are counted and
    placed here, because that of some of these models cannot be made without torchvision.
    """

    _encodes = False
    #: How a turn is worded where the folder has no chat template; {image} stands for the image.
    plain_turn: ClassVar[str]

    def __init__(
        self,
        module: Any,
        *,
        tokenizer: Any,
        processor: Any,
        settings: Mapping[str, Any],
        beside: Mapping[str, str],
    ) -> None:
        super().__init__(module, tokenizer=tokenizer, processor=processor)
        self._settings = settings
        self._companions = beside
        self._image_id: int = module.config.image_token_id
        self._image_token: str = tokenizer.convert_ids_to_tokens(self._image_id)

    @abstractmethod
    def _count_tokens(self, image: Mapping[str, Any]) -> int:
        """As how many tokens the model reads an image that its processor prepared."""

    @abstractmethod
    def _count_patches(self, image: Mapping[str, Any]) -> int:
        """As how many tokens the vision tower reads it."""

    def refuse_folder(self, folder: str) -> None:
        """Find out before anything is asked whether the parts of a folder go together.

        Raises:
            CheckpointError: They do not.
        """
        if self._tokenizer.chat_template is not None:
            refuse_template(folder, self._tokenizer, self._image_token)

    def tokens_read(self, text: int, image: tuple[int, int]) -> Mapping[str, int]:
        seen = self._count_patches(self._prepared_blank(image))
        return {**super().tokens_read(text, image), "vision": seen}

    def _tokens_of_image(self, image: tuple[int, int]) -> int:
        return self._count_tokens(self._prepared_blank(image))

    def _prepared_blank(self, size: tuple[int, int]) -> Mapping[str, Any]:
        return processed(self._processor, [blank(size)])

    def _turn(self, prompt: str) -> str:
        if self._tokenizer.chat_template is None:
            return self.plain_turn.format(image=self._image_token, prompt=prompt)
        return word_turn(self._tokenizer, prompt)

    def _target_ids(self, target: str) -> list[int]:
        gap = "" if self._turn("").endswith("\n") else " "
        return [*self._ids(gap + target, special=False), self._tokenizer.eos_token_id]

    def _read(self, samples: Sequence[Sample]) -> tuple[list[list[int]], dict[str, Tensor]]:
        images = [self._prepared(sample) for sample in samples]
        rows = [
            turn_ids(self._tokenizer, self._shown(sample, self._count_tokens(image)))
            for sample, image in zip(samples, images, strict=True)
        ]
        return rows, {
            name: self._on_device(np.concatenate([image[name] for image in images]))
            for name in ("pixel_values", "image_grid_thw")
            if name in images[0]
        }

    def _prepared(self, sample: Sample) -> Mapping[str, Any]:
        image = read_shown(sample)
        with naming_image(sample, image):
            return processed(self._processor, [image])

    def _shown(self, sample: Sample, count: int) -> str:
        """The turn with the one token of the image repeated, as often as the model reads it."""
        turn = self._turn(sample.prompt)
        if turn.count(self._image_token) != 1:
            raise InputError(
                f"sample {sample.id}: its turn holds {self._image_token} "
                f"{turn.count(self._image_token)} times, not once"
            )
        return turn.replace(self._image_token, self._image_token * count)

    def _on_device(self, values: Any) -> Tensor:
        tensor = torch.from_numpy(values).to(self.device)
        return tensor.to(self._model.dtype) if tensor.is_floating_point() else tensor

    def files(self) -> Mapping[str, str]:
        has_none = self._tokenizer.chat_template is None
        template = self.plain_turn if has_none else self._tokenizer.get_chat_template()
        return {**super().files(), **self._companions, "chat_template": template}

    def save(self, folder: Path) -> None:
        super().save(folder)
        for name, content in self._companions.items():
            (folder / name).write_text(content, encoding="utf-8")


def load_chat(kind: type[VisionChat], folder: str, spec: ModelSpec) -> LoadedModel:
    """A model of that kind with its tokenizer and image processor.

    Raises:
        CheckpointError: A part cannot be read, the chat template words no turn with an image, or
            the processor counts other tokens than the model gives.
        InputError: The spec says how images are prepared; here only the processor knows.
    """
    if spec.images is not None:
        raise InputError(f"{folder}: its own processor prepares images; leave out --images")
    settings = read_processor_settings(folder)
    tokenizer = load_tokenizer(folder, spec)
    adopt_template(tokenizer, settings)
    loaded = kind(
        load_transformer(folder, spec),
        tokenizer=tokenizer,
        processor=load_image_processor(folder, spec),
        settings=settings,
        beside=companions(folder, COMPANIONS),
    )
    loaded.refuse_folder(folder)
    return loaded
