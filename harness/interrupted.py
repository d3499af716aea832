"""Whether a run was asked to end: code of others may swallow what a signal raised in it.

Pydantic makes an error of its own of an interrupt that meets it at work, and a library may catch
all there is. So the run looks here between its steps.
"""

from __future__ import annotations

_asked = False


def ask_to_end() -> None:
    """Let the run end at its next step, if it does not end at once."""
    global _asked  # noqa: PLW0603 - a signal is of the process
    _asked = True


def forget_asking() -> None:
    """Begin anew, with a new command."""
    global _asked  # noqa: PLW0603
    _asked = False


def end_if_asked() -> None:
    """Raise what the signal raised.

    Raises:
        KeyboardInterrupt: The run was asked to end.
    """
    if _asked:
        raise KeyboardInterrupt
