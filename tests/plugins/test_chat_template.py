"""A folder's prompt is what transformers' own processor makes of it, token for token."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tokenizers import Tokenizer, processors
from transformers import AutoTokenizer, LlavaProcessor

from harness.errors import CheckpointError, RunError
from harness.plugin import Generation, Sample
from harness.spec import ModelSpec
from harness_plugins.families.llava import LlavaFamily
from harness_plugins.families.qwen2_vl import Qwen2VLFamily
from harness_plugins.images import load_image_processor
from harness_plugins.torchvision_cpu import mend_torchvision
from tests.plugins import tiny_families
from tests.plugins.tiny_families import CHAT, TABLE
from tests.tiny import VOCABULARY

FAMILIES = {"llava": LlavaFamily, "qwen2_vl": Qwen2VLFamily, "qwen2_5_vl": Qwen2VLFamily}
OTHER = CHAT.replace("short answer", "photo of")
SIZES = ((32, 32), (40, 24))


def edit(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(content | changes))


def in_jinja(folder: Path, template: str) -> None:
    (folder / "chat_template.jinja").write_text(template)


def in_legacy_json(folder: Path, template: str) -> None:
    edit(folder / "chat_template.json", chat_template=template)


def in_processor_config(folder: Path, template: str) -> None:
    edit(folder / "processor_config.json", chat_template=template)


def in_further_templates(folder: Path, template: str) -> None:
    further = folder / "additional_chat_templates"
    further.mkdir()
    (further / "rag.jinja").write_text(OTHER)
    in_jinja(folder, template)


def in_all_processor_files(folder: Path, template: str) -> None:
    """The one in the processor's settings goes before the others."""
    in_jinja(folder, OTHER)
    in_legacy_json(folder, OTHER)
    in_processor_config(folder, template)


def in_json_beside_the_tokenizers(folder: Path, template: str) -> None:
    edit(folder / "tokenizer_config.json", chat_template=OTHER)
    in_legacy_json(folder, template)


PLACES = [
    in_jinja,
    in_legacy_json,
    in_processor_config,
    in_further_templates,
    in_all_processor_files,
    in_json_beside_the_tokenizers,
]
#: What the tokenizer puts round every text.
ROUND = {"nothing": "$A", "bos": "<s> $A", "eos": "$A </s>", "both": "<s> $A </s>"}


def surround(folder: Path, single: str) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    special = [(token, VOCABULARY[token]) for token in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=special)
    tokenizer.save(str(folder / "tokenizer.json"))


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder of that kind without any chat template."""
    made = tmp_path / "model"
    made.mkdir()
    TABLE[request.param][1](made)
    (made / "chat_template.jinja").unlink(missing_ok=True)
    return made


def samples(folder: Path) -> list[Sample]:
    for index, size in enumerate(SIZES):
        Image.new("RGB", size, (200, 30, 30)).save(folder / f"{index}.png")
    prompts = ("red ?", "a b c d ?")
    return [
        Sample(id=str(index), image=folder / f"{index}.png", prompt=prompt)
        for index, prompt in enumerate(prompts)
    ]


def transformers_processor(kind: str, folder: Path) -> Any:
    """The folder's own, with Pillow's images; Qwen2-VL's without videos, which need torchvision."""
    mend_torchvision()
    warnings.simplefilter("ignore", ResourceWarning)  # it leaves files of templates open
    from transformers.models.qwen2_vl.processing_qwen2_vl import Qwen2VLProcessor

    if kind == "llava":
        made: Any = LlavaProcessor.from_pretrained(folder)
    else:
        made = Qwen2VLProcessor.__new__(Qwen2VLProcessor)
        made.tokenizer = AutoTokenizer.from_pretrained(folder)
        made.image_token, made.image_token_id = "<image>", VOCABULARY["<image>"]
        made.video_token, made.video_token_id = "<unk>", VOCABULARY["<unk>"]
        made.chat_template = Qwen2VLProcessor.get_processor_dict(folder)[0].get("chat_template")
    made.image_processor = load_image_processor(str(folder), ModelSpec(name=str(folder)))
    return made


def processors_ids(processor: Any, sample: Sample) -> list[int]:
    content = [
        {"type": "image", "path": str(sample.image)},
        {"type": "text", "text": sample.prompt},
    ]
    made = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
    )
    return list(made["input_ids"][0])


