"""What was edited is computed anew into the same folder; what only tells of it is not."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.store import Store
from tests.end_to_end.worlds import TinyFolder, image_folder, vit_spec

ROOT = Path(__file__).parents[2]
RUN = """
import json, sys
from pathlib import Path
from harness.pipeline import run
from harness.plugin.manager import load_plugins
from harness.spec import parse_spec
import harness
assert Path(harness.__file__).is_relative_to(sys.argv[2]), harness.__file__
outcome = run(parse_spec(json.loads(Path(sys.argv[1]).read_text())), load_plugins())
print(json.dumps([outcome.filed, outcome.skipped, outcome.failures]))
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all sources that a run on a tiny ViT takes."""
    copy = tmp_path_factory.mktemp("tree")
    for name in ("harness", "plugins", "tasks"):
        shutil.copytree(
            ROOT / name, copy / name, ignore=shutil.ignore_patterns("*.safetensors", "__pycache__")
        )
    return copy


def test_an_edited_family_is_evaluated_anew_and_an_edited_report_is_not(
    tree: Path, tiny_folder: TinyFolder, tmp_path: Path
) -> None:
    data = image_folder(tmp_path / "data")
    spec = vit_spec(tiny_folder("vit"), data, tmp_path / "r", ("ecoflap score.samples=2",))
    (tmp_path / "spec.json").write_text(spec.model_dump_json())

    def run() -> list[object]:
        path = os.pathsep.join(str(tree / name) for name in ("", "plugins", "tasks"))
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(tmp_path / "spec.json"), str(tree)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def edit(name: str, before: str, after: str) -> None:
        path = tree / name
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    def scores() -> dict[str, float]:
        return {record.key: record.got.score for record in Store(tmp_path / "r").evals()}

    assert run() == [6, 0, []]
    first = scores()
    for name in ("cli/render.py", "leaderboard/markdown.py"):
        edit(f"harness/{name}", "import annotations", "import annotations  # edited")
    assert run() == [0, 6, []]

    edit(
        "plugins/harness_plugins/classifying.py", "return logits.float()", "return -logits.float()"
    )

    assert run() == [6, 0, []]
    again = scores()
    assert first.items() < again.items()
    assert sorted(first.values()) != sorted(again[key] for key in again.keys() - first.keys())
    prunes = list(Store(tmp_path / "r").prunes())
    assert len({record.key for record in prunes}) == 2
    for kind in ("masks", "scores"):
        assert len(list((tmp_path / "r" / "cache" / kind).iterdir())) == 2
