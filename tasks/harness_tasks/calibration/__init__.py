"""Calibration sources, all local: captioned and labelled images, text, tasks' own train files.

What a sample holds (where a caption is cut, which part of an image shows, where a window of a
document begins) is decided once, by its content and the option ``seed``, never by the name of a
file. Which samples are drawn is the machine's business and the run's seed.
"""

from harness.plugin import CalibrationSource, hookimpl
from harness_tasks.calibration.captions import Captions
from harness_tasks.calibration.documents import Documents
from harness_tasks.calibration.labelled_images import ImageFolder
from harness_tasks.calibration.pairs import Pairs
from harness_tasks.calibration.running_text import Text
from harness_tasks.calibration.train_splits import GQATrain, NLVR2Train, OKVQATrain, VQAv2Train

__all__ = [
    "Captions",
    "Documents",
    "GQATrain",
    "ImageFolder",
    "NLVR2Train",
    "OKVQATrain",
    "Pairs",
    "Text",
    "VQAv2Train",
]


@hookimpl
def harness_calibration_sources() -> list[type[CalibrationSource]]:
    return [
        *(Pairs, Captions, ImageFolder, Text, Documents),
        *(VQAv2Train, OKVQATrain, GQATrain, NLVR2Train),
    ]