def load(kind: str, folder: Path) -> Any:
    return FAMILIES[kind]().load(str(folder), ModelSpec(name=str(folder)))


def both_ids(kind: str, folder: Path) -> tuple[list[list[int]], list[list[int]]]:
    """The prompts' token ids here, and by transformers' processor."""
    asked = samples(folder)
    rows, _ = load(kind, folder)._read(asked)
    processor = transformers_processor(kind, folder)
    return rows, [processors_ids(processor, sample) for sample in asked]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("folder", ["llava", "qwen2_vl", "qwen2_5_vl"], indirect=True)
def test_a_prompt_is_its_processors_wherever_the_template_is(
    place: Callable[[Path, str], None], folder: Path, request: pytest.FixtureRequest
) -> None:
    place(folder, CHAT)
    kind = request.node.callspec.params["folder"]

    here, theirs = both_ids(kind, folder)

    assert here == theirs
    assert VOCABULARY["question"] in here[0]
    assert VOCABULARY["answer"] in here[0]
    assert load(kind, folder).files()["chat_template"] == CHAT


@pytest.mark.parametrize("begins", ["", "{{ bos_token }}", "<s>"])
@pytest.mark.parametrize("single", ROUND.values(), ids=list(ROUND))
@pytest.mark.parametrize("folder", ["llava", "qwen2_vl"], indirect=True)
def test_a_prompt_begins_once(
    begins: str, single: str, folder: Path, request: pytest.FixtureRequest
) -> None:
    surround(folder, single)
    in_jinja(folder, begins + CHAT)

    here, theirs = both_ids(request.node.callspec.params["folder"], folder)

    assert here == theirs
    assert all(row.count(VOCABULARY["<s>"]) == (begins != "" or "<s>" in single) for row in here)


@pytest.mark.parametrize("folder", ["llava"], indirect=True)
def test_where_the_processor_has_no_template_the_tokenizers_words_a_turn(folder: Path) -> None:
    edit(folder / "tokenizer_config.json", chat_template=CHAT)

    assert load("llava", folder)._turn("red ?").startswith("question : ? <image>")


@pytest.mark.parametrize("place", [*PLACES, None])
@pytest.mark.parametrize("folder", ["llava"], indirect=True)
def test_a_saved_folder_words_turns_as_before(
    place: Callable[[Path, str], None] | None, folder: Path, tmp_path: Path
) -> None:
    if place is not None:
        place(folder, "{{ bos_token }}" + CHAT)
    edit(folder / "tokenizer_config.json", chat_template=[{"name": "rag", "template": OTHER}])
    if place is None:
        edit(folder / "tokenizer_config.json", chat_template=CHAT)
    loaded = load("llava", folder)
    saved = tmp_path / "saved"
    loaded.save(saved)

    again = load("llava", saved)

    assert again._turn("a b") == loaded._turn("a b")
    assert again.files() == loaded.files()


def test_answers_to_padded_prompts_are_those_of_prompts_alone(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    TABLE["llava"][1](folder)
    surround(folder, "<s> $A")
    in_legacy_json(folder, "{{ bos_token }}" + CHAT)
    loaded = load("llava", folder)
    asked, generation = samples(folder), Generation(max_new_tokens=3)

    together = loaded.generate(asked, generation)

    assert together == [loaded.generate([sample], generation)[0] for sample in asked]


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{{ messages[0]['content'] + 'x' }}", "words no turn of an image and a text ("),
        ("{{ raise_exception('no images') }}", "words no turn of an image and a text (no images)"),
        ("{% for message in messages %}", "words no turn of an image and a text ("),
        ("USER: {{ messages[0]['content'] }}", "puts <image> 0 times into a turn with one image"),
        ("<image>" + CHAT, "puts <image> 2 times into a turn with one image, not once"),
    ],
)
@pytest.mark.parametrize("folder", ["llava"], indirect=True)
def test_a_template_that_words_no_turn_with_an_image_is_refused(
    template: str, told: str, folder: Path
) -> None:
    in_jinja(folder, template)

    with pytest.raises(CheckpointError) as caught:
        load("llava", folder)

    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("folder", ["llava"], indirect=True)
