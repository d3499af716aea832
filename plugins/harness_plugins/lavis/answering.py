"""LAVIS answering for a model of ours: requests and answers as JSON lines, weights as a file."""

import dataclasses
import json
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from harness.plugin import (
    Generation,
    InputError,
    LoadedModel,
    ModelSpec,
    RunError,
    Sample,
    read_shown,
)
from harness_plugins.lavis.checkpoint import separate
from harness_plugins.lavis.convert import to_lavis
from harness_plugins.lavis.environment import python_of
from harness_plugins.lavis.names import Kind, kind_of_folder
from harness_plugins.pretrained import load_tokenizer, target_text

BICUBIC = 3
#: The worker is a package of its own in the folder of this file.
RUN_WORKER = "import sys; sys.path.append(sys.argv[1]); from worker import main; main()"


def start_answering(
    model: LoadedModel, folder: str, spec: ModelSpec, environment: Path
) -> "LavisAnswering":
    """LAVIS at work on a model.

    Raises:
        InputError: LAVIS has no such model, cannot prepare its images, or is not there.
    """
    kind = kind_of_folder(type(model.module).__name__, model.module.state_dict())
    if kind is None or kind.name not in ANSWERING:
        raise InputError(
            f"model {spec.name}: LAVIS answers for {', '.join(ANSWERING)} only, this is a "
            f"{kind.name if kind else type(model.module).__name__}"
        )
    return ANSWERING[kind.name](model, kind, folder, spec, environment)


class LavisAnswering:
    """Gives losses with the live weights of a model."""

    def __init__(
        self, model: LoadedModel, kind: Kind, folder: str, spec: ModelSpec, environment: Path
    ) -> None:
        self._module = model.module
        self._kind = kind
        files = model.files()
        python = python_of(environment)
        place = Path(tempfile.mkdtemp(prefix="harness-lavis-"))
        self._weights = place / "weights.safetensors"
        weakref.finalize(self, shutil.rmtree, place, ignore_errors=True)
        load_tokenizer(folder).save_pretrained(place)
        self._process = Process(python, place / "errors")
        built = self._process.ask(
            "build",
            kind=self._kind.name,
            config=json.loads(files["config"]),
            folder=str(place),
            images=_images(json.loads(files["images"]), spec),
            device=spec.device,
        )
        self.label = f"lavis {built['versions']['salesforce-lavis']}"

    def take_weights(self) -> None:
        tensors, _ = to_lavis(self._kind, self._module.state_dict())
        save_file(separate(tensors), self._weights)
        found = self._process.ask("load", weights=str(self._weights))
        self._weights.unlink()
        missing = [name for name in found["missing"] if not self._kind.is_beside(name)]
        for what, names in (("lacks", missing), ("does not know", found["unexpected"])):
            if names:
                raise RunError(f"LAVIS {what} {len(names)} tensors, first {names[0]}")

    def losses(self, samples: Sequence[Sample]) -> list[float]:
        return [
            float(
                self._process.ask(
                    "loss",
                    images=self._files(self._seen(sample)),
                    prompt=sample.prompt,
                    target=target_text(sample),
                )["loss"]
            )
            for sample in samples
        ]

    def _seen(self, sample: Sample) -> list[Sample]:
        """A sample for each image that the model sees of this one."""
        return [sample]

    def _files(self, samples: Sequence[Sample]) -> list[str]:
        return shown_files(samples, self._weights.parent)


class LavisGenerating(LavisAnswering):
    """Says texts."""

    def generate(self, samples: Sequence[Sample], generation: Generation) -> list[str]:
        answer = self._process.ask(
            "generate",
            images=self._files(samples),
            prompts=[sample.prompt for sample in samples],
            generation={
                "num_beams": generation.num_beams,
                "max_new_tokens": generation.max_new_tokens,
                "min_length": generation.min_length,
                "length_penalty": generation.length_penalty,
            },
        )
        return list(answer["texts"])


class LavisRanking(LavisGenerating):
    """Ranks given answers, besides."""

    def rank(self, samples: Sequence[Sample], answers: Sequence[str], *, tried: int) -> list[str]:
        answer = self._process.ask(
            "rank",
            images=self._files(samples),
            prompts=[sample.prompt for sample in samples],
            answers=list(answers),
            tried=tried,
        )
        return list(answer["texts"])


