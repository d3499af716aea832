"""A stranger's package is followed wherever Python would go, and no further."""

import compileall
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import sources
from harness.sources import Code, Sources

KIT = {
    "kit/__init__.py": "",
    "kit/family.py": """
import kit.numbers.deep
import kit
import helper_top
from typing import TYPE_CHECKING
from kit import constants as told
from kit.scale import SCALE
from . import beside
from .helpers import twice
from kit import folder
from .starred import *
from harness_plugins.finite_steps import finite_steps
if TYPE_CHECKING:
    from kit import typed

def load():
    import importlib
    from kit.late import late
    importlib.import_module("kit.named")
    return importlib.import_module(".dotted", "kit"), kit.used.given(), folder.thrice
""",
    "kit/numbers/__init__.py": "",
    "kit/numbers/deep.py": "DEEP = 1",
    "kit/constants.py": "from kit.chained import ONE",
    "kit/chained.py": "ONE = 1",
    "kit/scale.py": "SCALE = 2",
    "kit/beside.py": "",
    "kit/helpers/twice.py": "",  # a folder without __init__
    "kit/folder/thrice.py": "",  # another, of which a module is used as an attribute
    "kit/starred/__init__.py": "__all__ = ['star']",
    "kit/starred/star.py": "",
    "kit/late.py": "late = 1",
    "kit/named.py": "",
    "kit/dotted.py": "",
    "kit/used.py": "def given(): return 1",
    "kit/words.txt": "one two",
    "kit/prompts/ask.json": "{}",
    "kit/typed.py": "",
    "kit/other.py": "",
    "helper_top.py": "TOP = 1",
}
UNREAD = {"kit/typed.py", "kit/other.py"}
Write = Callable[[dict[str, str]], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Files of a folder on the path, of packages that nobody imports."""

    def written(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / "site" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "site"

    monkeypatch.syspath_prepend(str(written({})))
    forget()
    yield written
    forget()


def forget() -> None:
    for cached in (sources._library, sources._givers, sources._plugins):
        cached.cache_clear()
    sys.path_importer_cache.clear()


def follow(module: str = "kit.family") -> Code:
    forget()
    return Sources().follow([module], without=["harness"])


def test_every_helper_of_a_package_counts_and_no_other_file(write: Write) -> None:
    site = write(KIT)
    before = follow().digest

    for name in KIT:
        text = (site / name).read_text()
        (site / name).write_text(f"{text}\n")
        assert (follow().digest != before) == (name not in UNREAD), name
        (site / name).write_text(text)
    assert follow().digest == before


def test_what_it_takes_from_bundled_plugins_counts_too(write: Write) -> None:
    write(KIT)

    assert "harness_plugins.finite_steps" in follow().files


def test_nothing_is_run_to_be_followed(write: Write) -> None:
    write({"kit/__init__.py": "raise SystemExit", "kit/family.py": "from kit import never"})

    assert set(follow().files) == {"kit", "kit.family"}


def test_where_names_are_computed_the_whole_package_counts(write: Write) -> None:
    computed = "import importlib\nimportlib.import_module(f'kit.{input()}')"
    write({"kit/__init__.py": "", "kit/family.py": computed, "kit/a/b.py": "", "kit/c.py": ""})

    assert {"kit.a.b", "kit.c"} <= follow().files.keys()


def test_a_plugin_of_one_file_counts_alone(write: Write) -> None:
    write({"single.py": "import json\nimport torch", "else.py": "", "notes.txt": ""})

    code = follow("single")

    assert set(code.files) == {"single"}
    assert set(code.libraries) == {"torch"}


def installed(name: str, version: str, *packages: str, plugin: bool = False) -> dict[str, str]:
    """A distribution as pip leaves it."""
    folder = f"{name.replace('-', '_')}-{version}.dist-info"
    files = {
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{folder}/top_level.txt": "\n".join(packages),
    }
    return files | ({f"{folder}/entry_points.txt": "[harness]\nx = kit.family"} if plugin else {})


def test_an_installed_library_counts_by_its_version(write: Write) -> None:
    write({"kit/__init__.py": "", "kit/family.py": "import scorer", "scorer.py": "BETA = 1"})
    write(installed("scorer-lib", "1.0", "scorer"))

    assert follow().libraries == {"scorer-lib": "1.0"}
    assert "scorer" not in follow().files


def test_a_library_that_is_installed_to_be_edited_counts_by_its_files(write: Write) -> None:
    site = write({"kit/__init__.py": "", "kit/family.py": "import scorer"})
    write({"scorer/__init__.py": "", "scorer/deep.py": "BETA = 1"})
    write(installed("scorer-lib", "1.0", "scorer"))
    write({"scorer_lib-1.0.dist-info/direct_url.json": '{"dir_info": {"editable": true}}'})
    before = follow().libraries

    (site / "scorer" / "deep.py").write_text("BETA = 2")

    assert before["scorer-lib"].startswith("1.0 edited ")
    assert follow().libraries != before


def test_the_other_packages_of_a_plugins_distribution_are_followed(write: Write) -> None:
    site = write({"kit/__init__.py": "", "kit/family.py": "from kit_tools import scale"})
    write({"kit_tools/__init__.py": "", "kit_tools/scale.py": "SCALE = 1"})
    write(installed("kit-dist", "1.0", "kit", "kit_tools", plugin=True))
    before = follow()

    (site / "kit_tools" / "scale.py").write_text("SCALE = 2")

    assert not before.libraries
    assert follow().digest != before.digest


def test_a_package_without_sources_counts_by_its_bytecode(write: Write) -> None:
    site = write({"kit/__init__.py": "", "kit/family.py": "def f():\n from kit import late"})
    write({"kit/late.py": "LATE = 1"})

    def digest(late: str) -> str:
        (site / "kit" / "late.py").write_text(late)
        compileall.compile_dir(site, legacy=True, quiet=1, force=True)
        hidden = [path.rename(path.with_suffix(".txt~")) for path in site.rglob("*.py")]
        code = follow()
        for path in hidden:
            path.rename(path.with_suffix(".py"))
        assert {"kit", "kit.family", "kit.late"} == code.files.keys()
        return code.digest

    assert digest("LATE = 1") != digest("LATE = 2")


def test_a_package_in_an_archive_counts_by_the_archive(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "kit.zip"
    monkeypatch.syspath_prepend(str(archive))

    def digest(late: str) -> str:
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("kit/__init__.py", "")
            file.writestr("kit/family.py", "from kit import late")
            file.writestr("kit/late.py", late)
        code = follow()
        assert {"kit", "kit.family", "kit.late"} == code.files.keys()
        return code.digest

    assert digest("LATE = 1") != digest("LATE = 22")


def test_a_library_that_is_not_there_is_not_missed(write: Write) -> None:
    write({"kit/__init__.py": "", "kit/family.py": "import nowhere_at_all"})

    assert not follow().libraries


def test_a_file_that_is_not_python_is_hashed_and_not_followed(write: Write) -> None:
    write({"kit/__init__.py": "", "kit/family.py": "from kit import late\nprint 1"})

    assert set(follow().files) == {"kit", "kit.family"}
