"""An option that a part does not have, or of the wrong type, is refused wherever it is written."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.cli import run_command
from harness.composition import instantiate, options_of
from harness.errors import InputError, UnknownNameError
from harness.plugin.manager import Plugins
from harness.plugin.registry import Origin, Provider
from harness.spec import parse_spec

RUN = ["run", "--dry-run", "--tasks", "vqav2@4", "--pruner"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["wanda", "--calibration", "text=F samples=6 seqlen=32"],
            "unknown option of text 'seqlen'; known: ",
        ),
        (
            ["wanda", "--calibration", "text=F windw=32"],
            "unknown option of text 'windw'; did you mean window?",
        ),
        (
            ["wanda", "--calibration", "text=F samles=6"],
            "unknown option of text 'samles'; did you mean samples?",
        ),
        (
            ["wanda", "--calibration", "documents=F window=many"],
            "documents: window: a whole number is needed, not 'many'",
        ),
        (
            ["wanda", "--calibration", "captions=F prefix_lm=3"],
            "captions: prefix_lm: true or false is needed, not 3",
        ),
        (["wanda", "--calibration", "mini a=1"], "unknown option of mini 'a'; known: "),
        (
            ["upop", "--train", "captions=F splt=train"],
            "unknown option of captions 'splt'; did you mean split?",
        ),
        (
            ["wanda", "--finetune", "step=3"],
            "unknown setting of --finetune 'step'; did you mean steps",
        ),
        (["wanda", "--finetune", "lr=1e-4"], "--finetune: steps is missing"),
        (
            ["wanda", "--finetune", "steps=1.5"],
            "--finetune: steps: a whole number is needed, not 1.5",
        ),
        (
            ["wanda", "--images", "shrt=2 crop=2 mean=0 std=1"],
            "unknown setting of --images 'shrt'; did you mean short",
        ),
        (["wanda local.compar=row"], "unknown pruner setting 'local.compar'; did you mean"),
        (
            ["wanda local.compare=rows"],
            "wanda: compare: 'row', 'layer' or 'columns' is needed, not 'rows'",
        ),
        (
            ["wanda", "--sparsity", "50"],
            "--sparsity: a number below 1 is needed, not 50.0; sparsity is a share between 0 and "
            "1, 0.5 for 50 %",
        ),
    ],
)
def test_a_wrong_option_is_one_line_before_anything_is_loaded(
    words: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_command([*RUN, *words]) == 2

    [line] = capfd.readouterr().err.splitlines()
    assert line.startswith(f"error: {message}")
    assert "Input should" not in line


def test_a_wrong_option_in_a_file_is_told_with_its_place(tmp_path: Path) -> None:
    base = {"model": {"name": "m"}, "pruners": [{"recipe": "wanda"}]}

    with pytest.raises(InputError, match=r"unknown field of tasks.0 'promt'; did you mean prompt"):
        parse_spec(base | {"tasks": [{"name": "vqav2", "promt": "x"}]})
    with pytest.raises(InputError, match=r"unknown field of tasks.0.generation 'beams'"):
        parse_spec(base | {"tasks": [{"name": "vqav2", "generation": {"beams": 3}}]})
    with pytest.raises(InputError, match=r"unknown field of calibration 'sample'; did you mean"):
        parse_spec(base | {"calibration": {"sample": 3}})


def test_a_long_value_is_not_told_in_full() -> None:
    with pytest.raises(InputError) as caught:
        parse_spec({"model": {"name": "m"}, "pruners": [{"recipe": "x"}], "seeds": ["x" * 9999]})

    assert len(str(caught.value)) < 200


class Plain:
    name = "plain"


@dataclass
class Optional:
    name = "optional"
    needed: int
    other: float = 0.5


def provider(given: type) -> Provider[type]:
    origin = Origin(plugin="p", distribution="d", version="1")
    return Provider(name=given.name, given=given, origin=origin)


def test_a_part_without_options_takes_none() -> None:
    assert isinstance(instantiate(provider(Plain), {}), Plain)
    with pytest.raises(UnknownNameError, match="unknown option of plain 'a'; there are none"):
        instantiate(provider(Plain), {"a": 1})


def test_a_needed_option_is_missed_by_name() -> None:
    with pytest.raises(InputError, match="optional: needed is missing"):
        instantiate(provider(Optional), {})
    assert options_of(Optional) == {"needed": "…", "other": 0.5}


def test_the_options_of_all_parts_are_listed_with_defaults(
    plugins: Plugins, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    assert run_command(["plugins", "--options"]) == 0

    printed = capsys.readouterr().out
    for kind in (plugins.local_pruners, plugins.calibration_sources):
        for part in kind:
            assert f"\n  {part.name}\n" in printed
            for option, default in options_of(part.given).items():
                assert f"{option}={'' if default is None else str(default)[:8]}" in printed
