"""How many weights the released zeroth-order score does not put back, and how far off they are.

OMP_NUM_THREADS=1 python benchmarks/drift.py
"""

from pathlib import Path

import torch

from harness.calibration import draw_calibration
from harness.model import load_model
from harness.plugin import ModelSpec
from harness.plugin.manager import load_plugins
from harness.scoring import score
from harness.spec import CalibrationSpec
from harness_plugins.methods.official.zeroth_order import ZerothOrderOfficial


def main() -> None:
    """One line per precision."""
    plugins = load_plugins()
    for dtype in ("float32", "bfloat16"):
        model = load_model(ModelSpec(name="mini-blip2", dtype=dtype), plugins)
        cache = Path("~/.cache/harness").expanduser()
        calibration = draw_calibration(CalibrationSpec(), 0, model, plugins, cache)
        before = [model.weight(i).double().clone() for i in model.layers]
        score(model, ZerothOrderOfficial(), calibration, 0, lambda *_: None)
        after = [model.weight(i).double() for i in model.layers]
        moved = torch.cat([(a - b).reshape(-1) for a, b in zip(after, before, strict=True)])
        size = torch.cat([b.reshape(-1) for b in before])
        share = float((moved != 0).double().mean())
        print(
            f"{dtype}: {share:.1%} changed, by {float(moved.norm() / size.norm()):.1e} of the norm"
        )


if __name__ == "__main__":
    main()
