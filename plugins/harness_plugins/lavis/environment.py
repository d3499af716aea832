"""An environment of its own for unmodified LAVIS: its requirements contradict ours.

salesforce-lavis 1.0.2 wants transformers below 4.27. What it needs stands in ``requirements.txt``,
all that this brings, version by version, in ``lock.txt`` (``tox -e lock``).
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from harness.plugin import InputError, RunError

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
LOCK = Path(__file__).with_name("lock.txt")
#: Packages whose versions follow from torch's, which is the one that runs here.
DECIDED_BY_TORCH = ("torch", "triton", "nvidia-", "cuda-")
#: Written when everything is installed; says what.
MANIFEST = "harness.json"


def python_of(environment: Path) -> Path:
    """The interpreter of an environment that `set_up` made.

    Raises:
        InputError: There is none.
    """
    if not (environment / MANIFEST).is_file():
        raise InputError(
            f"no LAVIS at {environment}; make it with `harness lavis setup --dir {environment}`"
        )
    return environment / "bin" / "python"


def set_up(environment: Path) -> str:
    """Install LAVIS with the torch that runs here, by uv where there is one.

    Raises:
        InputError: Something else lies there.
        RunError: An installer failed; its last line is told.
    """
    found = environment / MANIFEST
    if found.is_file():
        return _told(json.loads(found.read_text(encoding="utf-8")))
    if environment.exists() and not _is_ours(environment):
        raise InputError(f"{environment}: is neither empty nor an environment")
    python = environment / "bin" / "python"
    with tempfile.TemporaryDirectory() as scratch:
        constraints = Path(scratch) / "constraints.txt"
        constraints.write_text(_constraints(), encoding="utf-8")
        wanted = ["torch", "-r", str(REQUIREMENTS), "-c", str(constraints)]
        uv = shutil.which("uv")
        if uv is not None:
            _run([uv, "venv", "--allow-existing", "--python", sys.executable, str(environment)])
            _run([uv, "pip", "install", "--python", str(python), *wanted])
        else:
            _run([sys.executable, "-m", "venv", str(environment)])
            _run([str(python), "-m", "pip", "install", "--no-input", *wanted])
    versions = json.loads(_run([str(python), "-I", "-c", TELL_VERSIONS]).splitlines()[-1])
    found.write_text(json.dumps(versions), encoding="utf-8")
    return _told(versions)


def _constraints() -> str:
    """The lock, with the torch that runs here in place of its own."""
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    locked = [line for line in lines if not line.startswith(DECIDED_BY_TORCH)]
    return "\n".join([f"torch=={version('torch').partition('+')[0]}", *locked, ""])


TELL_VERSIONS = """
import json
from importlib.metadata import version
names = ("salesforce-lavis", "transformers", "torch", "numpy")
print(json.dumps({name: version(name) for name in names}))
"""


def _told(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def _is_ours(environment: Path) -> bool:
    """Whether an earlier attempt may be taken up again."""
    return (environment / "pyvenv.cfg").is_file() or not any(environment.iterdir())


def _run(command: Sequence[str]) -> str:
    """What a command prints.

    Raises:
        RunError: It failed.
    """
    local_wheels = os.environ.get("UV_FIND_LINKS", os.environ.get("PIP_FIND_LINKS", ""))
    settings = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        command,
        env={**settings, "UV_FIND_LINKS": local_wheels},  # uv does not read pip's
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no output"]
        raise RunError(f"{' '.join(command[:3])} … failed: {lines[-1].strip()}")
    return done.stdout
