"""What stands around LAVIS's process and needs no LAVIS; `tests/lavis` has the rest."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.model import Model
from harness.plugin import InputError, ModelSpec, RunError, View, read_shown
from harness_plugins.lavis.answering import Process, _images, shown_files, start_answering
from harness_plugins.lavis.environment import MANIFEST, REQUIREMENTS, python_of, set_up
from harness_plugins.lavis.worker import admit_cpu_torchvision
from tests.tiny import make_samples

SQUARE = {
    "size": {"height": 32, "width": 32},
    "resample": 3,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.25, 0.25, 0.25],
}


@pytest.fixture
def process(tmp_path: Path) -> Process:
    """The worker in this environment, which has no LAVIS."""
    return Process(Path(sys.executable), tmp_path / "errors")


def test_an_error_in_the_worker_is_told_in_one_line_and_it_goes_on(process: Process) -> None:
    for _ in range(2):
        with pytest.raises(RunError, match="LAVIS could not build: ModuleNotFoundError: "):
            process.ask("build", kind="blip2_t5", config={}, folder="", images={}, device="cpu")


def test_a_worker_that_ended_is_told_with_its_last_words(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho out of memory >&2\n")
    python.chmod(0o755)

    with pytest.raises(RunError, match="ended while asked to load; it said last: out of memory"):
        Process(python, tmp_path / "errors").ask("load", weights="w")


FAILS_ON_CPU = """
import sys
if "torchvision._meta_registrations" not in sys.modules:
    raise RuntimeError("operator torchvision::nms does not exist")
"""


@pytest.fixture
def torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a torchvision of that source where it is imported from."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torchvision._meta_registrations", None)
    monkeypatch.delitem(sys.modules, "torchvision._meta_registrations")

    def write(source: str) -> None:
        (tmp_path / "torchvision").mkdir()
        (tmp_path / "torchvision" / "__init__.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)

    return write


def test_a_torchvision_without_its_operators_is_admitted(
    torchvision: Callable[[str], None],
) -> None:
    torchvision(FAILS_ON_CPU)

    admit_cpu_torchvision()

    import torchvision as found

    assert found.__file__
    for name in ("torchvision", "torchvision._meta_registrations"):
        del sys.modules[name]


def test_a_torchvision_that_works_is_left_alone(torchvision: Callable[[str], None]) -> None:
    torchvision("")

    admit_cpu_torchvision()

    assert "torchvision._meta_registrations" not in sys.modules
    del sys.modules["torchvision"]


def test_another_error_of_torchvision_is_not_hidden(torchvision: Callable[[str], None]) -> None:
    torchvision("raise RuntimeError('something else')")

    with pytest.raises(RuntimeError, match="something else"):
        admit_cpu_torchvision()


def test_images_are_squared_with_our_own_numbers() -> None:
    told = _images(SQUARE, ModelSpec(name="m"))

    assert told == {"side": 32, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}


@pytest.mark.parametrize(
    "change",
    [
        {"size": {"height": 32, "width": 48}},
        {"size": {"shortest_edge": 32}},
        {"do_center_crop": True},
        {"resample": 2},
    ],
)
def test_images_that_are_prepared_otherwise_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="LAVIS makes images square by bicubic resizing"):
        _images(SQUARE | change, ModelSpec(name="m"))


def test_a_part_of_an_image_travels_as_a_file_of_its_own(tmp_path: Path) -> None:
    [whole] = make_samples("blip2_t5", tmp_path, 1)
    view = View(left=0.25, top=0.0, width=0.5, height=0.5, flip=True)
    part = dataclasses.replace(whole, view=view)
    (tmp_path / "scratch").mkdir()

    files = shown_files([whole, part], tmp_path / "scratch")

    assert files[0] == str(whole.image)
    assert np.array_equal(read_shown(part), Image.open(files[1]))
    assert not np.array_equal(read_shown(part), read_shown(whole))


def test_models_that_lavis_has_not_are_refused(
    tiny_model: Callable[[str], Model], tmp_path: Path
) -> None:
    for kind in ("vit", "blip2_opt"):
        model = tiny_model(kind)
        with pytest.raises(InputError, match="LAVIS answers for blip2_t5, blip_caption"):
            start_answering(model.loaded, model.spec.name, model.spec, tmp_path)


def test_without_an_environment_the_command_that_makes_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"harness lavis setup --dir {tmp_path}"):
        python_of(tmp_path)


@pytest.fixture
def installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A `uv` that writes down how it was called; `python` in what it makes tells versions."""

    def write(ending: str) -> Path:
        calls, folder = tmp_path / "calls", tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        script = folder / "uv"
        script.write_text(f"""#!/bin/sh
echo "$@" >> {calls}
if [ "$1" = venv ]; then
    for environment in "$@"; do :; done
    mkdir -p "$environment/bin"
    touch "$environment/pyvenv.cfg"
    printf '#!/bin/sh\\necho {{\\\\"torch\\\\": \\\\"2\\\\"}}\\n' > "$environment/bin/python"
    chmod +x "$environment/bin/python"
else
    {ending}
fi
""")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        return calls

    return write


def test_an_environment_is_made_once(installer: Callable[[str], Path], tmp_path: Path) -> None:
    calls = installer("true")

    assert set_up(tmp_path / "lavis") == "torch 2"
    assert set_up(tmp_path / "lavis") == "torch 2"

    made, installed = calls.read_text().splitlines()
    assert made.startswith("venv ")
    assert f"torch -r {REQUIREMENTS} -c " in installed
    assert python_of(tmp_path / "lavis") == tmp_path / "lavis" / "bin" / "python"


def test_an_installation_that_failed_can_be_taken_up_again(
    installer: Callable[[str], Path], tmp_path: Path
) -> None:
    installer("echo no such version >&2; exit 1")
    with pytest.raises(RunError, match="pip install … failed: no such version"):
        set_up(tmp_path / "lavis")
    assert not (tmp_path / "lavis" / MANIFEST).exists()
    installer("true")

    assert set_up(tmp_path / "lavis") == "torch 2"


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")

    with pytest.raises(InputError, match="neither empty nor an environment"):
        set_up(tmp_path)


def test_the_worker_reads_alone(tmp_path: Path) -> None:
    """It imports nothing of ours but its own modules: isolated, from any folder."""
    from harness_plugins.lavis import answering

    loaded = "import sys; print([n for n in sys.modules if n.startswith('harness')])"
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            f"{answering.RUN_WORKER}; {loaded}",
            str(Path(answering.__file__).parent),
        ],
        input="",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "[]\n")  # it has given its output away
