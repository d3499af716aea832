"""Hub copies become folders in the official layout, whatever their name, order and sharding."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from harness.data import download
from harness.data.fetch import Fetched, fetch
from harness.data.folders import LOCK
from harness.data.hub import ParquetTables
from harness.errors import DataError, InputError
from harness.plugin import Example, HubCopy, HubTable
from harness_tasks.captioning import CocoCaption, NoCaps
from harness_tasks.flickr30k import Flickr30k
from harness_tasks.gqa import GQA
from harness_tasks.imagenet import ImageNet
from harness_tasks.labelled_sets import DescribableTextures
from harness_tasks.nlvr2 import NLVR2
from harness_tasks.okvqa import OKVQA
from harness_tasks.perplexity import PennTreebank, WikiText
from harness_tasks.vqav2 import VQAv2

Rows = Sequence[Mapping[str, Any]]


def picture(number: int, kind: str = "PNG") -> dict[str, Any]:
    """An image as the hub's parquet files hold it."""
    buffer = io.BytesIO()
    pixels = np.full((8, 8, 3), number, dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, kind)
    return {"bytes": buffer.getvalue(), "path": None}


def write(path: Path, rows: Rows, names: Mapping[str, list[str]] | None = None) -> None:
    """A parquet file; `names` are those of class columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist([dict(row) for row in rows])
    if names is not None:
        features = {column: {"names": labels} for column, labels in names.items()}
        text = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": text})
    pq.write_table(table, path)


def vqa_rows(task: str) -> Rows:
    """Four questions on two images."""
    rows = []
    for question_id in (72, 70, 91, 90):
        answers = ["red"] * 9 + [str(question_id)]
        row = {
            "question_id": question_id if task == "vqav2" else str(question_id),
            "image": picture(question_id // 10, "JPEG"),
            "question": f"What is it, {question_id}?",
            "question_type": "what is",
            "answer_type": "number" if question_id == 90 else "other",
            "answers": answers,
        }
        if task == "vqav2":
            objects = [
                {"answer": answer, "answer_confidence": "yes", "answer_id": number}
                for number, answer in enumerate(answers, start=1)
            ]
            more = {"image_id": question_id // 10, "multiple_choice_answer": "red"}
            row |= {"answers": objects, **more}
        rows.append(row)
    return rows


def fetch_local(task: Any, source: Path, folder: Path, *, part: bool = True) -> Fetched:
    return fetch(task, folder, source=source, from_hub=False, part=part, report=lambda *_: None)


def read(task: Any, folder: Path) -> Sequence[Example]:
    return task.examples(folder, task.profiles[0], lambda text: list(text.encode()))


@pytest.mark.parametrize(
    ("task", "split"), [(VQAv2(), "validation"), (OKVQA(), "val2014")], ids=["vqav2", "okvqa"]
)
def test_questions(task: Any, split: str, tmp_path: Path) -> None:
    write(tmp_path / "hub" / "data" / f"{split}-00000-of-00001.parquet", vqa_rows(task.name))

    done = fetch_local(task, tmp_path / "hub", tmp_path / "out")

    examples = read(task, tmp_path / "out")
    assert done.verdict.is_sound
    assert done.verdict.examples == 4
    assert done.verdict.source == f"local files of {task.manifest.hub[0].repo}"
    assert [example.sample.id for example in examples] == ["70", "72", "90", "91"]
    assert [example.sample.image.name for example in examples] == [
        *["COCO_val2014_000000000007.jpg"] * 2,
        *["COCO_val2014_000000000009.jpg"] * 2,
    ]
    assert examples[0].references == ("red",) * 9 + ("70",)
    assert [example.label for example in examples] == ["other", "other", "number", "other"]


def test_both_names_all_orders_and_all_shardings_give_one_digest(tmp_path: Path) -> None:
    rows = vqa_rows("vqav2")
    write(tmp_path / "lmms-lab" / "data" / "validation-00000-of-00001.parquet", rows)
    for shard, index in enumerate((3, 1, 0, 2)):
        path = tmp_path / "lmms-lab-encoder" / f"validation-0000{shard}-of-00004.parquet"
        write(path, [rows[index]])

    done = [
        fetch_local(VQAv2(), tmp_path / name, tmp_path / "out" / name).verdict
        for name in ("lmms-lab", "lmms-lab-encoder")
    ]

    assert done[0].digest == done[1].digest
    assert len({verdict.folder for verdict in done}) == 2


def test_gqa_joins_its_two_tables(tmp_path: Path) -> None:
    question = {
        "question": "Is it red?",
        "answer": "yes",
        "fullAnswer": "Yes, it is.",
        "types": {"structural": "verify", "semantic": "attr", "detailed": "x"},
        "groups": {"global": None, "local": "g"},
    }
    questions = [{"id": f"20{i}", "imageId": f"n{i % 2}", **question} for i in range(4)]
    pictures = [{"id": f"n{i}", "image": picture(i)} for i in range(2)]
    hub = tmp_path / "hub"
    write(hub / "testdev_balanced_instructions" / "testdev-00000-of-00001.parquet", questions)
    write(hub / "testdev_balanced_images" / "testdev-00000-of-00001.parquet", pictures)

    fetch_local(GQA(), hub, tmp_path / "out")

    examples = read(GQA(), tmp_path / "out")
    assert [example.sample.id for example in examples] == ["200", "201", "202", "203"]
    assert {example.label for example in examples} == {"verify"}
    assert examples[1].sample.image == tmp_path / "out" / "images" / "n1.png"


def nocaps_rows() -> Rows:
    return [
        {
            "image": picture(i),
            "image_id": i,
            "image_file_name": f"{i:016x}.jpg",
            "image_open_images_id": f"{i:016x}",
            "annotations_ids": [2 * i, 2 * i + 1],
            "annotations_captions": [f"thing {i}", f"a thing {i}"],
        }
        for i in (2, 1)
    ]


def test_nocaps_says_that_domains_are_missing(tmp_path: Path) -> None:
    write(tmp_path / "hub" / "data" / "validation-00000-of-00001.parquet", nocaps_rows())

    done = fetch_local(NoCaps(), tmp_path / "hub", tmp_path / "out")

    examples = read(NoCaps(), tmp_path / "out")
    assert [(e.sample.id, e.references) for e in examples] == [
        ("1", ("thing 1", "a thing 1")),
        ("2", ("thing 2", "a thing 2")),
    ]
    assert {example.label for example in examples} == {""}
    assert "no breakdown by domain" in done.lacks


def test_the_official_captions_file_stays_and_has_the_domains(tmp_path: Path) -> None:
    write(tmp_path / "hub" / "data" / "validation-00000-of-00001.parquet", nocaps_rows())
    official = {
        "images": [{"id": 1, "file_name": f"{1:016x}.jpg", "domain": "near-domain"}],
        "annotations": [{"image_id": 1, "id": 0, "caption": "official"}],
    }
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "nocaps_val_4500_captions.json").write_text(json.dumps(official))

    fetch_local(NoCaps(), tmp_path / "hub", tmp_path / "out")

    [example] = read(NoCaps(), tmp_path / "out")
    assert (example.label, example.references) == ("near-domain", ("official",))


def test_coco_is_named_by_its_questions(tmp_path: Path) -> None:
    rows = [
        {"question_id": name, "image": picture(i), "answer": [f"{i} one", f"{i} two"]}
        for i, name in enumerate(("000000000139.jpg", "COCO_val2017_000000000042.jpg"))
    ]
    write(tmp_path / "hub" / "data" / "val-00000-of-00001.parquet", rows)

    fetch_local(CocoCaption(), tmp_path / "hub", tmp_path / "out")

    examples = read(CocoCaption(), tmp_path / "out")
    assert [example.sample.image.name for example in examples] == [
        "000000000042.jpg",
        "000000000139.jpg",
    ]
    assert [e.references for e in examples] == [("1 one", "1 two"), ("0 one", "0 two")]


def flickr_rows(count: int) -> Rows:
    return [
        {"image": picture(i), "filename": f"{i}.jpg", "caption": [f"{i} {k}" for k in range(5)]}
        for i in range(count)
    ]


def test_flickr30k_of_the_test_split(tmp_path: Path) -> None:
    write(tmp_path / "hub" / "TEST" / "test" / "0000.parquet", flickr_rows(3))

    fetch_local(Flickr30k(), tmp_path / "hub", tmp_path / "out")

    examples = read(Flickr30k(), tmp_path / "out")
    assert [example.sample.id for example in examples] == ["0.jpg", "1.jpg", "2.jpg"]
    assert examples[1].references == tuple(f"1 {k}" for k in range(5))


def test_flickr30k_of_all_images_needs_karpathys_file(tmp_path: Path) -> None:
    """Only his test images are written; an image that the copy lacks is named."""
    write(tmp_path / "hub" / "data" / "test-00000-of-00009.parquet", flickr_rows(4))
    out = tmp_path / "out"
    with pytest.raises(DataError, match="dataset_flickr30k.json: no such file; lmms-lab-encoder"):
        fetch_local(Flickr30k(), tmp_path / "hub", out)
    sentences = [{"raw": "official"}]
    images = [
        {"filename": f"{i}.jpg", "split": "test" if i % 2 else "train", "sentences": sentences}
        for i in range(4)
    ]
    out.mkdir(exist_ok=True)
    (out / "dataset_flickr30k.json").write_text(json.dumps({"images": images}))

    fetch_local(Flickr30k(), tmp_path / "hub", out)

    assert sorted(path.name for path in (out / "images").iterdir()) == ["1.jpg", "3.jpg"]
    assert [example.references for example in read(Flickr30k(), out)] == [("official",)] * 2
    (out / LOCK).unlink()
    images.append({"filename": "9.jpg", "split": "test", "sentences": sentences})
    (out / "dataset_flickr30k.json").write_text(json.dumps({"images": images}))
    with pytest.raises(DataError, match="9.jpg of its test split is not in lmms-lab-encoder"):
        fetch_local(Flickr30k(), tmp_path / "hub", out)


def test_imagenet_keeps_the_order_of_classes(tmp_path: Path) -> None:
    rows = [{"image": picture(i % 3), "label": 2 - i % 2} for i in range(6)]
    path = tmp_path / "hub" / "data" / "validation-00000-of-00001.parquet"
    write(path, rows, {"label": ["tench", "goldfish", "shark"]})

    fetch_local(ImageNet(), tmp_path / "hub", tmp_path / "out")

    out = tmp_path / "out"
    assert json.loads((out / "classes.json").read_text()) == [
        ["0000", "tench"],
        ["0001", "goldfish"],
        ["0002", "shark"],
    ]
    examples = read(ImageNet(), out)
    assert sorted(example.references[0] for example in examples) == ["1"] * 3 + ["2"] * 3
    assert [choice.split("\t")[1] for choice in examples[0].choices] == [
        *("tench", "goldfish", "shark")
    ]


def test_equal_images_of_a_class_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "hub" / "data" / "validation-0.parquet"
    write(path, [{"image": picture(1), "label": 0}] * 3, {"label": ["tench"]})

    fetch_local(ImageNet(), tmp_path / "hub", tmp_path / "out")

    assert len(read(ImageNet(), tmp_path / "out")) == 3


def test_folders_of_the_clip_sets_are_named_like_their_class(tmp_path: Path) -> None:
    rows = [{"image": picture(i), "label": i % 2} for i in range(4)]
    names = {"label": ["zig zagged", "/b/banded"]}
    write(tmp_path / "hub" / "data" / "test-00000-of-00001.parquet", rows, names)
    write(tmp_path / "nameless" / "test-00000-of-00001.parquet", rows)

    fetch_local(DescribableTextures(), tmp_path / "hub", tmp_path / "out")

    examples = read(DescribableTextures(), tmp_path / "out")
    assert examples[0].choices == ("banded", "zig_zagged")
    assert [example.references[0] for example in examples] == ["0", "0", "1", "1"]
    with pytest.raises(DataError, match="tanganke/dtd does not say what its classes are called"):
        fetch_local(DescribableTextures(), tmp_path / "nameless", tmp_path / "other")


def test_nlvr2(tmp_path: Path) -> None:
    rows = [
        {
            "left_image": picture(i),
            "right_image": picture(i + 1),
            "question": f"There are {i}.",
            "answer": "True" if i else "False",
        }
        for i in range(2)
    ]
    write(tmp_path / "hub" / "data" / "unbalanced_test_public-0.parquet", rows)

    fetch_local(NLVR2(), tmp_path / "hub", tmp_path / "out")

    examples = read(NLVR2(), tmp_path / "out")
    by_label = {example.references[0]: example.sample for example in examples}
    assert by_label["True"].image.read_bytes() == picture(1)["bytes"]
    assert by_label["True"].second_image.read_bytes() == picture(2)["bytes"]
    assert by_label["False"].prompt == "There are 0."


def test_wikitext_is_the_official_file_again(tmp_path: Path) -> None:
    rows = [{"text": text} for text in ("", " = A = \n", "", " b c \n")]
    write(tmp_path / "hub" / "wikitext-2-raw-v1" / "test-00000-of-00001.parquet", rows * 99)

    fetch_local(WikiText(), tmp_path / "hub", tmp_path / "out")

    text = (tmp_path / "out" / "wiki.test.raw").read_text()
    assert text == " \n = A = \n \n b c \n" * 99


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda rows: [{k: v for k, v in row.items() if k != "answers"} for row in rows],
            r"validation-0.parquet: column 'answers' is missing; it has question_id, image",
        ),
        (
            lambda rows: rows,
            r"4 rows in the files of validation-\*.parquet, not the 214,354 of "
            r"lmms-lab-encoder/VQAv2; if they are a part on purpose, say --part",
        ),
        (
            lambda rows: [{**row, "image": {"bytes": None, "path": "x"}} for row in rows],
            "validation-0.parquet, row 0: column 'image' is empty",
        ),
    ],
    ids=["column", "rows", "images"],
)
def test_a_faulty_copy_is_named(
    spoil: Callable[[Rows], Rows], message: str, tmp_path: Path
) -> None:
    write(tmp_path / "hub" / "validation-0.parquet", spoil(vqa_rows("vqav2")))

    with pytest.raises(DataError, match=message):
        fetch_local(VQAv2(), tmp_path / "hub", tmp_path / "out", part="4 rows" not in message)


def test_other_folders_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "hub" / "train-0.parquet", vqa_rows("vqav2"))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "validation-0.parquet").write_bytes(b"PAR?")

    with pytest.raises(DataError, match=r"1 parquet files, none of them validation-\*.parquet"):
        fetch_local(VQAv2(), tmp_path / "hub", tmp_path / "out")
    with pytest.raises(DataError, match="validation-0.parquet: not a readable parquet file"):
        fetch_local(VQAv2(), tmp_path / "bad", tmp_path / "out")
    with pytest.raises(DataError, match="none: no such folder"):
        fetch_local(VQAv2(), tmp_path / "none", tmp_path / "out")
    with pytest.raises(InputError, match="ptb has no hub copy to convert; get it from https"):
        fetch_local(PennTreebank(), tmp_path / "hub", tmp_path / "out")


def test_an_alias_has_a_commit_of_its_own() -> None:
    table = HubTable(split="test", columns=("a",))
    copy = HubCopy(repo="new/x", aliases=("old/x@c0ffee", "x"), tables=(table,), convert="m:f")

    assert copy.names == {"new/x": "", "old/x": "c0ffee", "x": ""}


class FakeHub:
    """A hub that knows one repository, and what it was asked."""

    def __init__(self, repo: str, root: Path) -> None:
        self.repo, self.root = repo, root
        self.asked: list[tuple[Any, ...]] = []

    def api(self, token: Any) -> Any:
        def dataset_info(repo: str, revision: str | None) -> Any:
            self.asked.append((repo, revision, token))
            if repo != self.repo:
                raise ConnectionError(f"404: no {repo}")
            files = [SimpleNamespace(rfilename=p.name) for p in self.root.iterdir()]
            return SimpleNamespace(siblings=files, sha="f" * 40)

        return SimpleNamespace(dataset_info=dataset_info)

    def download(
        self, repo: str, name: str, *, repo_type: str, revision: str, local_dir: Path, token: Any
    ) -> None:
        self.asked.append((repo, name, repo_type, revision, token))
        local_dir.mkdir(parents=True, exist_ok=True)
        (local_dir / name).write_bytes((self.root / name).read_bytes())


def test_the_hub_is_asked_without_a_token_and_the_revision_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "hub" / "val2014-0.parquet", vqa_rows("okvqa"))
    (tmp_path / "hub" / "README.md").write_text("card")
    hub = FakeHub("lmms-lab/OK-VQA", tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "HfApi", hub.api)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hub.download)

    done = fetch(
        OKVQA(),
        tmp_path / "out",
        source=None,
        from_hub=True,
        part=True,
        report=lambda *_: None,
    )

    pinned = OKVQA.manifest.hub[0].revision
    assert hub.asked == [
        ("lmms-lab-encoder/OK-VQA", pinned, False),
        ("lmms-lab/OK-VQA", None, False),
        ("lmms-lab/OK-VQA", "val2014-0.parquet", "dataset", "f" * 40, False),
    ]
    assert done.verdict.source == f"hub lmms-lab/OK-VQA@{'f' * 40}"
    assert json.loads((tmp_path / "out" / LOCK).read_text())["source"] == done.verdict.source
    assert not (tmp_path / "out.download").exists()


def test_a_failing_network_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline by HF_HUB_OFFLINE for the hub, and by an unreachable address for official files."""

    def offline(*_: Any, **__: Any) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setattr(download, "urlopen", offline)
    out = tmp_path / "out"

    with pytest.raises(InputError) as official:
        fetch(GQA(), out, source=None, from_hub=False, part=False, report=lambda *_: None)
    with pytest.raises(InputError) as copy:
        fetch(GQA(), out, source=None, from_hub=True, part=False, report=lambda *_: None)

    by_hand = (
        f"By hand: get it from {GQA.manifest.page} and put testdev_balanced_questions.json and "
        f"images/ into {out}"
    )
    assert str(official.value) == (
        "gqa cannot be fetched (network is unreachable). --hub asks for the hub copy alone. "
        f"{by_hand}"
    )
    assert "lmms-lab-encoder/GQA: " in str(copy.value)
    assert "lmms-lab/GQA: " in str(copy.value)
    assert by_hand in str(copy.value)


