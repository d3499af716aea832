"""A budget that was made elsewhere: by an earlier run, or by hand.

The file is JSON (``*.json``) or YAML and holds one of

- a prune record of this harness, whose budget is taken over;
- layer -> how many of its weights stay, whole numbers;
- layer, block (``tower.index``) or tower -> sparsity in [0, 1], the form in which ECoFLaP's
  released code hands a budget on; what is said of a layer goes before its block, and its block
  before its tower.

A layer may be called by its parameter, ``….weight``. Keep counts are taken as they are and have to
add up to the target. Sparsities say in what proportion layers keep; the counts are exact in total,
and are the file's own where its mean sparsity is the target.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import yaml

from harness.plugin import (
    BudgetAllocator,
    DataError,
    InfeasibleError,
    InputError,
    LayerInfo,
    ScoreTable,
    Target,
    UnknownNameError,
    apportion,
    hookimpl,
)


@dataclass(frozen=True)
class FromFile:
    """Keep counts or sparsities that a file holds."""

    name: ClassVar[str] = "from-file"

    path: str
    """Of the file; relative paths start where the command runs."""

    def fingerprint(self) -> Mapping[str, str]:
        """What the file holds identifies the budget, wherever it lies."""
        return {"path": f"sha256:{hashlib.sha256(self._content).hexdigest()}"}

    def allocate(
        self, scores: ScoreTable | None, layers: Sequence[LayerInfo], target: Target
    ) -> Mapping[str, int]:
        given = {name.removesuffix(".weight"): value for name, value in self._values().items()}
        counts = {name: value for name, value in given.items() if isinstance(value, int)}
        if len(counts) == len(given):
            return self._take(counts, layers, target)
        return self._apportion(given, layers, target)

    @cached_property
    def _content(self) -> bytes:
        """Read once, so that the identity is that of the budget used."""
        try:
            return Path(self.path).expanduser().read_bytes()
        except OSError as error:
            raise DataError(Path(self.path), f"cannot be read ({error.strerror})") from None

    def _values(self) -> dict[str, int | float]:
        path = Path(self.path)
        try:
            read = json.loads if path.suffix == ".json" else yaml.safe_load
            content: Any = read(self._content)
        except (ValueError, yaml.YAMLError) as error:
            reason = str(error).partition("\n")[0]
            raise DataError(path, f"is neither JSON nor YAML ({reason})") from None
        if isinstance(content, dict) and isinstance(content.get("got"), dict):
            content = content["got"].get("budget")
        if not isinstance(content, dict) or not content:
            raise DataError(path, "holds no mapping from names to keep counts or sparsities")
        for name, value in content.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise DataError(path, f"{value!r} is no number", row=str(name))
        return {str(name): value for name, value in content.items()}

    def _take(
        self, counts: Mapping[str, int], layers: Sequence[LayerInfo], target: Target
    ) -> dict[str, int]:
        """Keep counts as they stand."""
        known = {layer.name for layer in layers}
        for name in counts:
            if name not in known:
                raise UnknownNameError("layer with a keep count", name, known)
        self._refuse_missing([layer.name for layer in layers if layer.name not in counts])
        for layer in layers:
            count, least = counts[layer.name], target.min_keep[layer.name]
            if not least <= count <= layer.numel:
                raise InfeasibleError(
                    f"{self.path}, {layer.name}: {count} weights; "
                    f"the layer and its cap allow {least} to {layer.numel}"
                )
        total = sum(counts.values())
        if total != target.keep:
            raise InfeasibleError(
                f"{self.path} keeps {total} weights in all, "
                f"the target at sparsity {target.sparsity:g} is {target.keep}"
            )
        return dict(counts)

    def _apportion(
        self, sparsities: Mapping[str, float], layers: Sequence[LayerInfo], target: Target
    ) -> dict[str, int]:
        """Layers keep in proportion to 1 - sparsity, at least what their caps demand."""
        names = [(layer.name, layer.group("block"), layer.group("tower")) for layer in layers]
        known = {name for group in names for name in group}
        for name, sparsity in sparsities.items():
            if name not in known:
                raise UnknownNameError("layer, block or tower", name, known)
            if not 0 <= sparsity <= 1:
                raise DataError(Path(self.path), f"{sparsity} is no sparsity in [0, 1]", row=name)
        said = [next((n for n in group if n in sparsities), None) for group in names]
        self._refuse_missing([group[0] for group, n in zip(names, said, strict=True) if n is None])
        floors = [target.min_keep[layer.name] for layer in layers]
        wanted = [
            max(0.0, layer.numel * (1 - sparsities[name or ""]) - floor)
            for layer, name, floor in zip(layers, said, floors, strict=True)
        ]
        sizes = [layer.numel for layer in layers]
        keep = apportion(target.keep, wanted, floors=floors, ceilings=sizes)
        return {layer.name: count for layer, count in zip(layers, keep, strict=True)}

    def _refuse_missing(self, missing: Sequence[str]) -> None:
        if missing:
            shown = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
            raise InputError(f"{self.path} says nothing of {len(missing)} layers: {shown}")


@hookimpl
def harness_budget_allocators() -> list[type[BudgetAllocator]]:
    return [FromFile]
