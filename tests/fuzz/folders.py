"""Model folders and saved pruned ones, a file at a time changed."""

import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random

from harness.checkpoint import load_saved
from harness.folder_manifest import read_manifest
from harness.model import load_model
from harness.pipeline import prune_to_folder
from harness.plugin.manager import Plugins
from harness.spec import ModelSpec
from tests.end_to_end.worlds import image_folder, vit_spec
from tests.fuzz.judging import Area, Attempt
from tests.fuzz.nasty import a_changed_json_file, change_bytes
from tests.plugins.tiny_families import TABLE

#: A family of each kind: text, its transposed layers, images, images with text.
KINDS = ("llama", "gpt2", "vit", "clip", "blip_caption", "t5")
Load = Callable[[Path], str]


class Folders:
    """Folders with one file at a time changed and put back."""

    def __init__(self, folders: list[Path], load: Load) -> None:
        self.folders, self.load = folders, load

    def attempt(self, draw: Random) -> Attempt:
        folder = draw.choice(self.folders)
        path = draw.choice(sorted(path for path in folder.iterdir() if path.is_file()))
        before = path.read_bytes()
        act = draw.random()
        if act < 0.03:
            return self._given(folder, path, before, None)
        if act < 0.06:
            return self._linked(folder, path, before)
        return self._given(folder, path, before, changed(draw, path, before))

    def _given(self, folder: Path, path: Path, before: bytes, after: bytes | None) -> Attempt:
        def give() -> str:
            try:
                path.unlink()
                if after is not None:
                    path.write_bytes(after)
                return self.load(folder)
            finally:
                path.unlink(missing_ok=True)
                path.write_bytes(before)

        what = "gone" if after is None else after[:200]
        return f"{folder.name}/{path.name} {what!r}", give

    def _linked(self, folder: Path, path: Path, before: bytes) -> Attempt:
        def give() -> str:
            try:
                path.unlink()
                path.symlink_to("/etc/passwd")
                return self.load(folder)
            finally:
                path.unlink(missing_ok=True)
                path.write_bytes(before)

        return f"{folder.name}/{path.name} -> /etc/passwd", give


def changed(draw: Random, path: Path, content: bytes) -> bytes:
    if path.suffix == ".json":
        return a_changed_json_file(draw, content)
    if path.suffix == ".safetensors" and draw.random() < 0.7:
        return _changed_header(draw, content)
    return change_bytes(draw, content)


def _changed_header(draw: Random, content: bytes) -> bytes:
    """Safetensors whose header says otherwise; sometimes its length too."""
    (length,) = struct.unpack("<Q", content[:8])
    header = a_changed_json_file(draw, content[8 : 8 + length])
    said = draw.choice([len(header)] * 6 + [2**63, len(content) * 2, 0])
    return struct.pack("<Q", said) + header + content[8 + length :]


def areas(root: Path, plugins: Plugins) -> list[Area]:
    """Checkpoints of several families, and folders that ``harness prune --save`` wrote."""
    models = []
    for kind in KINDS:
        (root / kind).mkdir(parents=True)
        TABLE[kind][1](root / kind)
        models.append(root / kind)
    vit, data = root / "vit", image_folder(root / "data")
    saved, identities = [], {}
    for form in ("hf", "masks"):
        spec = vit_spec(vit, data, root / "results", ("magnitude",), tasks=[])
        prune_to_folder(spec, plugins, root / f"saved-{form}", form)
        saved.append(root / f"saved-{form}")
    shutil.rmtree(root / "results")

    def load(folder: Path) -> str:
        load_model(ModelSpec(name=str(folder)), plugins)
        return ""

    def load_as_saved(folder: Path) -> str:
        manifest = read_manifest(str(folder))
        if manifest is None:
            return ""  # it counts as a model of its own, or is refused as none
        found = load_saved(ModelSpec(name=str(folder)), manifest, plugins).identity
        before = identities.setdefault(folder.name, found)
        return "" if found == before else "another model is taken for the saved one"

    for folder in saved:
        load_as_saved(folder)
    return [
        Area("checkpoints", Folders(models, load).attempt, 12),
        Area("saved folders", Folders(saved, load_as_saved).attempt, 12),
    ]
