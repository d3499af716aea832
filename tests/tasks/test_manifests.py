"""Manifests: every task has one that can be followed, and without data it says what to do."""

import dataclasses
import pkgutil
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from harness.data.folders import locate
from harness.errors import DataError
from harness.plugin import Layout, Manifest, OfficialFile, Task, read_manifest
from harness.plugin.manager import Plugins, load_plugins
from harness.spec import DataSpec
from harness_tasks.manifests import manifest_of

TASKS = [
    provider
    for provider in load_plugins().tasks
    if provider.origin.distribution == "pruning-harness"
]
FETCHED = [provider.given for provider in TASKS if not getattr(provider.given, "argument", "")]
MANIFESTS = [task.manifest for task in FETCHED]


def named(manifests: list[Manifest]) -> Any:
    return pytest.mark.parametrize("manifest", manifests, ids=lambda m: m.task)


def test_every_manifest_is_a_tasks() -> None:
    folder = Path(pkgutil.resolve_name("harness_tasks.manifests").__file__).parent

    assert {path.stem for path in folder.glob("*.toml")} == {m.task for m in MANIFESTS}
    assert all(task.manifest.task == task.name for task in FETCHED)


@named(MANIFESTS)
def test_a_manifest_can_be_followed(manifest: Manifest) -> None:
    assert manifest.required
    assert manifest.page.startswith("https://")
    for file in manifest.files:
        assert not file.path.startswith("/")
        assert file.url == "" or file.url.startswith("https://")
        assert len(file.sha256) in (0, 64)
    names = [layout.name for layout in manifest.layouts]
    assert len(set(names)) == len(names)
    for layout in manifest.others:
        assert layout.name
        assert layout.is_counted, "a part of it would pass for the whole"
        assert not any(file.url for file in layout.files), "a fetch makes the first layout alone"
    for copy in manifest.hub:
        assert callable(pkgutil.resolve_name(copy.convert))
        assert all(name.count("/") < 2 for name in copy.names)
        assert all(re.fullmatch("|[0-9a-f]{40}|refs/.*", commit) for commit in copy.names.values())
        assert all(table.columns for table in copy.tables)
    assert manifest.gated == any(copy.gated for copy in manifest.hub)


def test_new_and_old_names_of_a_hub_copy() -> None:
    for task in ("vqav2", "okvqa", "gqa", "nocaps", "flickr30k", "coco-caption"):
        names = {tuple(copy.names) for copy in manifest_of(task).hub}
        assert any(
            new.startswith("lmms-lab-encoder/")
            and old == [new.replace("lmms-lab-encoder/", "lmms-lab/")]
            for new, *old in names
        )
    assert manifest_of("okvqa").hub[0].revision == "c9f858961f4095a9aeef615057b0822cce967096"


def blocked(*_: Any, **__: Any) -> None:
    raise AssertionError("a socket was opened")


@pytest.mark.parametrize("task", FETCHED, ids=lambda task: task.name)
def test_full_without_data_is_one_message_and_no_socket(
    task: type[Task], plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says where to get the data, where to put it and which command does it."""
    monkeypatch.setattr(socket, "socket", blocked)
    from harness.data.verify import verify

    folder = locate(task.name, DataSpec(), "full", tmp_path, plugins).path
    with pytest.raises(DataError) as caught:
        verify(task(), folder, part=False, report=lambda *_: None)

    message = str(caught.value)
    manifest = task.manifest
    assert "\n" not in message
    assert message.startswith(f"{tmp_path / 'full' / task.name}: no such folder. ")
    assert f"`harness data fetch {task.name}` gets it" in message or not manifest.is_fetchable
    assert f"get it from {manifest.page} and put " in message
    assert all(file.path in message for file in manifest.required)
    assert ("hf auth login" in message) == manifest.gated
    assert "token" not in message.replace("wiki.test.tokens", "")


def test_what_a_stranger_writes(tmp_path: Path) -> None:
    path = tmp_path / "birds.toml"
    path.write_text(
        'task = "birds"\ntitle = "Birds"\npage = "https://birds.org"\n[[files]]\npath = "test/"\n'
    )
    in_place = Manifest(
        task="birds",
        title="Birds",
        page="https://birds.org",
        files=(OfficialFile(path="test/"),),
    )

    assert read_manifest(path) == in_place
    assert in_place.instructions() == (
        "Birds: get it from https://birds.org and put test/ into that folder"
    )
    fetchable = dataclasses.replace(
        in_place,
        files=(
            OfficialFile(path="a.json", url="https://birds.org/a.json"),
            OfficialFile(path="b/", url="https://birds.org/b.zip"),
        ),
        others=(Layout(name="other", files=(OfficialFile(path="c.json"),)),),
        gated=True,
    )
    assert fetchable.instructions() == (
        "Birds: `harness data fetch birds` gets it, or get it from https://birds.org and put "
        "a.json and b/, or c.json into that folder. "
        "Its terms have to be accepted with an account first"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("licens = 'x'", "unknown field 'licens'; did you mean licence"),
        ("examples = 'many'", "examples: a whole number is needed, not 'many'"),
        ("= 3", "not readable as TOML"),
    ],
)
def test_a_faulty_manifest_is_named(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "birds.toml"
    path.write_text(f'task = "birds"\ntitle = "Birds"\npage = "p"\n{line}\n')

    with pytest.raises(DataError, match=message):
        read_manifest(path)