def test_template_files_that_transformers_cannot_read_are_refused(folder: Path) -> None:
    in_further_templates(folder, CHAT)
    in_legacy_json(folder, CHAT)
    with pytest.raises(CheckpointError, match="cannot read the processor .*conflicting files"):
        load("llava", folder)

    (folder / "chat_template.json").write_text("{}")
    with pytest.raises(CheckpointError, match="cannot read the processor .*chat_template"):
        load("llava", folder)


TOWERS = {
    "clip": {"model_type": "clip_vision_model"},
    "siglip": {"model_type": "siglip_vision_model", "vision_use_head": False},
}


def llava_with(folder: Path, tower: str, strategy: str, **settings: Any) -> None:
    """A tiny LLaVA with that tower, whose processor's settings are changed."""
    tiny_families.llava(folder, TOWERS[tower], vision_feature_select_strategy=strategy)
    edit(folder / "processor_config.json", vision_feature_select_strategy=strategy, **settings)


@pytest.mark.parametrize(
    ("tower", "strategy", "beside", "tokens"),
    [
        ("clip", "default", 1, 4),
        ("clip", "full", 1, 5),
        ("siglip", "default", 0, 3),
        ("siglip", "full", 0, 4),
    ],
)
def test_an_image_has_the_tokens_that_the_processor_counts(
    tower: str, strategy: str, beside: int, tokens: int, tmp_path: Path
) -> None:
    """32 x 32 pixels are 4 patches of 16; the default strategy leaves out the tower's first."""
    llava_with(tmp_path, tower, strategy, num_additional_image_tokens=beside)
    in_jinja(tmp_path, CHAT)

    here, theirs = both_ids("llava", tmp_path)

    assert here == theirs
    assert [row.count(VOCABULARY["<image>"]) for row in here] == [tokens, tokens]
    loaded = load("llava", tmp_path)
    assert loaded.tokens_read(5, (32, 32)) == {
        "vision": 4 + (tower == "clip"),
        "language-decoder": tokens + 5,
    }
    loaded.generate(samples(tmp_path), Generation(max_new_tokens=2))


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("strategy", ["default", "full"])
def test_what_a_processor_leaves_unsaid_the_model_says(
    tower: str, strategy: str, tmp_path: Path
) -> None:
    llava_with(tmp_path, tower, strategy)
    (tmp_path / "processor_config.json").rename(tmp_path / "preprocessor_config.json")
    unsaid = ("patch_size", "num_additional_image_tokens", "vision_feature_select_strategy")
    settings = json.loads((tmp_path / "preprocessor_config.json").read_text())
    images = {key: value for key, value in settings.items() if key not in unsaid}
    images = images.get("image_processor", images)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(images))

    load("llava", tmp_path).generate(samples(tmp_path), Generation(max_new_tokens=2))


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_additional_image_tokens": 0},
        {"patch_size": 8},
        {"vision_feature_select_strategy": "full"},
    ],
)
def test_a_processor_that_counts_otherwise_than_the_model_is_refused(
    wrong: dict[str, Any], tmp_path: Path
) -> None:
    llava_with(tmp_path, "clip", "default")
    edit(tmp_path / "processor_config.json", **wrong)

    with pytest.raises(CheckpointError, match="its processor counts .* its model gives 4; see"):
        load("llava", tmp_path)


@pytest.mark.parametrize(("least", "most"), [(16 * 16, 64 * 64), (64 * 64, 80 * 80), (256, 1024)])
@pytest.mark.parametrize("folder", ["qwen2_vl", "qwen2_5_vl"], indirect=True)
def test_qwens_images_have_the_tokens_of_their_processors_pixels(
    least: int, most: int, folder: Path, request: pytest.FixtureRequest
) -> None:
    in_legacy_json(folder, CHAT)
    path = folder / "preprocessor_config.json"
    edit(path, min_pixels=least, max_pixels=most)
    edit(path, size={"shortest_edge": least, "longest_edge": most})

    here, theirs = both_ids(request.node.callspec.params["folder"], folder)

    assert here == theirs


@pytest.mark.parametrize("folder", ["qwen2_vl"], indirect=True)
def test_an_image_that_the_processor_refuses_is_named(folder: Path) -> None:
    path = folder / "narrow.png"
    Image.new("RGB", (6, 1300)).save(path)
    narrow = Sample(id="q7", image=path, prompt="a b")

    with pytest.raises(RunError, match=r"sample q7: .*narrow.png, 6 x 1300 pixels \(absolute asp"):
        load("qwen2_vl", folder).generate([*samples(folder), narrow], Generation())
