"""Folders are checked: what is wrong is said with its file, row and field."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.data.folders import LOCK
from harness.data.verify import Verdict, verify
from harness.errors import DataError, InputError
from harness.plugin.manager import Plugins
from harness.spec import DataSpec, TaskSpec
from harness.tasks import open_task
from harness_tasks.editions.mini import mini_root
from harness_tasks.gqa import GQA
from harness_tasks.imagenet import ImageNet
from harness_tasks.labelled_sets import UCF101, Food101
from harness_tasks.lm_eval import LmEval
from harness_tasks.perplexity import PennTreebank, WikiText
from harness_tasks.vqav2 import VQAv2
from tests.tasks.worlds import dump, images, write_class_folders

ANNOTATIONS = VQAv2.annotations
IMAGE = "val2014/COCO_val2014_000000000007.png"


def quiet(step: str, done: int, total: int) -> None:
    assert step
    assert 0 <= done <= total


def check(folder: Path, task: Any = None, *, part: bool = True) -> Verdict:
    return verify(task or VQAv2(), folder, part=part, report=quiet)


@pytest.fixture
def vqav2(cache: Path, tmp_path: Path) -> Path:
    """A copy of the mini edition's folder, which is in the official format."""
    folder = tmp_path / "vqav2"
    shutil.copytree(mini_root(cache) / "vqav2", folder)
    return folder


def test_a_sound_folder_gets_a_lock_file_and_is_sound_again(vqav2: Path) -> None:
    first = check(vqav2)
    lock = json.loads((vqav2 / LOCK).read_text())
    second = check(vqav2, part=False)

    assert first.is_sound
    assert (first.note, second.note) == ("lock file written", "")
    assert lock["examples"] == first.examples == 1200
    assert lock["is_part"]
    assert lock["source"] == "found"
    assert len(lock["files"]) == 402
    assert lock["digest"] == first.digest == second.digest


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("damage", "faults"),
    [
        (lambda folder: flip(folder / IMAGE), [f"{IMAGE}: other bytes: SHA-256 "]),
        (
            lambda folder: (folder / IMAGE).unlink(),
            [f"{IMAGE}: is gone; the lock file has it"],
        ),
        (
            lambda folder: edit(
                folder / ANNOTATIONS, lambda c: c["annotations"][5]["answers"][3].pop("answer")
            ),
            [
                f"{ANNOTATIONS}, annotations[5].answers[3]: field 'answer' is missing; it has ",
                f"{ANNOTATIONS}: has ",
            ],
        ),
        (
            lambda folder: edit(folder / ANNOTATIONS, lambda c: c["annotations"].pop()),
            [f"{VQAv2.questions}, questions[1199]: question_id ", f"{ANNOTATIONS}: has "],
        ),
        (
            lambda folder: shutil.copy(folder / IMAGE, folder / "val2014" / "more.png"),
            ["val2014/more.png: is new; the lock file does not have it"],
        ),
    ],
    ids=["flipped byte", "missing image", "missing field", "missing row", "new file"],
)
def test_what_changed_since_the_lock_file_is_named(
    vqav2: Path, damage: Callable[[Path], Any], faults: list[str]
) -> None:
    assert check(vqav2).is_sound
    damage(vqav2)

    verdict = check(vqav2)

    assert len(verdict.problems) == len(faults)
    for problem, fault in zip(verdict.problems, faults, strict=True):
        assert problem.startswith(f"{vqav2}/{fault}")


def test_without_a_lock_file_faults_are_named_and_none_is_written(vqav2: Path) -> None:
    (vqav2 / ANNOTATIONS).unlink()

    verdict = check(vqav2)

    assert verdict.problems == (f"{vqav2 / ANNOTATIONS}: is missing",)
    assert verdict.examples is None
    assert not (vqav2 / LOCK).exists()


def test_a_part_is_no_full_data(vqav2: Path) -> None:
    verdict = check(vqav2, part=False)

    assert verdict.problems == (
        f"{vqav2}: 1,200 items, not 214,354; if it is a part on purpose, say --part",
    )
    assert not (vqav2 / LOCK).exists()


