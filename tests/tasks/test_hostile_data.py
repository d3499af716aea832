"""Data that was made to do harm: no name leaves its folder, nothing runs or grows without end.

Every test tries an attack that `docs/security.md` names.
"""

import gzip
import io
import json
import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest

from harness.data.fetch import fetch
from harness.errors import DataError, InputError
from harness.plugin import Encode, SamplePool
from harness_tasks.calibration import Documents, Pairs, Text
from harness_tasks.captioning import CocoCaption, NoCaps
from harness_tasks.flickr30k import Flickr30k
from harness_tasks.gqa import GQA
from harness_tasks.image_folder import MAPPING
from harness_tasks.imagenet import ImageNet
from harness_tasks.labelled_sets import UCF101, DescribableTextures
from harness_tasks.nlvr2 import NLVR2
from harness_tasks.okvqa import OKVQA
from harness_tasks.perplexity import WikiText
from harness_tasks.vqav2 import VQAv2
from tests.tasks.test_hub_copies import (
    fetch_local,
    flickr_rows,
    nocaps_rows,
    picture,
    vqa_rows,
    write,
)
from tests.tasks.worlds import dump

#: Each leaves a folder, or is no name that a file can have everywhere.
NAMES = [
    "../evil.jpg",
    "../../evil.jpg",
    "a/../../evil.jpg",
    "{outside}/evil.jpg",
    "..\\evil.jpg",
    "C:\\evil.jpg",
    "evil\0.jpg",
    "evil\n.jpg",
    "evil\x1b]0;.jpg",
    "e" * 300,
    "e/" * 3000 + "vil.jpg",
    "..",
    "",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Deep enough for names that go up, which must not be written to outside."""
    return tmp_path / "a" / "b" / "out"


def refused(act: Callable[[], object], tmp_path: Path, folder: Path) -> str:
    """The one line that it is refused by; nothing but marks and caches may have been written."""
    before = files(tmp_path)
    with pytest.raises(InputError) as error:
        act()
    written = {path for path in files(tmp_path) - before if "unpacked" not in path.parts}
    assert written <= {folder.with_name("out.download") / "converting"}
    message = str(error.value)
    assert message.isprintable()
    assert len(message.replace(str(tmp_path), "")) <= 400
    return message


def files(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if path.is_file()}


def with_name(rows: Any, column: str, name: str) -> list[dict[str, Any]]:
    """The rows, the last of which has that name."""
    *first, last = rows
    return [*first, {**last, column: name}]


def gqa_tables(hub: Path, name: str) -> None:
    question = {
        **dict.fromkeys(("question", "answer", "fullAnswer"), "x"),
        "types": {"structural": "verify"},
        "groups": {"global": "x"},
    }
    write(hub / "testdev_balanced_instructions" / "testdev-0.parquet", [
        {"id": "1", "imageId": "n1", **question}
    ])  # fmt: skip
    rows = [{"id": i, "image": picture(0)} for i in ("n1", name.removesuffix(".jpg"))]
    write(hub / "testdev_balanced_images" / "testdev-0.parquet", rows)


def nocaps_table(hub: Path, name: str) -> None:
    write(hub / "validation-0.parquet", with_name(nocaps_rows(), "image_file_name", name))


def flickr_table(hub: Path, name: str) -> None:
    write(hub / "TEST" / "test-0.parquet", with_name(flickr_rows(3), "filename", name))


def texture_table(hub: Path, name: str) -> None:
    rows = [{"image": picture(i), "label": i} for i in range(2)]
    write(hub / "test-0.parquet", rows, {"label": ["banded", name]})


@pytest.mark.parametrize(
    ("task", "table", "name"),
    [
        *((NoCaps, nocaps_table, name) for name in NAMES),
        *((Flickr30k, flickr_table, name) for name in NAMES),
        *((GQA, gqa_tables, name) for name in NAMES[:-2]),
    ],
)
def test_no_name_of_a_hub_copy_is_written_outside(
    task: Any, table: Callable[[Path, str], None], name: str, folder: Path, tmp_path: Path
) -> None:
    table(tmp_path / "hub", name.replace("{outside}", str(tmp_path / "outside")))

    told = refused(lambda: fetch_local(task(), tmp_path / "hub", folder), tmp_path, folder)

    assert "row " in told
    assert "file name" in told


@pytest.mark.parametrize("name", ["..", "../evil", "/../../evil", "evil\0", "..\\evil", "e" * 300])
def test_no_class_of_a_hub_copy_is_written_outside(name: str, folder: Path, tmp_path: Path) -> None:
    """Slashes become underscores, as SUN397's classes need it; what is left may be no name."""
    texture_table(tmp_path / "hub", name)
    if name in {"../evil", "/../../evil"}:
        fetch_local(DescribableTextures(), tmp_path / "hub", folder)
        assert all(path.is_relative_to(folder) for path in files(tmp_path / "a"))
        return

    told = refused(
        lambda: fetch_local(DescribableTextures(), tmp_path / "hub", folder), tmp_path, folder
    )

    assert "of tanganke/dtd" in told


@pytest.mark.parametrize(
    ("task", "split", "column", "value"),
    [
        (VQAv2, "validation", "image_id", -7),
        (VQAv2, "validation", "question_id", 10**15),
        (OKVQA, "val2014", "question_id", "../../evil"),
        (OKVQA, "val2014", "question_id", "٧٧"),
        (OKVQA, "val2014", "question_id", "70"),
    ],
)
def test_no_number_of_a_hub_copy_is_anything_else(
    task: Any, split: str, column: str, value: Any, folder: Path, tmp_path: Path
) -> None:
    """Nor one that another row has."""
    write(tmp_path / "hub" / f"{split}-0.parquet", with_name(vqa_rows(task.name), column, value))

    told = refused(lambda: fetch_local(task(), tmp_path / "hub", folder), tmp_path, folder)

    assert f"{column!r} is" in told


@pytest.mark.parametrize("name", ["../../evil", "x", "0000", "²"])
def test_coco_is_written_by_numbers_alone(name: str, folder: Path, tmp_path: Path) -> None:
    rows = [{"question_id": n, "image": picture(1), "answer": ["a dog"]} for n in ("0", name)]
    write(tmp_path / "hub" / "val-0.parquet", rows)

    refused(lambda: fetch_local(CocoCaption(), tmp_path / "hub", folder), tmp_path, folder)


@pytest.mark.parametrize("label", [-1, 2, 10**12])
@pytest.mark.parametrize("task", [ImageNet, DescribableTextures])
def test_a_class_that_is_none_is_refused(
    task: Any, label: int, folder: Path, tmp_path: Path
) -> None:
    split = "validation" if task is ImageNet else "test"
    rows = [{"image": picture(i), "label": n} for i, n in enumerate((0, label))]
    write(tmp_path / "hub" / f"{split}-0.parquet", rows, {"label": ["a dog", "a cat"]})

    told = refused(lambda: fetch_local(task(), tmp_path / "hub", folder), tmp_path, folder)

    assert f"row 1: column 'label' is {label}, not a class from 0 to 1" in told


def test_answers_and_texts_of_a_copy_are_what_they_should_be(folder: Path, tmp_path: Path) -> None:
    sides = {"left_image": picture(1), "right_image": picture(2), "question": "A is B."}
    write(tmp_path / "n" / "unbalanced_test_public-0.parquet", [{**sides, "answer": "maybe"}])
    told = refused(lambda: fetch_local(NLVR2(), tmp_path / "n", folder), tmp_path, folder)
    assert "row 0: column 'answer' is 'maybe', neither True nor False" in told

    write(tmp_path / "w" / "wikitext-2-raw-v1" / "test-0.parquet", [{"text": 7}])
    told = refused(lambda: fetch_local(WikiText(), tmp_path / "w", folder), tmp_path, folder)
    assert "row 0: field 'text' is 7, not of type str" in told

    write(tmp_path / "i" / "test-0.parquet", [{"image": {"bytes": "text"}, "label": 0}],
          {"label": ["dog"]})  # fmt: skip
    with pytest.raises(DataError, match="row 0: column 'image' holds no bytes of an image"):
        fetch_local(DescribableTextures(), tmp_path / "i", folder)


def test_no_file_of_a_repository_is_loaded_to_outside(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["../../val2014-0.parquet"]
    siblings = [SimpleNamespace(rfilename=name) for name in names]
    found = SimpleNamespace(siblings=siblings, sha="f" * 40)
    api = SimpleNamespace(dataset_info=lambda *_, **__: found)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda **_: api)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *_, **__: pytest.fail("loaded"))

    with pytest.raises(InputError, match=r"its file '../../val2014-0.parquet' leads outside"):
        fetch(OKVQA(), folder, source=None, from_hub=True, part=True, report=lambda *_: None)


