"""torchvision built for CUDA beside a torch without it: its import fails, and so transformers'.

PyPI's torchvision 0.28 registers shapes for operators whose library it cannot load without CUDA
(``operator torchvision::nms does not exist``). transformers sees the package and then refuses most
of its classes. Without that registration all imports, and the transforms, work; nothing here needs
the operators.
"""

import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

REGISTRATION = "torchvision._meta_registrations"


@cache
def mend_torchvision() -> None:
    """Make torchvision importable, where it is installed and its operators are not there."""
    if find_spec("torchvision") is None:
        return
    try:
        import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        sys.modules[REGISTRATION] = ModuleType(REGISTRATION)
