"""Where a task's folder is, and what becomes of tasks that bring data of their own."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from harness.errors import DataError, InputError
from harness.plugin import EditionInfo, Manifest
from harness.plugin.manager import Plugins
from harness.plugin.registry import Origin, Provider
from harness.spec import DataSpec
from harness.tasks import find_edition, find_task


class Foreign:
    """Its folder holds files named like what stands behind the colon."""

    name: ClassVar[str] = "foreign"
    argument: ClassVar[str] = "name of a file"
    metric = None
    profiles = ()
    manifest = Manifest(task="foreign", title="Foreign", page="a friend")

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted

    def names_in(self, folder: Path) -> Sequence[str]:
        return [path.stem for path in folder.iterdir()]


class Small:
    """The edition of miniatures."""

    name: ClassVar[str] = "mini"
    root: ClassVar[Path]

    def provide(self, task: str, cache: Path) -> EditionInfo:
        return EditionInfo(path=cache / task, label="mini", version="1")


@pytest.fixture
def world(plugins: Plugins) -> Plugins:
    origin = Origin(plugin="test", distribution="test", version="1")
    fresh = {
        field.name: field.default_factory()  # type: ignore[misc]
        for field in dataclasses.fields(Plugins)
        if field.name in ("tasks", "editions")
    }
    changed = dataclasses.replace(plugins, **fresh)
    changed.tasks.add(Provider(name="foreign", given=Foreign, origin=origin))  # type: ignore[arg-type]
    changed.editions.add(Provider(name="mini", given=Small, origin=origin))
    changed.editions.add(plugins.editions.get("full"))
    return changed


def found(name: str, data: DataSpec, cache: Path, world: Plugins) -> EditionInfo:
    model: Any = SimpleNamespace(bundled=None)
    return find_edition(find_task(name, world)[1], name, data, cache, model, world)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "foreign"
    path.mkdir()
    (path / "here.txt").touch()
    return path


@pytest.mark.parametrize(("name", "label"), [("foreign:here", "folder"), ("foreign:else", "full")])
def test_what_a_folder_lacks_counts_as_full(
    name: str, label: str, folder: Path, world: Plugins
) -> None:
    by_name = DataSpec(folders={"foreign": folder})

    for data in (by_name, DataSpec(root=folder.parent)):
        info = found(name, data, folder.parent, world)
        assert (info.path, info.label) == (folder, label)


def test_no_folder_is_needed_unless_one_is_named(tmp_path: Path, world: Plugins) -> None:
    for data in (DataSpec(), DataSpec(root=tmp_path / "nothing")):
        assert found("foreign:here", data, tmp_path, world).label == "full"
    with pytest.raises(DataError, match=r"gone: no such folder. Foreign: get it from a friend"):
        found("foreign:here", DataSpec(folders={"foreign": tmp_path / "gone"}), tmp_path, world)


def test_own_data_are_never_called_mini(folder: Path, world: Plugins) -> None:
    mini = DataSpec(edition="mini")

    assert found("foreign:here", mini, folder.parent, world).label == "mini"
    with pytest.raises(InputError, match="foreign task of edition mini 'hire'; did you mean here"):
        found("foreign:hire", mini, folder.parent, world)