def coco(folder: Path, name: str) -> None:
    images = [{"id": 1, "file_name": name}]
    captions = [{"image_id": 1, "caption": "a dog"}]
    dump(
        folder / "annotations" / "captions_val2017.json",
        {"images": images, "annotations": captions},
    )


def nocaps(folder: Path, name: str) -> None:
    coco(folder, name)
    (folder / "annotations" / "captions_val2017.json").rename(
        folder / "nocaps_val_4500_captions.json"
    )


def karpathy(folder: Path, name: str) -> None:
    row = {"filename": name, "split": "test", "sentences": [{"raw": "a dog"}]}
    dump(folder / "dataset_flickr30k.json", {"images": [row]})


def karpathy_folder(folder: Path, name: str) -> None:
    row = {"filename": "1.jpg", "filepath": name, "split": "test", "sentences": [{"raw": "a dog"}]}
    dump(folder / "dataset_coco.json", {"images": [row]})


def lavis(folder: Path, name: str) -> None:
    dump(folder / "annotations" / "coco_karpathy_test.json", [{"image": name, "caption": ["a"]}])


def gqa(folder: Path, name: str) -> None:
    question = {"question": "Is it?", "answer": "yes", "imageId": name}
    dump(folder / "testdev_balanced_questions.json", {"1": question})


