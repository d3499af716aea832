"""Load the plugins for a command, and name the one that makes every command wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.cli.streams import tell

if TYPE_CHECKING:
    from harness.plugin.manager import Plugins

#: A stranger's plugin that takes longer to import is named on stderr.
SLOW_SECONDS = 2.0


def load_plugins(*listeners: object) -> Plugins:
    """Import every installed plugin.

    Args:
        listeners: Objects that listen to events, e.g. the progress display.
    """
    from harness.plugin.manager import load_plugins as load
    from harness.versions import own_distribution

    found, own = load(*listeners), own_distribution().name
    for origin, seconds in found.seconds.items():
        if seconds > SLOW_SECONDS and origin.distribution != own:
            tell(
                f"slow: plugin {origin} took {seconds:.1f} s to import; every command waits for it"
            )
    return found
