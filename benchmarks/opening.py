"""Open VQAv2's validation split at its real size: CPU seconds, peak memory, images that are read.

    python benchmarks/opening.py [FOLDER]

214,354 questions with ten answers each on 40,504 images are generated: the files have the official
fields, the images a few hundred bytes. Two processes open the task, one after the other, with the
bundled model; the first reads and hashes every image, the second none. Beyond reading each image
once, for which a bare loop is timed, a process may use 15 s of CPU and 1 GB. What is generated
stays in FOLDER, if one is given, and is taken from there the next time.
"""

import hashlib
import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

QUESTIONS, IMAGES = 214_354, 40_504
SECONDS, BYTES = 15, 1e9
WORDS = "what color is the man holding a red blue dog cat on table left side how many".split()
ANSWERS = ["yes", "no", "2", "white", *(f"{first} {last}" for first in WORDS for last in WORDS)]
TYPES = ["yes/no", "number", "other"]


def generate(folder: Path) -> None:
    draw = Random(0)
    image_ids = sorted(draw.sample(range(600_000), IMAGES))
    write_images(folder / "val2014", image_ids)
    questions, annotations = [], []
    for number in range(QUESTIONS):
        image_id = image_ids[number % IMAGES]
        key = {"image_id": image_id, "question_id": image_id * 1000 + number // IMAGES}
        questions.append({**key, "question": f"{' '.join(draw.choices(WORDS, k=6))}?"})
        answers = draw.choices(draw.choices(ANSWERS, k=3), k=10)
        annotations.append(
            {
                "question_type": "what is the",
                "multiple_choice_answer": answers[0],
                "answers": [
                    {"answer": answer, "answer_confidence": "yes", "answer_id": place}
                    for place, answer in enumerate(answers, start=1)
                ],
                "answer_type": draw.choice(TYPES),
                **key,
            }
        )
    head = {"info": {"year": 2017}, "data_type": "mscoco", "data_subtype": "val2014"}
    for name, content in (
        ("v2_OpenEnded_mscoco_val2014_questions.json", {"questions": questions}),
        ("v2_mscoco_val2014_annotations.json", {"annotations": annotations}),
    ):
        (folder / name).write_text(json.dumps({**head, **content}))


def write_images(folder: Path, image_ids: list[int]) -> None:
    from PIL import Image

    folder.mkdir(parents=True)
    for image_id in image_ids:
        buffer = io.BytesIO()
        colour = (image_id % 256, image_id // 256 % 256, image_id // 65536)
        Image.new("RGB", (8, 8), colour).save(buffer, "PNG")
        (folder / f"COCO_val2014_{image_id:012d}.jpg").write_bytes(buffer.getvalue())


def open_split(folder: Path, cache: Path) -> None:
    """In a process of its own: what it costs, as one line of JSON."""
    from harness.model import load_model
    from harness.plugin.manager import load_plugins
    from harness.spec import DataSpec, ModelSpec, TaskSpec
    from harness.tasks import open_task

    plugins = load_plugins()
    model = load_model(ModelSpec(name="mini-blip2"), plugins)
    opened: list[str] = []

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and "COCO_val2014_" in str(arguments[0]):
            opened.append(str(arguments[0]))

    sys.addaudithook(note)
    before = peak()
    started = time.process_time()
    task = open_task(
        TaskSpec(name="vqav2"), DataSpec(folders={"vqav2": folder}), cache, model, plugins
    )
    seconds = time.process_time() - started
    assert len(task.examples) == QUESTIONS
    read = len(opened)
    print(json.dumps({"seconds": seconds, "before": before, "peak": peak(), "read": read}))


def peak() -> int:
    """Most bytes of this program; `getrusage` would count what its parent had, too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def read_once(folder: Path) -> float:
    started = time.process_time()
    for path in (folder / "val2014").iterdir():
        hashlib.sha256(path.read_bytes()).hexdigest()
    return time.process_time() - started


def main(folder: Path) -> None:
    data = folder / "vqav2"
    if not data.is_dir():
        generate(data)
    reading = read_once(data)
    print(f"a bare loop that reads and hashes {IMAGES:,} images: {reading:.1f} s of CPU")
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, __file__, "--open", str(data), cache]
        for which in ("first", "second"):
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            cost = json.loads(done.stdout)
            print(
                f"the {which} process: {cost['seconds']:.1f} s of CPU, "
                f"{cost['read']:,} images read, peak {cost['peak'] / 1e9:.2f} GB, "
                f"of which {cost['before'] / 1e9:.2f} GB were there before"
            )
            once = reading if which == "first" else 0
            assert cost["read"] == (IMAGES if which == "first" else 0)
            assert cost["seconds"] - once <= SECONDS, "slower than it may be"
            assert cost["peak"] <= BYTES, "more memory than it may use"


if sys.argv[1:2] == ["--open"]:
    open_split(Path(sys.argv[2]), Path(sys.argv[3]))
elif len(sys.argv) > 1:
    main(Path(sys.argv[1]))
else:
    with tempfile.TemporaryDirectory() as place:
        main(Path(place))
