"""A benchmark harness for pruning vision-language and unimodal models.

Importing this package loads neither torch nor a plugin.
"""

__version__ = "0.1.0"
