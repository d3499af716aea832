"""How a folder words a turn of a user: its chat template, wherever transformers finds one."""

import warnings
from collections.abc import Mapping
from typing import Any

from harness.plugin import CheckpointError
from harness_plugins.pretrained import refusing


def read_processor_settings(folder: str) -> Mapping[str, Any]:
    """What transformers' processor of a folder is made with, its ``chat_template`` among it.

    A template may stand in ``processor_config.json``, ``chat_template.json``,
    ``chat_template.jinja`` or ``additional_chat_templates/``; which goes before which is for
    transformers to know. A folder without any of these files has no settings.

    Raises:
        CheckpointError: A file cannot be read.
    """
    with refusing(folder, "the processor"), warnings.catch_warnings():
        from transformers.processing_utils import ProcessorMixin

        # It leaves the files of further templates open.
        warnings.simplefilter("ignore", ResourceWarning)
        settings: Mapping[str, Any] = ProcessorMixin.get_processor_dict(
            folder, local_files_only=True
        )[0]
        return settings


def adopt_template(tokenizer: Any, settings: Mapping[str, Any]) -> None:
    """Let a tokenizer word turns by the processor's template; where that has none, by its own."""
    tokenizer.chat_template = settings.get("chat_template") or tokenizer.chat_template


def word_turn(tokenizer: Any, prompt: str) -> str:
    """A user's turn of an image and a text, up to where the answer begins."""
    content = [{"type": "image"}, {"type": "text", "text": prompt}]
    turn: str = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    return turn


def turn_ids(tokenizer: Any, turn: str) -> list[int]:
    """Token ids of a turn, as ``apply_chat_template`` of transformers' processors makes them.

    The tokenizer adds its special tokens, unless the template has written the first of them.
    """
    begun = tokenizer.bos_token is not None and turn.startswith(tokenizer.bos_token)
    ids = tokenizer(turn, add_special_tokens=not begun, verbose=False).input_ids
    return list(ids)


def refuse_template(folder: str, tokenizer: Any, image_token: str) -> None:
    """Word a turn, to find out before anything is asked whether the template can.

    Raises:
        CheckpointError: It fails, or does not put the image into the turn once.
    """
    from jinja2 import TemplateError

    try:
        turn = word_turn(tokenizer, "")
    except (TemplateError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{folder}: its chat template words no turn of an image and a text ({error})"
        ) from None
    if turn.count(image_token) != 1:
        raise CheckpointError(
            f"{folder}: its chat template puts {image_token} {turn.count(image_token)} times into "
            f"a turn with one image, not once"
        )
