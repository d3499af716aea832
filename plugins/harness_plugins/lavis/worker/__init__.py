"""Unmodified LAVIS in a process of its own: JSON lines in, JSON lines out.

Run by the Python of the environment that `harness lavis setup` made; it imports nothing of ours but
its own modules.
"""

import json
import os
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from .asking import EMBEDDED, GENERATED, LOSSES, MATCHED, finite_decoder, verdicts
from .building import BUILDERS, Config


def main() -> None:
    """Answer until the input ends; what libraries print goes to the error stream."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = Worker()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request.pop("do"))(**request)
        except Exception as error:
            reason = str(error).strip().partition("\n")[0]
            answer = {"error": f"{type(error).__name__}: {reason}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def admit_cpu_torchvision() -> None:
    """Import torchvision although its operators are missing, if nothing else is wrong with it.

    Wheels of torchvision from the package index are linked against CUDA; beside a CPU build of
    torch their operators do not register, and the module that describes them fails. Nothing here
    uses these operators.
    """
    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in [n for n in sys.modules if n.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        described = "torchvision._meta_registrations"
        sys.modules[described] = types.ModuleType(described)


class Worker:
    """One model; a public method is a request."""

    def __init__(self) -> None:
        self.kind = ""
        self.model: Any = None
        self.prepare: Any = None

    def build(
        self, kind: str, config: Config, folder: str, images: Config, device: str
    ) -> dict[str, Any]:
        """Build a model without weights of its own; `folder` has its tokenizer."""
        admit_cpu_torchvision()
        from importlib.metadata import version

        from lavis.processors.blip_processors import BlipImageEvalProcessor

        builder = BUILDERS.get(kind)
        if builder is None:
            raise ValueError(f"no builder for {kind}")
        torch.manual_seed(0)
        self.kind = kind
        self.model = builder(config, Path(folder)).float().eval().to(device)
        self.prepare = BlipImageEvalProcessor(images["side"], images["mean"], images["std"])
        return {"versions": {n: version(n) for n in ("salesforce-lavis", "transformers", "torch")}}

    def load(self, weights: str) -> dict[str, Any]:
        """Give the model the weights of a safetensors file."""
        from safetensors.torch import load_file

        state = load_file(weights)
        found = self.model.load_state_dict(
            {
                name: tensor.float() if tensor.is_floating_point() else tensor
                for name, tensor in state.items()
            },
            strict=False,
        )
        return {"missing": found.missing_keys, "unexpected": found.unexpected_keys}

    def shapes(self) -> dict[str, Any]:
        """Name -> shape of all that the model saves."""
        return {name: list(tensor.shape) for name, tensor in self.model.state_dict().items()}

    @torch.no_grad()
    def generate(
        self, images: Sequence[str], prompts: Sequence[str], generation: Config
    ) -> dict[str, Any]:
        with finite_decoder(self.kind, self.model):
            texts = GENERATED[self.kind](self.model, self._pixels(images), prompts, generation)
        return {"texts": [text.strip() for text in texts]}

    @torch.no_grad()
    def loss(self, images: Sequence[str], prompt: str, target: str) -> dict[str, Any]:
        """Of one sample, which shows one image or two."""
        loss = LOSSES[self.kind](self.model, self._pixels(images), prompt, target)
        return {"loss": float(loss)}

    @torch.no_grad()
    def rank(
        self, images: Sequence[str], prompts: Sequence[str], answers: Sequence[str], tried: int
    ) -> dict[str, Any]:
        """The likeliest of the answers, by BLIP alone."""
        asked = {"image": self._pixels(images), "text_input": list(prompts)}
        with finite_decoder(self.kind, self.model):
            texts = self.model.predict_answers(
                asked, inference_method="rank", answer_list=list(answers), num_ans_candidates=tried
            )
        return {"texts": texts}

    @torch.no_grad()
    def judge(self, images: Sequence[str], prompts: Sequence[str]) -> dict[str, Any]:
        """Whether each prompt is true of its images: all left ones, then all right ones."""
        found = verdicts(self.model, self._pixels(images), prompts)
        return {"verdicts": [bool(verdict) for verdict in found]}

    @torch.no_grad()
    def embed_images(self, images: Sequence[str], to: str) -> dict[str, Any]:
        """Write features of images to a safetensors file."""
        of_images, _ = EMBEDDED[self.kind]
        return _written(of_images(self.model, self._pixels(images)), to)

    @torch.no_grad()
    def embed_texts(self, texts: Sequence[str], to: str) -> dict[str, Any]:
        _, of_texts = EMBEDDED[self.kind]
        return _written(of_texts(self.model, texts), to)

    @torch.no_grad()
    def match(self, images: Sequence[str], prompts: Sequence[str], to: str) -> dict[str, Any]:
        """Write how well each prompt fits its image."""
        logits = MATCHED[self.kind](self.model, self._pixels(images), prompts)
        return _written(logits[:, 1], to)

    def _pixels(self, paths: Sequence[str]) -> torch.Tensor:
        from PIL import Image

        pixels = []
        for path in paths:
            with Image.open(path) as image:
                pixels.append(self.prepare(_colours(image)))
        return torch.stack(pixels).to(self.model.device)


def _colours(image: Any) -> Any:
    """RGB of 8 bits; grey values of 16 keep their upper eight, as the harness reads them."""
    if image.mode[0] == "I":
        import numpy as np
        from PIL import Image

        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB")


def _written(answer: torch.Tensor, to: str) -> dict[str, Any]:
    from safetensors.torch import save_file

    save_file({"answer": answer.float().cpu().contiguous()}, to)
    return {}
