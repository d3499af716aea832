from typing import Any

import pytest

from harness import notation
from harness.errors import InputError
from harness.spec import FinetuneSpec, PrunerSpec, parse_spec


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ecoflap", {"recipe": "ecoflap", "settings": {}}),
        (
            "ecoflap p_max=0.7 score.eps=1e-2",
            {"recipe": "ecoflap", "p_max": 0.7, "settings": {"score.eps": 0.01}},
        ),
        (
            "score=magnitude budget=uniform local=wanda+scores",
            {
                "score": "magnitude",
                "budget": "uniform",
                "local": ("wanda", "scores"),
                "settings": {},
            },
        ),
    ],
)
def test_pruners(text: str, expected: dict[str, Any]) -> None:
    assert notation.parse_pruner(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ecoflap wanda", "two recipes"),
        ("ecoflap pmax=0.7", "unknown pruner setting 'pmax'; did you mean p_max"),
    ],
)
def test_bad_pruners(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        notation.parse_pruner(text)


def test_a_pruners_label_is_its_notation() -> None:
    text = "ecoflap p_max=0.7 local.compare=layer score.eps=0.01"

    assert PrunerSpec(**notation.parse_pruner(text)).label == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vqav2", {"name": "vqav2"}),
        ("vqav2/official", {"name": "vqav2", "profile": "official"}),
        ("vqav2@400", {"name": "vqav2", "subset": {"start": 0, "stop": 400}}),
        ("imagenet@128:", {"name": "imagenet", "subset": {"start": 128, "stop": None}}),
        ("a/b@1:2", {"name": "a", "profile": "b", "subset": {"start": 1, "stop": 2}}),
    ],
)
def test_tasks(text: str, expected: dict[str, Any]) -> None:
    assert notation.parse_task(text) == expected


@pytest.mark.parametrize("text", ["vqav2@", "vqav2@:", "vqav2@5m", "vqav2@1-2"])
def test_a_subset_says_how_many(text: str) -> None:
    with pytest.raises(InputError, match="is not N, :N, N: or N:M"):
        notation.parse_task(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mini", {"edition": "mini"}),
        ("/data/all", {"root": "/data/all"}),
        ("vqav2=/a,gqa=/b", {"folders": {"vqav2": "/a", "gqa": "/b"}}),
    ],
)
def test_data(text: str, expected: dict[str, Any]) -> None:
    assert notation.parse_data(text) == expected


def test_calibration() -> None:
    parsed = notation.parse_calibration("text=/t.txt samples=64 subset=:128 window=256")

    assert parsed == {
        "source": "text",
        "path": "/t.txt",
        "samples": 64,
        "subset": {"start": 0, "stop": 128},
        "options": {"window": 256},
    }


def test_train_streams_and_fine_tuning() -> None:
    assert notation.parse_train("captions=/c subset=100: split=val") == {
        "source": "captions",
        "path": "/c",
        "subset": {"start": 100, "stop": None},
        "options": {"split": "val"},
    }
    given = notation.parse_finetune("steps=20 lr=1e-3")
    assert given == {"steps": 20, "lr": 1e-3}
    assert FinetuneSpec(**given).label == "finetune steps=20 lr=0.001"
    assert FinetuneSpec(steps=20).label == "finetune steps=20"


def test_images() -> None:
    parsed = notation.parse_images("short=256 crop=224 mean=0.5 std=0.2/0.3/0.4")

    assert parsed == {"short": 256, "crop": 224, "mean": (0.5,) * 3, "std": (0.2, 0.3, 0.4)}


@pytest.mark.parametrize("text", ["2-4", "2:x", "half"])
def test_bad_patterns(text: str) -> None:
    with pytest.raises(InputError, match="neither 'unstructured' nor n:m"):
        notation.parse_pattern(text)


BASE = {"model": {"name": "m"}, "pruners": [{"recipe": "wanda"}]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sparsities": [1.0]}, "sparsities.0: a number below 1 is needed, not 1.0"),
        ({"sparsities": [-0.1]}, "sparsities.0: at least 0 is needed, not -0.1"),
        ({"pruners": [{"settings": {}}]}, "a pruner is a recipe's name or at least local=NAME"),
        ({"modle": 1}, "unknown field 'modle'; did you mean model"),
        (
            {"pattern": {"keep": 2, "of": 4}, "sparsities": [0.6]},
            "pattern 2:4 means sparsity 0.5, not 0.6",
        ),
        ({"pattern": {"keep": 4, "of": 4}}, "4:4 keeps everything"),
        ({"finetune": {"steps": 0}}, "finetune.steps: a number above 0 is needed, not 0"),
        ({"pruners": [{"search": "upop", "local": ["wanda"]}]}, "search=upop stands alone"),
        ({"batch_size": 0}, "batch_size: a number above 0 is needed, not 0"),
    ],
)
def test_a_bad_spec_is_one_clear_line(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_spec(BASE | change)

    assert "\n" not in str(caught.value)