def test_a_conversion_that_broke_off_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although nothing seems to be missing: the captions file and some images are there."""
    write(tmp_path / "hub" / "validation-0.parquet", nocaps_rows())
    hub = FakeHub("lmms-lab-encoder/NoCaps", tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "HfApi", hub.api)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hub.download)
    out = tmp_path / "out"
    out.mkdir()
    images = [{"id": i, "file_name": f"{i:016x}.jpg"} for i in (1, 2)]
    captions = [{"image_id": i, "id": i, "caption": "official"} for i in (1, 2)]
    official = {"images": images, "annotations": captions}
    (out / "nocaps_val_4500_captions.json").write_text(json.dumps(official))
    original = ParquetTables.rows

    def broken(tables: ParquetTables, table: str) -> Any:
        yield next(original(tables, table))
        raise OSError("disk full")

    def run() -> Fetched:
        quiet = {"part": True, "report": lambda *_: None}
        return fetch(NoCaps(), out, source=None, from_hub=False, **quiet)

    monkeypatch.setattr(ParquetTables, "rows", broken)
    with pytest.raises(InputError, match=r"nocaps cannot be fetched \(disk full\)"):
        run()
    assert len(list((out / "images").iterdir())) == 1
    monkeypatch.setattr(ParquetTables, "rows", original)

    assert run().verdict.examples == 2
    assert not (tmp_path / "out.download").exists()


def test_what_only_people_can_get_is_said(tmp_path: Path) -> None:
    class Frames:
        name = "ucf101"
        manifest = replace(PennTreebank.manifest, files=NLVR2.manifest.files)

    with pytest.raises(InputError, match="test1.json, test1/ of ptb cannot be fetched; get it"):
        fetch(
            Frames(),
            tmp_path / "out",
            source=None,
            from_hub=False,
            part=False,
            report=lambda *_: None,
        )
