"""Tests of the harness; transformers can be imported from here on."""

from harness_plugins.torchvision_cpu import mend_torchvision

mend_torchvision()