def nlvr2(folder: Path, name: str) -> None:
    folder.mkdir(parents=True)
    row = {"identifier": f"{name}-0", "label": "True", "sentence": "A is B."}
    (folder / "test1.json").write_text(json.dumps(row))


def coop(folder: Path, name: str) -> None:
    dump(folder / "split_zhou_UCF101.json", {"test": [[name, 0, "archery"]]})
    (folder / "UCF-101-midframes").mkdir()


@pytest.mark.parametrize("name", NAMES[:-2])
@pytest.mark.parametrize(
    ("task", "write_file"),
    [
        *((CocoCaption, write_file) for write_file in (coco, karpathy, karpathy_folder, lavis)),
        *((NoCaps, nocaps), (Flickr30k, karpathy), (GQA, gqa), (NLVR2, nlvr2), (UCF101, coop)),
    ],
)
def test_no_annotation_names_an_image_outside(
    task: Any, write_file: Callable[[Path, str], None], name: str, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "evil.jpg").touch()
    write_file(folder, name.replace("{outside}", str(tmp_path)))
    for images in ("images", "val2017", "test1"):
        (folder / images).mkdir(exist_ok=True)
    profile = task.profiles[0]

    told = refused(lambda: list(task().examples(folder, profile, None)), tmp_path, folder)

    assert "file name" in told


def drawn(source: Any, path: Path, cache: Path) -> list[Any]:
    pool: SamplePool = source.samples(path, cache, None)
    return list(pool.draw(range(pool.size)))


@pytest.mark.parametrize("name", ["../evil.jpg", "{outside}/evil.jpg", "..\\evil.jpg", "\0.jpg"])
def test_no_list_of_pairs_names_an_image_outside(name: str, folder: Path, tmp_path: Path) -> None:
    (folder.parent / "evil.jpg").parent.mkdir(parents=True)
    (folder.parent / "evil.jpg").touch()
    (tmp_path / "evil.jpg").touch()
    name = name.replace("{outside}", str(tmp_path))
    dump(folder / "pairs.json", [{"image": name, "caption": "a dog"}])
    told = refused(lambda: drawn(Pairs(), folder / "pairs.json", tmp_path), tmp_path, folder)
    assert "pairs.json, [0]: field 'image': file name " in told

    (folder / "pairs.tsv").write_text(f"a dog\t{name}\n")
    told = refused(lambda: drawn(Pairs(), folder / "pairs.tsv", tmp_path), tmp_path, folder)
    assert "pairs.tsv, line 1: field 'image': file name " in told


