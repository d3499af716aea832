"""VQAv2: open questions on COCO photographs, ten answers each.

Goyal et al., "Making the V in VQA Matter", CVPR 2017. Reads the official validation files.
"""

from collections.abc import Mapping
from typing import ClassVar

from harness.plugin import Manifest, Profile, Task, hookimpl
from harness_tasks import lavis, lmms_eval
from harness_tasks.manifests import manifest_of
from harness_tasks.metrics.vqa_accuracy import Rule
from harness_tasks.open_questions import OpenQuestions


class VQAv2(OpenQuestions):
    """VQA accuracy on the validation questions, broken down by answer type."""

    name: ClassVar[str] = "vqav2"
    manifest: ClassVar[Manifest] = manifest_of("vqav2")
    profiles: ClassVar[tuple[Profile, ...]] = (
        *lavis.short_answers("lavis"),
        *lavis.short_answers("official"),
        lavis.RANKED_ANSWERS,
        *(
            Profile(
                name=name,
                version=version,
                prompt=lmms_eval.QUESTION_PROMPT,
                generation=lmms_eval.SHORT_ANSWER,
            )
            for name, version in (("lmms-eval", 1), ("vlmevalkit", 2))
        ),
    )
    rules: ClassVar[Mapping[str, Rule]] = {
        "lavis": "lavis",
        "lavis-rank-480": "lavis",
        "official": "official",
        "lmms-eval": "lmms-eval",
        "vlmevalkit": "vlmevalkit",
    }
    questions: ClassVar[str] = "v2_OpenEnded_mscoco_val2014_questions.json"
    annotations: ClassVar[str] = "v2_mscoco_val2014_annotations.json"


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [VQAv2]
