"""Every calibration source on small files in its formats: what is drawn, and what is refused."""

import gzip
import io
import json
import os
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from PIL import Image

from harness.calibration import CalibrationSet, draw_calibration
from harness.composition import instantiate
from harness.model import Model
from harness.notation import parse_calibration
from harness.plugin import CalibrationSource, DataError, Encode, InputError, Sample, SamplePool
from harness.plugin.manager import Plugins
from harness.spec import CalibrationSpec
from harness_tasks.calibration import (
    Captions,
    Documents,
    GQATrain,
    ImageFolder,
    NLVR2Train,
    OKVQATrain,
    Pairs,
    Text,
    VQAv2Train,
)
from harness_tasks.calibration.captioned import clean_caption, cut
from harness_tasks.calibration.views import crop_box
from harness_tasks.text_rows import Rows

MakeModel = Callable[[str], Model]
CAPTIONS = ["a red cat sits on a mat", "two blue birds fly over the sea", "a dog (brown) runs."]


def everything(source: CalibrationSource, path: Path, cache: Path, encode: Any = None) -> list:
    """All samples of a source, in its order."""
    found = source.samples(path, cache, encode)
    pool = found if isinstance(found, SamplePool) else SamplePool.of(found)
    return list(pool.draw(range(pool.size)))


def content(samples: list[Sample]) -> str:
    return CalibrationSet("", samples).digest


BOS = 1


def by_letters(text: str, *, special: bool = False) -> list[int]:
    return [*[BOS] * special, *map(ord, text)]


letters = Encode(by_letters)