class LavisJudging(LavisAnswering):
    """Says whether texts are true of two images."""

    def judge(self, samples: Sequence[Sample]) -> list[bool]:
        pairs = [self._seen(sample) for sample in samples]
        sides = zip(*pairs, strict=True)
        answer = self._process.ask(
            "judge",
            images=self._files([shown for side in sides for shown in side]),
            prompts=[sample.prompt for sample in samples],
        )
        return list(answer["verdicts"])

    def _seen(self, sample: Sample) -> list[Sample]:
        """The left image and the right one."""
        first = dataclasses.replace(sample, second_image=None)
        return [first, dataclasses.replace(first, image=sample.second_image, view=None)]


class LavisMatching(LavisAnswering):
    """Embeds images and texts, and reads pairs of them."""

    def embed_images(self, samples: Sequence[Sample]) -> Tensor:
        return self._told("embed_images", images=self._files(samples))

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        return self._told("embed_texts", texts=list(texts))

    def match(self, samples: Sequence[Sample]) -> Tensor:
        prompts = [sample.prompt for sample in samples]
        return self._told("match", images=self._files(samples), prompts=prompts)

    def _told(self, do: str, **request: Any) -> Tensor:
        answer = self._weights.parent / "answer.safetensors"
        self._process.ask(do, to=str(answer), **request)
        return load_file(answer)["answer"]


#: How LAVIS answers for each of its models that it answers for.
ANSWERING = {
    "blip2_t5": LavisGenerating,
    "blip_caption": LavisGenerating,
    "blip_vqa": LavisRanking,
    "blip_nlvr": LavisJudging,
    "blip2": LavisMatching,
    "blip_image_text_matching": LavisMatching,
}


class Process:
    """The worker; it ends when its input does, so with us at the latest."""

    def __init__(self, python: Path, errors: Path) -> None:
        self._errors = errors
        with errors.open("w", encoding="utf-8") as stream:
            process = subprocess.Popen(
                [str(python), "-I", "-c", RUN_WORKER, str(Path(__file__).parent)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
                encoding="utf-8",
            )
        assert process.stdin is not None
        assert process.stdout is not None
        self._requests: IO[str] = process.stdin
        self._answers: IO[str] = process.stdout
        self._end = weakref.finalize(self, _end, process)

    def ask(self, do: str, **request: Any) -> Mapping[str, Any]:
        """The answer to one request.

        Raises:
            RunError: The worker could not answer, or is gone; its last words are told.
        """
        try:
            self._requests.write(json.dumps({"do": do, **request}) + "\n")
            self._requests.flush()
            line = self._answers.readline()
        except OSError:
            line = ""
        if not line:
            said = self._errors.read_text(encoding="utf-8").strip().splitlines() or ["nothing"]
            raise RunError(f"LAVIS ended while asked to {do}; it said last: {said[-1]}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RunError(f"LAVIS could not {do}: {answer['error']}")
        return answer


def _end(process: "subprocess.Popen[str]") -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):  # what it was not told yet, it will not be told any more
                stream.close()
    process.wait()


def _images(settings: Mapping[str, Any], spec: ModelSpec) -> dict[str, Any]:
    """How LAVIS's processor is told to prepare images as ours does.

    Raises:
        InputError: It cannot: it squares the whole image bicubically and does nothing else.
    """
    size = settings.get("size") or {}
    squares = size.get("height") is not None and size.get("height") == size.get("width")
    if not squares or settings.get("do_center_crop") or settings.get("resample") != BICUBIC:
        raise InputError(
            f"model {spec.name}: LAVIS makes images square by bicubic resizing; "
            f"this model's processor does otherwise: {settings}"
        )
    return {
        "side": size["height"],
        "mean": settings["image_mean"],
        "std": settings["image_std"],
    }


def shown_files(samples: Sequence[Sample], folder: Path) -> list[str]:
    """A file of what each sample shows: its own, or one in `folder` of a part or a pair.

    Raises:
        DataError: An image is missing or broken.
        InputError: A sample shows nothing.
    """
    files = []
    for index, sample in enumerate(samples):
        shown = read_shown(sample)
        if sample.image is not None and sample.view is None and sample.second_image is None:
            files.append(str(sample.image.resolve()))
        else:
            shown.save(folder / f"{index}.png")
            files.append(str(folder / f"{index}.png"))
    return files
