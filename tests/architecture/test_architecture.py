"""The house rules: who imports whom, what start-up loads, what is declared."""

import ast
import inspect
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import harness
from harness import pipeline
from harness.plugin import hookspecs

ROOT = Path(__file__).parent.parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["harness.cli", "harness.plugin"])
def test_start_up_loads_neither_torch_nor_a_plugin(module: str) -> None:
    loaded = loaded_by(f"import {module}")

    assert not {"torch", "transformers", "PIL"} & loaded
    assert not [name for name in loaded if name.startswith(("harness_plugins", "harness_tasks"))]


def test_the_command_line_starts_without_pydantic_or_numpy() -> None:
    assert not {"pydantic", "numpy", "pluggy"} & loaded_by("import harness.cli")


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    environment = {"PYTHONPATH": f"{root}:{root}/plugins:{root}/tasks", "PATH": ""}
    return subprocess.run(
        command, cwd=root, capture_output=True, text=True, env=environment, check=False
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in ("harness", "plugins", "tasks"):
        shutil.copytree(
            ROOT / name,
            tmp_path / name,
            ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"),
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_hold(copy: Path) -> None:
    done = lint_imports(copy)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("harness/budget.py", "import harness.pipeline", "The machine's layers"),
        ("harness/model.py", "import harness_plugins.methods.wanda", "The machine knows no plugin"),
        (
            "tasks/harness_tasks/vqav2.py",
            "import harness.store",
            "Plugins and tasks know only harness.plugin",
        ),
        (
            "plugins/harness_plugins/methods/wanda.py",
            "import harness_plugins.methods.magnitude",
            "Methods, families and tasks do not import one another",
        ),
        (
            "plugins/harness_plugins/methods/wanda.py",
            "import harness_tasks.lavis",
            "Plugins and tasks do not know each other",
        ),
        ("harness/pipeline.py", "import rich", "Only the command line draws"),
        ("harness/store.py", "import pluggy", "Only harness.plugin knows pluggy"),
    ],
)
def test_a_violation_breaks_its_contract(copy: Path, file: str, line: str, contract: str) -> None:
    path = copy / file
    path.write_text(path.read_text().replace("from __future__", f"{line}\nfrom __future__", 1))
    if line not in path.read_text():
        path.write_text(path.read_text() + f"\n{line}\n")

    done = lint_imports(copy)

    assert done.returncode == 1
    assert f"{contract} BROKEN" in done.stdout


def test_every_module_is_in_the_contract_for_plugins() -> None:
    contract = next(
        c
        for c in PYPROJECT["tool"]["importlinter"]["contracts"]
        if c["name"] == "Plugins and tasks know only harness.plugin"
    )
    folder = Path(harness.__file__).parent
    modules = {
        f"harness.{path.stem}"
        for path in folder.iterdir()
        if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").is_file()
    }

    assert modules - {"harness.plugin"} == set(contract["forbidden_modules"])


def test_every_plugin_module_is_an_entry_point() -> None:
    """Re-run `pip install -e .` after adding one."""
    declared = set(PYPROJECT["project"]["entry-points"]["harness"].values())
    written = {
        ".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__")
        for base in (ROOT / "plugins", ROOT / "tasks")
        for path in base.rglob("*.py")
        if "hookimpl" in path.read_text()
    }

    assert written == declared


def test_the_run_reads_on_one_screen() -> None:
    source = inspect.getsource(pipeline.run)

    assert len(source.splitlines()) <= 50


def test_every_hook_is_typed_and_documented() -> None:
    hooks = [f for name, f in vars(hookspecs).items() if name.startswith("harness_")]

    assert len(hooks) == 18
    for hook in hooks:
        assert inspect.getdoc(hook), hook.__name__
        annotations = inspect.signature(hook)
        assert annotations.return_annotation is not inspect.Signature.empty
        assert all(p.annotation is not p.empty for p in annotations.parameters.values())


def test_modules_are_small_and_say_what_they_are() -> None:
    for base in ("harness", "plugins", "tasks"):
        for path in (ROOT / base).rglob("*.py"):
            source = path.read_text()
            assert ast.get_docstring(ast.parse(source)), f"{path} has no docstring"
            limit = 320
            assert len(source.splitlines()) <= limit, f"{path} asks for a split"


def test_one_module_hands_text_to_rich_and_one_writes_to_streams() -> None:
    """So that no name is read as markup, and nothing is written that a terminal obeys."""
    folder = Path(harness.__file__).parent / "cli"
    sources = {path.name: path.read_text() for path in folder.glob("*.py")}

    drawing = {
        name for name, source in sources.items() if re.search("^ *from rich", source, re.MULTILINE)
    }
    writing = {name for name, source in sources.items() if re.search(r"\.write\(", source)}
    echoing = {name for name, source in sources.items() if "typer.echo(" in source}

    assert drawing == {"screen.py", "progress.py"}
    assert writing == {"streams.py", "quiet.py"}
    assert echoing == {"commands.py"}  # the version


def test_nothing_is_called_utils() -> None:
    names = {
        path.stem for base in ("harness", "plugins", "tasks") for path in (ROOT / base).rglob("*")
    }

    assert not names & {"utils", "util", "helpers", "helper", "common", "misc", "base"}