def test_a_part_is_not_evaluated_as_full(
    vqav2: Path, tiny_model: Any, plugins: Plugins, tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    vqav2.rename(tmp_path / "full" / "vqav2")

    with pytest.raises(DataError, match=r"1,200 items, not 214,354; .* --data vqav2=DIR"):
        open_task(
            TaskSpec(name="vqav2"),
            DataSpec(edition="full"),
            tmp_path,
            tiny_model("blip2_t5"),
            plugins,
        )


def test_lines_of_texts_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "ptb.test.txt"
    path.write_text("no it was n't black monday \n" * 3760)

    verdict = check(tmp_path, PennTreebank(), part=False)

    assert verdict.problems == (
        f"{path}: 3,760 lines, not 3,761; if it is a part on purpose, say --part",
    )


def test_every_layout_has_its_own_count(tmp_path: Path) -> None:
    """CoOp's test split of Food-101 has other images than the official one."""
    images(tmp_path / "images", ["a.jpg"])
    dump(tmp_path / Food101.split_file, {"test": [["a.jpg", 0, "apple pie"]]})

    verdict = check(tmp_path, Food101(), part=False)

    assert verdict.problems == (
        f"{tmp_path}: 1 items, not 30,300; if it is a part on purpose, say --part",
    )


def test_two_layouts_are_a_fault_and_so_is_half_of_another(tmp_path: Path) -> None:
    dump(tmp_path / Food101.split_file, {"test": [["a.jpg", 0, "apple pie"]]})

    lonely = check(tmp_path, Food101())
    write_class_folders(tmp_path)
    both = check(tmp_path, Food101())

    assert lonely.problems == (f"{tmp_path / 'images' / 'a.jpg'}: no such image",)
    assert both.problems == (
        f"{tmp_path}: holds test/ and {Food101.split_file}, which may be different data; "
        "keep one of them",
    )


def test_a_count_that_nobody_knows_is_said_to_be_unknown(tmp_path: Path) -> None:
    write_class_folders(tmp_path)

    verdict = check(tmp_path, UCF101(), part=False)

    assert verdict.is_sound
    assert (verdict.examples, verdict.is_counted) == (4, False)


def test_each_broken_or_missing_image_is_named_before_a_lock_file_is_written(vqav2: Path) -> None:
    pictures = sorted((vqav2 / "val2014").iterdir())
    pictures[0].write_text("garbage")
    pictures[1].write_bytes(pictures[1].read_bytes()[:-40])
    pictures[2].unlink()

    verdict = check(vqav2)

    assert [problem.partition(" (")[0] for problem in sorted(verdict.problems)] == [
        f"{pictures[0]}: not a readable image",
        f"{pictures[1]}: not a readable image",
        f"{pictures[2].with_suffix('.jpg')}: no such image",
    ]
    assert not (vqav2 / LOCK).exists()


def test_data_that_is_no_folder_of_ours_is_not_verified(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lm_eval: its manifest names no files, so there is noth"):
        check(tmp_path, LmEval("arc_easy"))


def test_a_damaged_lock_file_is_named(vqav2: Path) -> None:
    (vqav2 / LOCK).write_text('{"task": ')

    with pytest.raises(DataError, match=f"{LOCK}: not a readable lock file; delete it"):
        check(vqav2)


@pytest.mark.parametrize(
    ("place", "task"),
    [
        ("imagenet", ImageNet()),
        ("daquar_gqa", GQA()),
        ("text/wikitext-2", WikiText()),
    ],
    ids=["imagenet", "gqa", "wikitext"],
)
def test_real_files(real_data: Path, tmp_path: Path, place: str, task: Any) -> None:
    """Through links: the folder of real files is left as it is."""
    folder = tmp_path / "copy"
    shutil.copytree(real_data / place, folder, copy_function=os.symlink)
    assert check(folder, task).is_sound
    victim = next(folder / name for name in json.loads((folder / LOCK).read_text())["files"])
    content = victim.read_bytes()
    victim.unlink()
    assert any(str(victim) in problem for problem in check(folder, task).problems)

    victim.write_bytes(content)
    flip(victim)

    [*_, problem] = check(folder, task).problems
    assert problem.startswith(f"{victim}: other bytes")