def photograph(number: int, size: tuple[int, int] = (12, 8)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (number, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def save(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def dump(path: Path, value: Any) -> Path:
    return save(path, json.dumps(value))


# Image-caption pairs: the same three pairs in every format.


def as_json(folder: Path) -> None:
    for number in range(3):
        save(folder / "images" / f"{number}.png", photograph(number))
    rows = [{"image": f"{n}.png", "caption": text} for n, text in enumerate(CAPTIONS)]
    dump(folder / "cc3m.json", rows)


def as_tsv(folder: Path) -> None:
    for number in range(3):
        save(folder / f"{number}.png", photograph(number))
    image = ["0.png", "https://images.example/x/1.png?size=big", "2.png"]
    lines = [f"{text}\t{name}\n" for text, name in zip(CAPTIONS, image, strict=True)]
    save(folder / "Train_GCC-training.tsv", "".join(lines))


def write_shard(path: Path, members: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as shard:
        for name, value in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(value)
            shard.addfile(entry, io.BytesIO(value))


def as_shards(folder: Path) -> None:
    write_shard(
        folder / "00000.tar",
        {
            "000001.json": json.dumps({"caption": CAPTIONS[1], "status": "success"}).encode(),
            "000001.png": photograph(1),
            "000000.png": photograph(0),
            "000000.txt": f"{CAPTIONS[0]}\n".encode(),
            "000000.json": json.dumps({"caption": "not this one"}).encode(),
        },
    )
    write_shard(
        folder / "00001.tar", {"000002.png": photograph(2), "000002.txt": CAPTIONS[2].encode()}
    )


def as_parquet(folder: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow.parquet import write_table

    images = [{"bytes": photograph(number), "path": f"{number}.png"} for number in range(3)]
    (folder / "data").mkdir(parents=True)
    write_table(
        pyarrow.table({"image": images, "caption": CAPTIONS}),
        folder / "data" / "train-00000-of-00001.parquet",
        row_group_size=2,
    )


FORMATS = {"json": as_json, "tsv": as_tsv, "tar": as_shards, "parquet": as_parquet}


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_pairs_in_every_format(kind: str, tmp_path: Path) -> None:
    FORMATS[kind](tmp_path / "cc3m")

    samples = everything(Pairs(), tmp_path / "cc3m", tmp_path / "cache")

    assert [(s.prompt, s.target, s.view) for s in samples] == [("", t, None) for t in CAPTIONS]
    assert [s.image.read_bytes() for s in samples] == [photograph(n) for n in range(3)]
    assert len({sample.id for sample in samples}) == 3
    again = everything(Pairs(), tmp_path / "cc3m", tmp_path / "another cache")
    assert content(again) == content(samples)


def test_only_what_is_drawn_leaves_a_shard(tmp_path: Path) -> None:
    as_shards(tmp_path / "cc3m")
    cache = tmp_path / "cache"

    pool = Pairs().samples(tmp_path / "cc3m", cache, None)
    assert not cache.exists()
    assert [sample.id for sample in pool.draw([2])] == ["1:000002"]
    assert len([file for file in cache.rglob("*") if file.is_file()]) == 1


def test_a_file_of_pairs_may_be_named_itself(tmp_path: Path) -> None:
    as_shards(tmp_path)

    [sample] = everything(Pairs(), tmp_path / "00001.tar", tmp_path / "cache")

    assert sample.target == CAPTIONS[2]


def break_json(folder: Path, row: Any) -> None:
    path = folder / "cc3m.json"
    dump(path, [*json.loads(path.read_text()), row])


@pytest.mark.parametrize(
    ("kind", "spoil", "message"),
    [
        (
            "json",
            lambda f: break_json(f, {"image": "0.png"}),
            r"cc3m.json, \[3\]: field 'caption' is missing; it has image",
        ),
        (
            "json",
            lambda f: break_json(f, {"image": "7.png", "caption": "x"}),
            r"cc3m.json, \[3\]: no image 7.png beside the file or in images/",
        ),
        ("json", lambda f: dump(f / "cc3m.json", {}), r'a list of {"image": …, "caption": …}'),
        (
            "json",
            lambda f: save(f / "x.tsv", ""),
            r"holds cc3m.json and x.tsv; say files=\*PATTERN\*",
        ),
        (
            "tsv",
            lambda f: (f / "1.png").unlink(),
            r"training.tsv, line 2: no image 1.png beside the file",
        ),
        (
            "tsv",
            lambda f: save(f / "Train_GCC-training.tsv", "a cat\n"),
            r"training.tsv, line 1: a caption, a tab and an image are needed, not 'a cat'",
        ),
        (
            "tar",
            lambda f: write_shard(f / "00001.tar", {"7.png": b"", "7.cls": b"3"}),
            r"00001.tar, 7: has .png, .cls, but neither .txt nor .json",
        ),
        (
            "tar",
            lambda f: write_shard(f / "00001.tar", {"7.png": b"", "7.json": b"{}"}),
            r"00001.tar, 7: field 'caption' is missing",
        ),
        ("tar", lambda f: save(f / "00001.tar", b"x" * 700), r"00001.tar: not readable as an unc"),
        ("tar", lambda f: write_shard(f / "00001.tar", {}), r"00001.tar: holds no images"),
    ],
)
def test_a_fault_in_pairs_is_named_with_file_and_row(
    kind: str, spoil: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    FORMATS[kind](tmp_path / "cc3m")
    spoil(tmp_path / "cc3m")

    with pytest.raises(DataError, match=message):
        everything(Pairs(), tmp_path / "cc3m", tmp_path / "cache")


def test_a_parquet_file_of_links_holds_no_images(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow.parquet import write_table

    write_table(pyarrow.table({"image_url": ["u"], "caption": ["c"]}), tmp_path / "x.parquet")

    with pytest.raises(DataError, match=r"columns image and caption .* it has image_url, caption"):
        everything(Pairs(), tmp_path, tmp_path)


def test_train_and_held_out_files_are_not_mixed_silently(tmp_path: Path) -> None:
    for split in ("train", "validation"):
        save(tmp_path / f"c4-{split}.00000.jsonl", json.dumps({"text": f"the {split} text"}))

    with pytest.raises(DataError, match=r"holds c4-train.* and c4-validation.*; say files=\*train"):
        everything(Documents(prefix_lm=True), tmp_path, tmp_path)
    [sample] = everything(Documents(prefix_lm=True, files="*train*"), tmp_path, tmp_path)
    assert f"{sample.prompt}{sample.target}" == "the train text"
    with pytest.raises(DataError, match=r"holds no .*.jsonl file that matches \*test\*"):
        everything(Documents(files="*test*"), tmp_path, tmp_path, letters)


# What is decided once per sample.


def test_a_caption_is_cleaned_and_cut_in_its_first_half() -> None:
    text = "A dog (brown), runs:  fast. " + "so " * 60
    cleaned = clean_caption(text)

    assert cleaned.startswith("a dog brown , runs fast so so")
    assert len(cleaned.split(" ")) == 50
    cuts = {len(cut("abcdefgh", Random(seed))[0]) for seed in range(100)}
    assert cuts == {1, 2, 3, 4}
    assert cut("ab", Random(0)) == ("a", "b")
    assert cut("(a)", Random(0)) is None


def test_captions_are_cut_the_same_way_every_time(tmp_path: Path) -> None:
    as_json(tmp_path)

    samples = everything(Pairs(prefix_lm=True), tmp_path, tmp_path)

    assert [f"{s.prompt}{s.target}" for s in samples] == [clean_caption(t) for t in CAPTIONS]
    assert content(everything(Pairs(prefix_lm=True), tmp_path, tmp_path)) == content(samples)
    assert content(everything(Pairs(prefix_lm=True, seed=1), tmp_path, tmp_path)) != content(
        samples
    )
    with pytest.raises(InputError, match="prefix_lm=true makes the prompt; leave out prompt='a'"):
        Pairs(prefix_lm=True, prompt="a")
    dump(tmp_path / "cc3m.json", [{"image": "0.png", "caption": "!"}])
    with pytest.raises(InputError, match=r"caption '!' of 0:0.png is too short to be cut"):
        everything(Pairs(prefix_lm=True), tmp_path, tmp_path)


def test_crops_follow_the_rule_of_random_resized_crop() -> None:
    """Area and ratio in range up to rounding, inside the image, everywhere in it."""
    boxes = [crop_box((300, 200), 0.5, Random(seed)) for seed in range(500)]

    for left, top, width, height in boxes:
        assert left >= 0
        assert top >= 0
        assert left + width <= 300
        assert top + height <= 200
        assert 0.49 <= width * height / (300 * 200) <= 1
        assert 0.74 <= width / height <= 1.34
    assert len(set(boxes)) > 490
    assert min(left for left, *_ in boxes) == 0
    assert max(left + width for left, _, width, _ in boxes) == 300


def test_an_image_too_narrow_for_any_crop_gives_its_middle() -> None:
    """Half of the area within 3:4 to 4:3 never fits into 10:1."""
    assert crop_box((1000, 100), 0.5, Random(0)) == ((1000 - 133) // 2, 0, 133, 100)
    assert crop_box((90, 1200), 0.5, Random(0)) == (0, (1200 - 120) // 2, 90, 120)


def test_views_are_fixed_per_image_and_half_of_them_flipped(tmp_path: Path) -> None:
    names = [f"{number:03d}.png" for number in range(100)]
    for number, name in enumerate(names):
        save(tmp_path / name, photograph(number, (60, 40)))
    dump(tmp_path / "x.json", [{"image": name, "caption": "a cat"} for name in names])
    source = Pairs(augment="crop-flip")

    views = [sample.view for sample in everything(source, tmp_path, tmp_path)]

    assert views == [sample.view for sample in everything(source, tmp_path, tmp_path)]
    assert 30 <= sum(view.flip for view in views) <= 70
    assert all(view.width * view.height >= 0.45 for view in views)
    dump(tmp_path / "x.json", [{"image": name, "caption": "a cat"} for name in names[::-1]])
    assert views[::-1] == [sample.view for sample in everything(source, tmp_path, tmp_path)]


def test_a_model_sees_the_view(tiny_model: MakeModel, tmp_path: Path) -> None:
    """Two crops of one photograph are two different inputs; the same crop twice is one."""
    as_json(tmp_path)
    pixels = Random(0)
    image = Image.new("RGB", (60, 40))
    image.putdata([(pixels.randrange(256),) * 3 for _ in range(60 * 40)])
    image.save(tmp_path / "images" / "0.png")
    collate = tiny_model("blip_caption").loaded.collate

    def shown(**options: Any) -> Any:
        [sample, *_] = everything(Pairs(**options), tmp_path, tmp_path)
        return collate([sample])["pixel_values"]

    whole, crop = shown(), shown(augment="crop-flip")
    assert whole.shape == crop.shape
    assert (shown(augment="crop-flip") == crop).all()
    assert not (crop == whole).all()
    assert not (shown(augment="crop-flip", seed=1) == crop).all()


# Text.


def test_windows_of_a_text(tmp_path: Path) -> None:
    path = save(tmp_path / "t.txt", "abcdefghij")

    assert everything(Text(window=5), path, tmp_path, letters) == [
        Sample(id="0", tokens=(BOS, *letters("abcd"))),
        Sample(id="5", tokens=tuple(letters("efghi"))),
    ]
    assert everything(Text(window=5, special=False), path, tmp_path, letters) == [
        Sample(id="0", tokens=tuple(letters("abcde"))),
        Sample(id="5", tokens=tuple(letters("fghij"))),
    ]
    anywhere = everything(Text(window=5, stride=1), path, tmp_path, letters)
    assert [sample.id for sample in anywhere] == list("0123456")
    assert anywhere[3].tokens == tuple(letters("cdefg"))
    with pytest.raises(DataError, match="no such text file"):
        Text().samples(tmp_path / "none", tmp_path, letters)
    with pytest.raises(InputError, match="needs a path: --calibration text=FILE"):
        Text().samples(None, tmp_path, letters)


@pytest.mark.parametrize(
    ("rows", "text"),
    [("as-is", "a\n \nb\n"), ("blank-line", "a\n\n\n\n\nb\n"), ("blank", "a\n  b\n")],
)
def test_rows_of_a_text_are_joined_as_the_papers_join_them(
    rows: Rows, text: str, tmp_path: Path
) -> None:
    path = save(tmp_path / "t.txt", "a\n \nb\n")
    source = Text(window=len(text), rows=rows, special=False)

    [sample] = everything(source, path, tmp_path, letters)

    assert sample.tokens == tuple(letters(text))


@pytest.mark.parametrize("kind", [Text, Documents])
def test_a_window_is_what_the_model_reads_and_a_longer_one_is_refused(
    kind: type[Text | Documents], tmp_path: Path
) -> None:
    text = "abcdefgh" * 999
    path = save(tmp_path / "t.jsonl", json.dumps({"text": text}))

    def window(source: Text | Documents, context: int) -> int:
        return len(everything(source, path, tmp_path, Encode(by_letters, context))[0].tokens)

    assert window(kind(), 128) == 128
    assert window(kind(), 10**9) == 2048
    assert window(kind(window=64), 128) == 64
    with pytest.raises(
        InputError, match=r"^window 129 is longer than the 128 tokens that the model reads$"
    ):
        window(kind(window=129), 128)


@pytest.fixture
def c4(tmp_path: Path) -> Path:
    """Two gzipped shards; every third document is longer than six letters."""
    for shard in range(2):
        lines = [
            json.dumps({"text": f"{shard}{n}" + "abcdefgh" * (n % 3 == 0), "url": "u"})
            for n in range(9)
        ]
        path = tmp_path / "c4" / f"c4-train.0000{shard}-of-01024.json.gz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    return tmp_path / "c4"


def test_documents_give_one_window_each_if_they_are_long_enough(c4: Path, tmp_path: Path) -> None:
    source = Documents(window=6)

    samples = everything(source, c4, tmp_path / "cache", letters)

    assert [sample.id.partition("+")[0] for sample in samples] == [
        f"{shard}:{line}" for shard in (0, 1) for line in (1, 4, 7)
    ]
    for shard, number, sample in zip("000111", "036036", samples, strict=True):
        start = int(sample.id.partition("+")[2])
        whole = letters(f"{shard}{number}abcdefgh", special=True)
        assert 0 <= start <= 4
        assert sample.tokens == tuple(whole[start : start + 6])
    assert content(everything(source, c4, tmp_path / "other", letters)) == content(samples)
    with pytest.raises(InputError, match="needs a model with a tokenizer, or prefix_lm=true"):
        source.samples(c4, tmp_path, None)


def test_only_drawn_documents_are_tokenised(c4: Path, tmp_path: Path) -> None:
    asked: list[str] = []

    def encode(text: str, *, special: bool) -> list[int]:
        asked.append(text)
        return by_letters(text, special=special)

    pool = Documents(window=6).samples(c4, tmp_path / "cache", Encode(encode))
    assert len(list(pool.draw([0, 1, 12]))) == 2
    assert asked == ["00abcdefgh", "01", "13abcdefgh"]


@pytest.mark.parametrize(
    ("name", "written", "message"),
    [
        ("a.jsonl", b'{"text": "abcdefghij"}\n{"text"', r"a.jsonl, line 2: not JSON"),
        ("a.jsonl", b'{"txt": "a"}', r"a.jsonl, line 1: field 'text' is missing; it has txt"),
        ("a.json.gz", b"no gzip", r"a.json.gz: cannot be unpacked"),
        (
            "a.json.gz",
            gzip.compress(b'{"text": "a"}', mtime=0)[:-9],
            r"a.json.gz: cannot be unpacked",
        ),
    ],
)
def test_a_faulty_document_is_named(
    name: str, written: bytes, message: str, tmp_path: Path
) -> None:
    save(tmp_path / "c4" / name, written)

    with pytest.raises(DataError, match=message):
        everything(Documents(window=2), tmp_path / "c4", tmp_path / "cache", letters)


# Draws by the machine.


def draw(notation: str, seed: int, model: Model, plugins: Plugins, cache: Path) -> CalibrationSet:
    spec = CalibrationSpec(**parse_calibration(notation))
    return draw_calibration(spec, seed, model, plugins, cache)


def test_documents_are_drawn_without_replacement_until_there_are_enough(
    tiny_model: MakeModel, plugins: Plugins, tmp_path: Path
) -> None:
    """Half of the documents are long enough for four tokens."""
    texts = [f"a b c d e f g h {n}" if n % 2 else "a b" for n in range(40)]
    save(tmp_path / "x.jsonl", "".join(json.dumps({"text": text}) + "\n" for text in texts))
    model = tiny_model("llama")
    notation = f"documents={tmp_path / 'x.jsonl'} window=4 samples="

    drawn = draw(notation + "12", 0, model, plugins, tmp_path)

    lines = [int(sample.id.partition(":")[2].partition("+")[0]) for sample in drawn.samples]
    assert len(set(lines)) == 12
    assert all(line % 2 == 0 for line in lines)
    assert draw(notation + "12", 0, model, plugins, tmp_path).digest == drawn.digest
    assert draw(notation + "12", 1, model, plugins, tmp_path).digest != drawn.digest
    assert draw(notation + "20", 0, model, plugins, tmp_path).samples[:12] == drawn.samples
    with pytest.raises(InputError, match="source documents holds 20 samples, 21 are asked for"):
        draw(notation + "21", 0, model, plugins, tmp_path)


def test_the_order_in_which_files_were_written_does_not_matter(
    tiny_model: MakeModel, plugins: Plugins, tmp_path: Path
) -> None:
    def written(folder: Path, order: list[int]) -> Path:
        for number in order:
            members = {f"{number}.png": photograph(number), f"{number}.txt": b"a cat sits"}
            names = sorted(members, reverse=order[0] > order[-1])
            write_shard(folder / f"{number:05d}.tar", {name: members[name] for name in names})
        return folder

    model = tiny_model("blip_caption")
    digests = set()
    for name, order in (("up", [0, 1, 2, 3]), ("down", [3, 2, 1, 0])):
        folder = written(tmp_path / name, order)
        notation = f"pairs={folder} samples=3 prefix_lm=true augment=crop-flip"
        digests.add(draw(notation, 0, model, plugins, tmp_path / "cache").digest)

    assert len(digests) == 1


def test_a_crop_counts_as_the_photograph_that_it_shows(
    tiny_model: MakeModel, plugins: Plugins, tmp_path: Path
) -> None:
    """Evaluated items that show what was calibrated on are counted by these hashes."""
    as_json(tmp_path / "cc3m")
    model = tiny_model("blip_caption")
    plain, cropped = (
        draw(f"pairs={tmp_path / 'cc3m'} samples=3 {option}", 0, model, plugins, tmp_path)
        for option in ("", "augment=crop-flip")
    )

    assert plain.inputs == cropped.inputs
    assert plain.digest != cropped.digest


# Tasks' own train files.


def vqa_train(folder: Path, questions: str, annotations: str) -> Path:
    for number in (7, 9):
        save(folder / "train2014" / f"COCO_train2014_{number:012d}.jpg", photograph(number))
    asked = [
        {"image_id": 7, "question_id": 70, "question": "What color is it?"},
        {"image_id": 9, "question_id": 90, "question": "Is it (really) red?"},
    ]
    answers = {70: ["red"] * 4 + ["blue"] * 6, 90: ["yes"] * 5 + ["no"] * 5}
    dump(folder / questions, {"questions": asked})
    dump(
        folder / annotations,
        {
            "annotations": [
                {
                    "image_id": row["image_id"],
                    "question_id": row["question_id"],
                    "answer_type": "other",
                    "answers": [{"answer": answer} for answer in answers[row["question_id"]]],
                }
                for row in asked
            ]
        },
    )
    return folder


@pytest.mark.parametrize(
    ("source", "prefix"), [(VQAv2Train, "v2_"), (OKVQATrain, "")], ids=["vqav2", "okvqa"]
)
def test_vqa_train_files(source: type[Any], prefix: str, tmp_path: Path) -> None:
    folder = vqa_train(
        tmp_path,
        f"{prefix}OpenEnded_mscoco_train2014_questions.json",
        f"{prefix}mscoco_train2014_annotations.json",
    )

    samples = everything(source(), folder, tmp_path)

    assert [(s.id, s.prompt, s.target, s.image.name) for s in samples] == [
        (
            "70",
            "Question: what color is it? Short answer:",
            "blue",
            "COCO_train2014_000000000007.jpg",
        ),
        (
            "90",
            "Question: is it really red? Short answer:",
            "yes",
            "COCO_train2014_000000000009.jpg",
        ),
    ]
    assert everything(source(prompt="{}"), folder, tmp_path)[0].prompt == "what color is it?"
    (folder / "train2014" / "COCO_train2014_000000000009.jpg").unlink()
    *_, sample = everything(source(), folder, tmp_path)
    with pytest.raises(DataError, match="COCO_train2014_000000000009.jpg: no such image"):
        sample.input_digest()


def test_gqa_train_files(tmp_path: Path) -> None:
    save(tmp_path / "images" / "n1.jpg", photograph(1))
    question = {"question": "What is it?", "answer": "cat", "imageId": "n1"}
    dump(tmp_path / "train_balanced_questions.json", {"01": question})

    [sample] = everything(GQATrain(augment="crop-flip"), tmp_path, tmp_path)

    assert (sample.id, sample.prompt) == ("01", "Question: what is it? Short answer:")
    assert sample.target == "cat"
    assert sample.view is not None


def test_nlvr2_train_file(tmp_path: Path) -> None:
    for side in (0, 1):
        save(tmp_path / "train" / "42" / f"train-5-1-img{side}.png", photograph(side))
    row = {
        "directory": 42,
        "identifier": "train-5-1-0",
        "sentence": "Both are red.",
        "label": "False",
    }
    dump(tmp_path / "train.json", row)

    [sample] = everything(NLVR2Train(), tmp_path, tmp_path)

    assert sample.prompt == "Question: is it true that Both are red. Short answer:"
    assert sample.target == "no"
    assert sample.image.read_bytes() == photograph(0)
    assert sample.second_image.read_bytes() == photograph(1)


def test_captions_of_the_train_split(tmp_path: Path) -> None:
    rows = [
        {"filename": f"{n}.png", "split": split, "sentences": [{"raw": CAPTIONS[n]}, {"raw": "x"}]}
        for n, split in enumerate(("train", "test", "train"))
    ]
    dump(tmp_path / "dataset_flickr30k.json", {"images": rows})
    for number in range(3):
        save(tmp_path / "images" / f"{number}.png", photograph(number))

    samples = everything(Captions(prompt="p"), tmp_path, tmp_path)

    assert [(s.id, s.prompt, s.target) for s in samples] == [
        ("0.png", "p", CAPTIONS[0]),
        ("2.png", "p", CAPTIONS[2]),
    ]
    [one] = everything(Captions(split="test", prefix_lm=True), tmp_path, tmp_path)
    assert one.prompt + one.target == CAPTIONS[1]


def test_labelled_images_of_either_split(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for wnid in ("n02", "n01"):
            save(tmp_path / split / wnid / f"{split}.JPEG", photograph(1))
    save(tmp_path / "LOC_synset_mapping.txt", "n02 second\nn01 first\n")

    val, train = (
        everything(ImageFolder(split=split), tmp_path, tmp_path) for split in ("val", "train")
    )

    assert [(s.id, s.target) for s in val] == [("n01/val.JPEG", 1), ("n02/val.JPEG", 0)]
    assert [(s.id, s.target) for s in train] == [("n01/train.JPEG", 1), ("n02/train.JPEG", 0)]
    named = everything(ImageFolder(template="a photo of a {}."), tmp_path, tmp_path)
    assert [s.target for s in named] == ["a photo of a first.", "a photo of a second."]


# Real files.


@pytest.fixture
def real() -> Path:
    folder = os.environ.get("HARNESS_DATA")
    if folder is None:
        pytest.skip("HARNESS_DATA names no folder of real files")
    return Path(folder)


def test_real_caption_files(real: Path, tmp_path: Path) -> None:
    for folder, count in ((real / "flickr8k", 900), (real / "coco_mini", 80)):
        source = Captions(prefix_lm=True, augment="crop-flip")
        pool = source.samples(folder, tmp_path, None)
        assert pool.size == count
        some = list(pool.draw(range(0, count, 20)))
        assert all(
            0.45 <= s.view.width * s.view.height <= 1 and s.prompt and s.target for s in some
        )
        assert content(some) == content(
            list(source.samples(folder, tmp_path, None).draw(range(0, count, 20)))
        )


def test_real_photographs_and_text(real: Path, tmp_path: Path) -> None:
    images = ImageFolder(augment="crop-flip").samples(real / "imagenet", tmp_path, None)
    text = Text(window=64, stride=1).samples(
        real / "text" / "wikitext-2" / "wiki.valid.tokens", tmp_path, letters
    )

    assert images.size == 1000
    [sample] = images.draw([999])
    assert sample.target == 999
    [window] = text.draw([12345])
    assert window.id == "12345"
    assert len(window.tokens) == 64


# The document.

PAGE = Path(__file__).parent.parent.parent / "docs" / "calibration.md"
SOURCES = re.findall(r'--(?:calibration|train) "([^"]+)"', PAGE.read_text().partition("```bash")[2])


@pytest.mark.parametrize("notation", SOURCES)
def test_every_source_of_the_document_takes_its_options(notation: str, plugins: Plugins) -> None:
    spec = CalibrationSpec(**parse_calibration(notation))

    source = instantiate(plugins.calibration_sources.get(spec.source), spec.options)

    assert all(getattr(source, option) == value for option, value in spec.options.items())
