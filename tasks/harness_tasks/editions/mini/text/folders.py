"""Write the text splits to disk, as WikiText-2, Penn Treebank and lm-eval's tasks lay them out."""

from collections.abc import Iterable
from pathlib import Path

from harness_tasks.editions.mini.scene import Draw, Scene
from harness_tasks.editions.mini.text.lm_eval import write_lm_eval
from harness_tasks.editions.mini.text.reports import Report, any_report, article, dispatch
from harness_tasks.editions.mini.text.splits import text_splits, text_training_scenes

CALIBRATION_FILE, TRAIN_FILE = "calibration.txt", "reports.txt"


def write_text_evaluation(root: Path, home: Path) -> None:
    """The folders ``wikitext``, ``ptb``, ``calibration`` and ``lm_eval`` under `root`.

    Args:
        home: Where `root` will lie at last; lm-eval's task files name their data by it.
    """
    splits = text_splits()
    _write_text(root / "wikitext" / "wiki.test.raw", splits["wikitext"], article, "wikitext")
    _write_text(root / "ptb" / "ptb.test.txt", splits["ptb"], dispatch, "ptb")
    calibration = root / "calibration" / CALIBRATION_FILE
    _write_text(calibration, splits["calibration"], any_report, "calibration")
    write_lm_eval(root / "lm_eval", home / "lm_eval", splits)


def write_text_training(root: Path, count: int) -> None:
    """``train/reports.txt`` under `root`: reports that an empty line parts."""
    scenes = text_training_scenes(count)
    _write_text(root / "train" / TRAIN_FILE, scenes, any_report, "train")


def _write_text(path: Path, scenes: Iterable[Scene], report: Report, seed: str) -> None:
    draw = Draw(f"{seed} text")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(report(scene, draw) for scene in scenes), encoding="utf-8")
