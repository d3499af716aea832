"""Records that were filed before a field was keep their keys and are read."""

from typing import Any

import pytest

from harness.asked import EvalAsked, PartIdentity, PruneAsked, hash_of, key_of

MODEL = {"weights": "w", "config": "c"}
HELD = {"device": "cpu", "dtype": "float32", "attention": "sdpa"}
PART = {
    "kind": "task",
    "name": "imagenet",
    "distribution": "harness",
    "version": "0.1.0",
    "source": "s",
    "options": {},
}
PROFILE = {
    "name": "default",
    "version": 1,
    "family": "",
    "prompt": "",
    "generation": {},
    "window": None,
    "image_size": None,
    "backend": "",
    "changed": False,
}
#: As they stand in files of version 0.1.0.
PRUNE = {
    "kind": "prune",
    "model": MODEL,
    "held": HELD,
    "parts": [{**PART, "kind": "local"}],
    "sparsity": 0.5,
    "p_max": None,
    "pattern": None,
    "seed": None,
    "calibration": None,
    "rounds": 1,
    "train": None,
    "finetune": None,
}
EVAL = {
    "kind": "eval",
    "model": MODEL,
    "pruned": None,
    "blind": False,
    "held": HELD,
    "task": PART,
    "profile": PROFILE,
    "data": {
        "edition": "folder",
        "version": "",
        "digest": "d",
        "items": 1,
        "variant": "",
        "part": "",
    },
    "batch_size": 32,
}
CODE = PartIdentity(kind="family", name="vit", distribution="d", version="1", source="a")


@pytest.mark.parametrize(("kind", "filed"), [(PruneAsked, PRUNE), (EvalAsked, EVAL)])
def test_an_older_record_keeps_its_key(kind: Any, filed: dict[str, Any]) -> None:
    asked = kind.model_validate(filed)

    assert asked.model_dump(mode="json") == filed
    assert key_of(asked) == hash_of(filed)
    assert asked.code == ()


@pytest.mark.parametrize(("kind", "filed"), [(PruneAsked, PRUNE), (EvalAsked, EVAL)])
def test_code_is_part_of_the_key_and_survives_a_file(kind: Any, filed: dict[str, Any]) -> None:
    old = kind.model_validate(filed)
    family = old.model_copy(update={"code": (CODE,)})
    library = CODE.model_copy(update={"libraries": {"transformers": "5.24.0"}})
    newer = old.model_copy(update={"code": (library,)})

    assert len({key_of(asked) for asked in (old, family, newer)}) == 3
    assert kind.model_validate_json(newer.model_dump_json()) == newer