def shard(path: Path, *members: tuple[str, bytes], **changes: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            for field, value in changes.items():
                setattr(entry, field, value)
            tar.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize("name", ["../evil", "{outside}/evil", "a/../../evil", "evil\x1b", "..\\e"])
def test_no_member_of_a_shard_is_named_outside(name: str, folder: Path, tmp_path: Path) -> None:
    name = name.replace("{outside}", str(tmp_path))
    path = shard(folder / "0.tar", (f"{name}.jpg", picture(1)["bytes"]), (f"{name}.txt", b"a dog"))

    assert "its name" in refused(lambda: drawn(Pairs(), path, tmp_path / "c"), tmp_path, folder)


def test_links_in_a_shard_are_no_images(folder: Path, tmp_path: Path) -> None:
    link = {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}
    path = shard(folder / "0.tar", ("1.jpg", b""), ("1.txt", b""), **link)

    assert "holds no images" in refused(lambda: drawn(Pairs(), path, tmp_path), tmp_path, folder)


def test_a_member_twice_and_one_that_ends_behind_the_file_are_refused(
    folder: Path, tmp_path: Path
) -> None:
    path = shard(folder / "0.tar", ("1.jpg", b"x"), ("./1.JPG", b"y"), ("1.txt", b"a dog"))
    told = refused(lambda: drawn(Pairs(), path, tmp_path), tmp_path, folder)
    assert "member './1.JPG': stands there twice" in told

    path.write_bytes(path.read_bytes()[:600])
    whole = shard(folder / "1.tar", ("1.jpg", b"x" * 9999))
    whole.write_bytes(whole.read_bytes()[:700])
    told = refused(lambda: drawn(Pairs(), whole, tmp_path), tmp_path, folder)
    assert "1.tar" in told


class Bomb:
    """Unpickled, it writes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize(
    "suffix", [".json", ".jsonl", ".tsv", ".tar", ".parquet", ".json.gz", ".txt"]
)
def test_a_pickle_is_never_unpickled(suffix: str, folder: Path, tmp_path: Path) -> None:
    content = pickle.dumps(Bomb(tmp_path / "marker"))
    path = folder / f"data{suffix}"
    folder.mkdir(parents=True)
    path.write_bytes(gzip.compress(content) if suffix.endswith(".gz") else content)
    source = {
        ".jsonl": Documents(prefix_lm=True),
        ".json.gz": Documents(prefix_lm=True),
        ".txt": Text(),
    }.get(suffix, Pairs())

    def read() -> None:
        pool = source.samples(path, tmp_path / "cache", Encode(lambda text, **_: list(text)))
        list(pool.draw(range(pool.size)))

    refused(read, tmp_path, folder)

    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    ("task", "file"),
    [
        (VQAv2, VQAv2.questions),
        (GQA, "testdev_balanced_questions.json"),
        (CocoCaption, "annotations/captions_val2017.json"),
        (NLVR2, "test1.json"),
        (ImageNet, MAPPING),
    ],
)
def test_a_pickle_in_place_of_an_annotation_file_is_refused(
    task: Any, file: str, folder: Path, tmp_path: Path
) -> None:
    path = folder / file
    path.parent.mkdir(parents=True)
    path.write_bytes(pickle.dumps(Bomb(tmp_path / "marker")))
    for images in ("val2014", "val2017", "images", "test1", "val/n1"):
        (folder / images).mkdir(parents=True)

    refused(lambda: list(task().examples(folder, task.profiles[0], None)), tmp_path, folder)

    assert not (tmp_path / "marker").exists()


def test_a_text_that_unpacks_without_end_is_not_unpacked(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(parents=True)
    path = folder / "c4-train.json.gz"
    path.write_bytes(gzip.compress(b'{"text": "' + b"x" * (64 << 20) + b'"}', mtime=0))

    told = refused(
        lambda: drawn(Documents(prefix_lm=True), path, tmp_path / "cache"), tmp_path, folder
    )

    assert "unpacks to more than 200 times its size" in told


def test_a_file_that_is_one_long_line_is_not_printed(folder: Path, tmp_path: Path) -> None:
    """An array where lines of objects should be, as C4 is often saved."""
    documents = [{"text": f"document {number}"} for number in range(9999)]
    dump(folder / "c4-train.json", documents)

    told = refused(
        lambda: drawn(Documents(prefix_lm=True), folder / "c4-train.json", tmp_path),
        tmp_path,
        folder,
    )

    assert "c4-train.json, line 1: an object is needed, not [{'text': 'document 0'}, {" in told


@pytest.fixture
def linked(folder: Path, tmp_path: Path) -> Path:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.jpg").write_bytes(picture(1)["bytes"])
    coco(folder, "1.jpg")
    (folder / "val2017").symlink_to(tmp_path / "elsewhere")
    return folder


def test_a_link_that_the_owner_of_a_folder_made_is_followed(linked: Path) -> None:
    """Whoever can make one there could put the file there."""
    [example] = CocoCaption().examples(linked, CocoCaption.profiles[0], None)

    assert example.sample.image == linked / "val2017" / "1.jpg"
    assert example.sample.input_digest()
